# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a backup is due, and making it.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Mapping, Sequence

from .._core.errors import InvalidInput, NoBackup, PgbackrestFailed
from .._core.plan import Action, Plan
from .info import RANK, Backup, Stanza, fresh
from .repository import Repository


def due(
    stanza: Stanza, kind: str, max_age: float | None, repositories: Sequence[int] | None, now: float
) -> dict[int, str]:
    """The repositories that need a backup, and why. Pure.

    :raises NoBackup: when there is no stanza.
    :raises InvalidInput: for a repository that there is not.
    """
    if not stanza.exists:
        raise NoBackup(
            f"Stanza {stanza.name} does not exist ({stanza.message}): create it with pgbackrest_stanza, or run the"
            " playbook site."
        )
    numbers = [one["number"] for one in stanza.repositories]
    unknown = [one for one in repositories or () if one not in numbers]
    if unknown:
        raise InvalidInput(f"There is no repository {unknown[0]}, only {', '.join(map(str, numbers))}.")
    found = {}
    for number in repositories or numbers:
        if max_age is None:
            found[number] = "asked for"
        elif fresh(stanza, kind, max_age, now, number) is None:
            found[number] = f"none is younger than {max_age:g} s" if _of(stanza, number) else "there is none yet"
    return found


def plan(stanza: Stanza, kind: str, wanted: Mapping[int, str]) -> Plan:
    """What is to be done. Pure."""
    actions = [Action("back up", f"to repository {number}", f"{kind}, {why}") for number, why in wanted.items()]
    newest = {number: labels[-1] for number in wanted if (labels := [one.label for one in _of(stanza, number)])}
    return Plan(tuple(actions), {"newest": newest}, {"newest": dict.fromkeys(wanted, f"a new one, {kind}")})


def make(pgbackrest: Repository, stanza: Stanza, kind: str, wanted: Mapping[int, str]) -> Stanza:
    """Make the backups; the stanza afterwards.

    :raises PgbackrestFailed: when a backup is not in its repository although pgBackRest says so.
    """
    before = {one.label for one in stanza.backups}
    for number in wanted:
        words = [f"--repo={number}", f"--type={kind}"]
        pgbackrest.must([*words, "backup"], f"backing up to repository {number}")
    after = pgbackrest.info() if wanted else stanza
    for number in wanted:
        new = [one for one in _of(after, number) if one.label not in before]
        if not new:
            raise PgbackrestFailed(
                f"pgBackRest says that it has backed up, but repository {number} has no new backup."
            )
        if new[-1].error:
            raise PgbackrestFailed(
                f"The backup {new[-1].label} has pages with wrong checksums: the cluster's files are damaged. Look at"
                " the log of the repository's container for the names of the files.", backup=new[-1].told(time.time()),
            )
    return after


def serving(stanza: Stanza, kind: str, repositories: Sequence[int] | None) -> list[Backup]:
    """The newest backup of each repository that holds enough. Pure."""
    numbers = repositories or [one["number"] for one in stanza.repositories]
    found = [[one for one in _of(stanza, number) if RANK[one.kind] <= RANK[kind]] for number in numbers]
    return [backups[-1] for backups in found if backups]


def _of(stanza: Stanza, number: int) -> list[Backup]:
    return [one for one in stanza.backups if one.repository == number]
