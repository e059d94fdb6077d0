# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that change a role's password, and what is asked around a change.

Each call is one statement of a session; who calls decides on transactions.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import hashlib
import re
import time
from typing import Sequence

from .._core.deadline import Deadline
from .connect import Session
from .role import limits
from .scram import Verifier

# What would write the statement, verifier included, into logs and views. Where the login may.
_QUIET = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_min_error_statement": "panic",
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "pg_stat_statements.track_utility": "off",
    # pg_stat_activity: members of pg_monitor may read it.
    "track_activities": "off",
    "pg_stat_monitor.pgsm_track_utility": "off",
    "pgaudit.log": "none",
}
_POLL_SECONDS = 0.02


def begin_writing(session: Session, roles: Sequence[str], superuser: bool, deadline: Deadline) -> None:
    """Begin a transaction that does not wait for standbys, leaves no trace in logs, and has the roles for itself.

    A commit that waits for a missing standby cannot be timed out: it would hold the role's lock
    after its client has gone.
    """
    session.query("BEGIN", (), deadline, "beginning a transaction")
    statement_timeout, lock_timeout = limits(deadline)
    session.query(
        "SELECT set_config('synchronous_commit', 'local', true),"
        " set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
        (statement_timeout, lock_timeout),
        deadline,
        "setting time limits",
    )
    if superuser:
        session.query(
            "SELECT set_config(wanted.name, wanted.value, true)"
            " FROM unnest(%s, %s) AS wanted (name, value) JOIN pg_catalog.pg_settings USING (name)"
            " WHERE context IN ('user', 'superuser')",
            (list(_QUIET), list(_QUIET.values())),
            deadline,
            "keeping the statement out of the logs",
        )
    for role in sorted(roles):  # in one order, so that two runs do not wait for each other
        session.query(
            "SELECT pg_advisory_xact_lock(%s)",
            (_lock_key(role),),
            deadline,
            f"waiting for another run that changes role {role!r}",
        )


def alter(session: Session, role: str, verifier: Verifier, deadline: Deadline) -> None:
    """Set the role's password."""
    from psycopg2.sql import SQL, Identifier

    # psycopg2 looks for placeholders in identifiers, too.
    name = Identifier(role.replace("%", "%%"))
    session.query(
        SQL("ALTER ROLE {} PASSWORD %s").format(name),
        (str(verifier),),
        deadline,
        f"changing the password of role {role!r}",
    )


def backend_runs(session: Session, pid: int, deadline: Deadline) -> bool:
    """Whether there is a server process of this id."""
    rows = session.query(
        "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = %s", (pid,), deadline, "looking for a server process"
    )
    return bool(rows)


def leader_of(session: Session, deadline: Deadline) -> str:
    """Where a standby's changes come from, as ``host:port``; empty when it does not tell."""
    rows = session.query(
        "SELECT sender_host, sender_port FROM pg_catalog.pg_stat_wal_receiver WHERE sender_host IS NOT NULL",
        (),
        deadline,
        "looking for the leader",
    )
    return f"{rows[0][0]}:{rows[0][1]}" if rows else ""


def needed_standbys(names: str, synchronous_commit: str) -> int:
    """How many standbys confirm a commit under these values of the settings of those names."""
    if not names.strip() or synchronous_commit in ("off", "local"):
        return 0
    match = re.match(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", names, re.IGNORECASE)
    return int(match.group(1)) if match else 1


def wait_replicated(session: Session, standbys: int, deadline: Deadline) -> bool | None:
    """Whether as many synchronous standbys as needed have what was committed; None when the login may not know.

    Waits as long as enough of them are connected, and there is time.
    """
    lsn = session.query("SELECT pg_current_wal_flush_lsn()::text", (), deadline, "reading the log's position")[0][0]
    while True:
        connected, confirmed, hidden = session.query(
            "SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),"
            " count(*) FILTER (WHERE sync_state IN ('sync', 'quorum') AND flush_lsn >= %s::pg_lsn),"
            " count(*) FILTER (WHERE sync_state IS NULL)"
            " FROM pg_catalog.pg_stat_replication",
            (lsn,),
            deadline,
            "waiting for the synchronous standby",
        )[0]
        if hidden:
            return None
        if confirmed >= standbys:
            return True
        if connected < standbys:
            return False
        deadline.check("waiting for the synchronous standby")
        time.sleep(_POLL_SECONDS)


def _lock_key(role: str) -> int:
    """The advisory lock of a role: 64 bits, signed."""
    digest = hashlib.sha256(b"howdah.postgresql.password " + role.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
