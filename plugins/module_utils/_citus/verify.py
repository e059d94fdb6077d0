# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the groups of a formation fit together, as after a restore: what they are asked, and what is wrong. Pure but
for :func:`settle`.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any, Iterable, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import GroupsDisagree, InvalidInput
from .._core.plan import Action, Plan
from .observe import Formation

# With the time that is added: PostgreSQL takes 63 bytes.
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,45}")
_PAUSE = 1.0
# Citus' own look for transactions that were left comes every minute; more often than once it is not to be needed.
_TRIES = 3


def check_label(label: str) -> None:
    """Refuse what cannot be the beginning of a restore point's name.

    :raises InvalidInput: says what can.
    """
    if not _LABEL.fullmatch(label):
        raise InvalidInput(
            f"The label {label!r} cannot be used: 1 to 46 letters, digits, '-', '_' and '.', the first one no mark."
        )


def unasked(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Nodes that did not answer, a phrase each."""
    return [f"{row['node']} does not answer: {row['result']}" for row in rows if not row["success"]]


def pending(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Nodes on which transactions between nodes are half-done, a phrase each."""
    rows = list(rows)
    return unasked(rows) + [
        f"{row['node']} has {row['result']} transactions that are prepared, and neither committed nor rolled back"
        for row in rows
        if row["success"] and row["result"] != "0"
    ]


def metadata_differ(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Nodes whose metadata are not those of most, a phrase each."""
    rows = list(rows)
    digests = Counter(row["result"] for row in rows if row["success"])
    if len(digests) < 2:
        return unasked(rows)
    most = digests.most_common(1)[0][0]
    return unasked(rows) + [
        f"{row['node']} has other metadata than most nodes" for row in rows if row["success"] and row["result"] != most
    ]


def compare(tables: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each table: how many rows it has, on how many placements, and what is wrong."""
    told = []
    for table in tables:
        placements: Sequence[Mapping[str, Any]] = table["placements"]
        problems = [
            f"shard {one['shard']} on {one['node']} cannot be read: {one['result']}"
            for one in placements
            if not one["success"]
        ]
        if not problems and not placements:
            problems = ["it has no shards"]
        elif not problems:
            problems = _content(table, placements)
        told.append(
            {
                "table": table["name"],
                "kind": "on every node" if table["reference"] else "spread",
                "rows": table["rows"],
                "placements": len(placements),
                "problem": "; ".join(problems),
            }
        )
    return told


def _content(table: Mapping[str, Any], placements: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs, where all of it could be read."""
    if not table["reference"]:
        held = sum(int(one["result"]) for one in placements)
        return _counted(table, "its shards have", held)
    contents = {one["result"] for one in placements}
    if len(contents) > 1:
        counts = ", ".join(f"{one['node']} {one['result'].split()[0]} rows" for one in placements)
        return [f"its rows are not the same everywhere: {counts}"]
    return _counted(table, "each node has", int(contents.pop().split()[0]))


def _counted(table: Mapping[str, Any], who: str, held: int) -> list[str]:
    return [] if held == table["rows"] else [f"{who} {held} rows, and the coordinator counts {table['rows']}"]


def plan(left: Sequence[str], differing: Sequence[str]) -> Plan:
    """What there is to mend.

    :param left: of :func:`pending`; :param differing: of :func:`metadata_differ`.
    """
    actions = [Action("end", "transactions between nodes", one) for one in left]
    actions += [Action("send the metadata to", "all nodes", one) for one in differing]
    return Plan(tuple(actions), {"disagreements": len(actions)}, {"disagreements": 0})


def settle(formation: Formation, left: Sequence[str], differing: Sequence[str], deadline: Deadline) -> None:
    """Mend it.

    :raises GroupsDisagree: when that does not help.
    """
    for _try in range(_TRIES):
        if left:
            formation.check(["recover"])
        if differing:
            formation.check(["sync"])
        found = formation.check(["pending", "metadata"])
        left, differing = pending(found["pending"]), metadata_differ(found["metadata"])
        if not left and not differing:
            return
        deadline.check(f"waiting until the groups agree: {'; '.join([*left, *differing])}")
        time.sleep(_PAUSE)
    wrong = [*left, *differing]
    raise GroupsDisagree(f"The groups do not agree: {'; '.join(wrong)}.", disagreements=wrong)
