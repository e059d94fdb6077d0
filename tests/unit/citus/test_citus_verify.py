# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether restored groups fit together, as far as it can be judged without Citus."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._citus import verify
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import GroupsDisagree, InvalidInput


def said(*results: str, **failed: str) -> list[dict[str, Any]]:
    rows = [{"node": f"n{number}", "success": True, "result": result} for number, result in enumerate(results)]
    return rows + [{"node": node, "success": False, "result": result} for node, result in failed.items()]


def table(rows: int, *results: str, reference: bool = False) -> dict[str, Any]:
    placements = [
        {"node": f"w{number}", "shard": number, "success": True, "result": result}
        for number, result in enumerate(results)
    ]
    return {"name": "public.t", "reference": reference, "rows": rows, "placements": placements}


def test_transactions_that_are_half_done_are_told() -> None:
    assert verify.pending(said("0", "0")) == []
    assert verify.pending(said("0", "2")) == [
        "n1 has 2 transactions that are prepared, and neither committed nor rolled back"
    ]
    assert verify.pending(said("0", gone="could not connect")) == ["gone does not answer: could not connect"]


def test_metadata_are_compared_with_those_of_most() -> None:
    assert verify.metadata_differ(said("a", "a", "a")) == []
    assert verify.metadata_differ(said("a", "b", "a")) == ["n1 has other metadata than most nodes"]
    assert verify.metadata_differ(said("a", gone="no")) == ["gone does not answer: no"]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (table(7, "3", "4"), ""),
        (table(7, "3", "3"), "its shards have 6 rows, and the coordinator counts 7"),
        (table(2, "2 99", "2 99", reference=True), ""),
        (table(2, "2 99", "2 98", reference=True), "its rows are not the same everywhere: w0 2 rows, w1 2 rows"),
        (table(3, "2 99", "2 99", reference=True), "each node has 2 rows, and the coordinator counts 3"),
        (table(0), "it has no shards"),
    ],
)
def test_rows_are_compared(found: dict[str, Any], problem: str) -> None:
    (told,) = verify.compare([found])
    assert told["problem"] == problem and told["rows"] == found["rows"]


def test_a_shard_that_cannot_be_read_is_a_problem() -> None:
    found = table(3, "3")
    found["placements"].append({"node": "w9", "shard": 9, "success": False, "result": "relation does not exist"})
    (told,) = verify.compare([found])
    assert told["problem"] == "shard 9 on w9 cannot be read: relation does not exist"


@pytest.mark.parametrize("label", ["", "-a", "a b", "x" * 47, "a'b", "ü"])
def test_a_label_is_part_of_a_name(label: str) -> None:
    with pytest.raises(InvalidInput):
        verify.check_label(label)


def test_labels_leave_room_for_the_time() -> None:
    longest = "x" * 46
    verify.check_label(longest)
    assert len(f"{longest}-20260131T120000Z") <= 63


class Stubborn:
    """A formation that is asked, and mends itself after some tries, or never."""

    def __init__(self, well_after: int) -> None:
        self.asked: list[list[str]] = []
        self._well_after = well_after

    def check(self, steps: list[str]) -> dict[str, Any]:
        """As :meth:`Formation.check`."""
        self.asked.append(steps)
        if steps != ["pending", "metadata"]:
            return {}
        self._well_after -= 1
        well = self._well_after <= 0
        return {"pending": said("0" if well else "1"), "metadata": said("a", "a")}


def test_what_is_half_done_is_ended_and_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_PAUSE", 0)
    formation: Any = Stubborn(2)
    verify.settle(formation, ["n0 has 1 …"], [], Deadline(5))
    assert formation.asked == [["recover"], ["pending", "metadata"]] * 2
    formation = Stubborn(99)
    with pytest.raises(GroupsDisagree, match="n0 has 1 transactions"):
        verify.settle(formation, ["n0 has 1 …"], [], Deadline(5))
    formation = Stubborn(1)
    verify.settle(formation, [], ["n1 has other metadata"], Deadline(5))
    assert formation.asked == [["sync"], ["pending", "metadata"]]
