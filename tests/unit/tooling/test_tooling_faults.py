# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that inflict faults would notice a lost row, a row that is there twice, and a gap."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))
sys.path.insert(0, str(Path(__file__).parents[2] / "integration/faults"))

from fault_kinds import FAULTS, Suffered  # only now found
from fault_table import with_table
from fault_writer import Verdict, Writer, judge

PAGE = Path(__file__).parents[3] / "docs/faults.md"


def test_what_is_lost_or_there_twice_is_told() -> None:
    verdict = judge({1: 1, 2: 2, 4: 1}, [1, 2, 3])
    assert (verdict.acknowledged, verdict.lost, verdict.twice) == (3, [3], [2])
    assert judge({1: 1, 5: 1}, [1]) == Verdict(1)  # that one was written, and its acknowledgement lost


def test_a_gap_counts_to_the_ends() -> None:
    writer = Writer(0, "")
    writer.acknowledged = [(1, 9.0), (2, 10.5), (3, 12.0), (4, 12.5)]
    assert writer.gap(10.0, 13.0) == 1.5
    assert writer.gap(10.0, 20.0) == 7.5
    assert writer.gap(14.0, 20.0) == 6.0


def test_the_page_has_room_for_the_table() -> None:
    found = {"synchronous": {"stop": [Suffered((1.0,), Verdict(7)), Suffered((3.0,), Verdict(7, lost=[1]))]}}
    page = with_table(PAGE.read_text(encoding="utf-8"), found)
    assert f"| {FAULTS['stop'].title} | synchronous | 2 | 2.00 s | 3.00 s | 14 | 1 | 0 |" in page
