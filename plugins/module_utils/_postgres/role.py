# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that look at a server and its roles.

Each call is one statement of a session; who calls decides on transactions. Statements that write are in role_change.py.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import NamedTuple, Sequence

from .._core.deadline import Deadline
from .connect import Session
from .password import Observed


class Server(NamedTuple):
    """What matters of a server, and of the login's rights.

    :param standbys: the values of ``synchronous_standby_names`` and ``synchronous_commit``.
    """

    superuser: bool = False
    readable: bool = False
    read_only: bool = False
    standbys: tuple[str, str] = ("", "")


def limits(deadline: Deadline) -> tuple[str, str]:
    """``statement_timeout`` and ``lock_timeout``, so that the server gives up before its client does."""
    left = deadline.check("working on the server")
    margin = min(0.2, left * 0.1)
    return f"{max(1, int((left - margin) * 1000))}ms", f"{max(1, int((left - 2 * margin) * 1000))}ms"


def begin_reading(session: Session, deadline: Deadline) -> Server:
    """Begin a transaction that the server itself keeps from writing, and look at the server."""
    statement_timeout, lock_timeout = limits(deadline)
    row = session.query(
        "BEGIN READ ONLY;"
        " SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
        "   current_setting('is_superuser') = 'on',"
        "   has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT'),"
        "   current_setting('default_transaction_read_only') = 'on',"
        "   current_setting('synchronous_standby_names'), current_setting('synchronous_commit')",
        (statement_timeout, lock_timeout),
        deadline,
        "looking at the server",
    )[0]
    return Server(row[2], row[3], session.in_recovery or row[4], (row[5], row[6]))


def observe(session: Session, roles: Sequence[str], readable: bool, deadline: Deadline) -> dict[str, Observed]:
    """The roles of these names that exist."""
    source = "rolpassword FROM pg_catalog.pg_authid" if readable else "NULL FROM pg_catalog.pg_roles"
    rows = session.query(
        "SELECT rolname, rolcanlogin, coalesce(rolvaliduntil <= now(), false), "
        + source
        + " WHERE rolname::text = ANY (%s)",
        (list(roles),),
        deadline,
        "reading the roles",
    )
    return {
        name: Observed(name, secret, readable=readable, can_login=can_login, expired=expired)
        for name, can_login, expired, secret in rows
    }


def end(session: Session, how: str, deadline: Deadline) -> None:
    """End the transaction.

    :param how: ``COMMIT`` or ``ROLLBACK``.
    """
    session.query(how, (), deadline, "committing" if how == "COMMIT" else "ending a transaction")
