# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last password that was applied from the environment, kept in the cluster as a verifier.

It travels with backups, and lets a start tell "the variable was changed" from "the password was
changed since by somebody else", which a restart must not undo.
"""
from __future__ import annotations

import json
import os
from typing import NamedTuple

from .journal import sync, write_file

NAME = ".howdah-password"


class Record(NamedTuple):
    """What was applied last.

    :param role: whose password.
    :param verifier: its spelling; None when the cluster was made without a password.
    """

    role: str
    verifier: str | None


def read(pgdata: str) -> Record | None:
    """The record; None in a cluster that something else made."""
    try:
        with open(f"{pgdata}/{NAME}", encoding="utf-8") as file:
            entry = json.load(file)
        return Record(entry["role"], entry["verifier"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write(pgdata: str, record: Record, durable: bool = True) -> None:
    """Replace the record.

    :param durable: whether to wait for the disk.
    """
    path = f"{pgdata}/{NAME}"
    text = json.dumps({"role": record.role, "verifier": record.verifier})
    write_file(path + ".new", text.encode("ascii"), durable)
    os.replace(path + ".new", path)
    if durable:
        sync(pgdata)


def is_applied(record: Record, role: str, password: str, is_verifier: bool) -> bool:
    """Whether the environment holds what was applied last. Pure."""
    if record.role != role or record.verifier is None:
        return False
    if is_verifier:
        return record.verifier == password
    from .._postgres.scram import Verifier

    verifier = Verifier.parse(record.verifier)
    return verifier is not None and verifier.matches(password)
