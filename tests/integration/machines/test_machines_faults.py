# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines, networks and disks fail: no acknowledged row is lost, and the cluster becomes whole again by itself."""

from __future__ import annotations

import pytest
from machine_bed import Bed
from machine_faults import FAULTS
from operating_clients import clients, nothing_lost
from operating_table import note
from spread_cluster import Spread

pytestmark = pytest.mark.full  # three engines, and outages longer than a lease

# The aims are for a machine that has nothing else to do; docs/faults.md has what was measured.
_SLACK = 1.5
_DISK = "2g"


@pytest.fixture(scope="module")
def limited(spread: Spread, bed: Bed) -> Spread:
    """The cluster, its data on disks that can become full."""
    spread.remove()
    for machine in bed.machines:
        machine.limit(f"{machine.name}-pg-data", _DISK)
    spread.deploy()
    return spread


@pytest.mark.parametrize("kind", FAULTS)
def test_no_acknowledged_row_is_lost(limited: Spread, kind: str) -> None:
    fault = FAULTS[kind]
    leader = limited.machine_of(limited.wait_whole())
    leads_etcd = next(one for one in limited.bed.machines if (one is leader) == fault.etcd)
    limited.have_etcd_led_by(f"{leads_etcd.name}-etcd")
    with clients(limited) as seen:
        fault.inflict(limited, leader)
    note(fault.title, seen)
    nothing_lost(seen)
    assert seen.gap <= fault.limit * _SLACK
