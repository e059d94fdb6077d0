# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaves a commit in the write-ahead log, by which a recovery finds that a time has passed.

PostgreSQL takes a time for reached when it comes to a later commit, and fails where there is none
(``recoveryStopsBefore`` of xlogrecovery.c): after a quiet hour, each time since the last commit would be out of reach.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from .._core.deadline import Deadline
from .connect import connect
from .target import Target

_DOING = "committing an empty transaction"


def mark(target: Target, deadline: Deadline) -> bool:
    """Commit an empty transaction; whether it was done, which a standby cannot."""
    session = connect(target, deadline)
    try:
        if session.in_recovery:
            return False
        # The server is about to be stopped, and writes it out then; no standby has to have it.
        session.query("SET synchronous_commit TO local", (), deadline, _DOING)
        session.query("SELECT pg_catalog.pg_current_xact_id()::text", (), deadline, _DOING)
        return True
    finally:
        session.close()
