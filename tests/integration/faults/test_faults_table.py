# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault several times, with and without synchronous mode; the figures go into docs/faults.md."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from fault_cluster import Cluster
from fault_kinds import FAULTS, Effort, Suffered, suffer
from fault_table import with_table

PAGE = Path(__file__).parents[3] / "docs/faults.md"
EFFORT = Effort(outage=60.0, switchovers=20, named=5)
ROUNDS = int(os.environ.get("HOWDAH_FAULT_ROUNDS", "5"))


@pytest.mark.full
def test_the_table_of_faults(cluster: Cluster) -> None:
    modes = {"synchronous": "quorum", "asynchronous": False}
    found: dict[str, dict[str, list[Suffered]]] = {title: {kind: [] for kind in FAULTS} for title in modes}
    for _round in range(ROUNDS):
        for title, mode in modes.items():
            cluster.set_synchronous(mode)
            for kind, fault in FAULTS.items():
                start = time.monotonic()
                found[title][kind].append(suffer(cluster, fault, EFFORT))
                took, gap = time.monotonic() - start, found[title][kind][-1].gap
                print(f"{kind}, {title}: longest gap {gap:.2f} s; all of it took {took:.0f} s", flush=True)
                PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    synchronous = found["synchronous"]
    assert {kind: [one.verdict.lost for one in runs] for kind, runs in synchronous.items() if _lost(runs)} == {}
    assert {kind for runs in found.values() for kind, all_of in runs.items() if _twice(all_of)} == set()


def _lost(runs: list[Suffered]) -> int:
    return sum(len(one.verdict.lost) for one in runs)


def _twice(runs: list[Suffered]) -> int:
    return sum(len(one.verdict.twice) for one in runs)
