# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault once: no acknowledged row is lost, none is there twice, and writing goes on within bounds."""

from __future__ import annotations

import pytest
from fault_cluster import Cluster
from fault_kinds import FAULTS, Effort, suffer

# Longer than a leader's lease (20 s); `bin/test full` waits a minute.
EFFORT = Effort(outage=25.0, switchovers=3)
# The aims are for a machine that has nothing else to do: docs/faults.md has what was measured on one.
_SLACK = 2.0


@pytest.mark.parametrize("kind", [kind for kind, fault in FAULTS.items() if fault.brief])
def test_no_acknowledged_row_is_lost(cluster: Cluster, kind: str) -> None:
    suffered = suffer(cluster, FAULTS[kind], EFFORT)
    print(f"{kind}: longest gap {suffered.gap:.2f} s, {suffered.verdict.acknowledged} rows acknowledged")
    assert suffered.verdict.acknowledged > 40
    assert suffered.verdict.lost == []
    assert suffered.verdict.twice == []
    limit = FAULTS[kind].limit
    if limit is not None:
        assert suffered.gap <= limit * _SLACK
