# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What refusals of PostgreSQL and libpq mean, as errors of ours.

On its own, for a module that has nothing to complain of shall not pay for it: each line that is read counts.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    AuthenticationFailed,
    ConcurrentChange,
    DeadlineExceeded,
    Forbidden,
    HowdahError,
    InvalidInput,
    ReadOnly,
    RoleMissing,
    ServerUnreachable,
    SqlFailed,
    TimeoutConnect,
    TimeoutLock,
)
from .target import Address, Target

if TYPE_CHECKING:
    from psycopg2 import Error

# psycopg2 knows no SQLSTATE of a refused connection, so the server's words must do. What is
# none of these is a refused login when the server said it (it is FATAL then), else no connection.
_NOT_READY = re.compile(r"the database system is|too many clients|connection slots|terminating connection")
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_REFUSED = re.compile(r"FATAL: |no password supplied|authentication method requirement|server did not complete auth")
# What libpq says around the cause: where (our messages say it), and a question.
_AROUND = re.compile(r"connection to server [^\n]*? failed: +|FATAL: +|\s+Is the server running[^\n]*\?")

_BY_SQLSTATE: dict[str, type[HowdahError]] = {
    "25006": ReadOnly,
    "40001": ConcurrentChange,
    "40P01": ConcurrentChange,
    "42501": Forbidden,
    "42704": RoleMissing,
    "55P03": TimeoutLock,
    "57014": DeadlineExceeded,
    "57P01": ServerUnreachable,
    "57P02": ServerUnreachable,
    "57P03": ServerUnreachable,
}


def words(error: Error) -> str:
    """What the server, or libpq, says; never the statement, which may hold a verifier."""
    primary = error.diag.message_primary
    text = primary if primary else _AROUND.sub("", str(error).strip())
    return " ".join(text.split())


def of_login(error: Error, target: Target, address: Address) -> HowdahError:
    said = words(error)
    details = {"address": str(address), "server_says": said}
    if _NO_DATABASE.search(said):
        return InvalidInput(f"At {address}: {said}. Set login_db to one that exists.", **details)
    if _REFUSED.search(str(error)) and not _NOT_READY.search(said):
        return AuthenticationFailed(
            f"The server at {address} refused the login as {target.user!r}: {said}."
            " Check the login role, its password, and the server's pg_hba.conf.",
            **details,
        )
    return ServerUnreachable(f"{address}: {said}", **details)


def no_session(
    unresolved: Mapping[str, str], failures: Mapping[str, HowdahError], silent: Sequence[str], deadline: Deadline
) -> HowdahError:
    """The one error that says why there is no session."""
    for kind in (AuthenticationFailed, InvalidInput):
        for failure in failures.values():
            if isinstance(failure, kind):
                return failure
    causes = {**unresolved, **{where: str(error.details.get("server_says")) for where, error in failures.items()}}
    if silent or (deadline.expired() and unresolved):
        causes.update(dict.fromkeys(silent, "no answer"))
        return TimeoutConnect(
            f"The time limit of {deadline.seconds:g} s was reached while connecting to PostgreSQL"
            f" ({_list(causes)}). Check the address, firewalls, and whether the server is overloaded or frozen.",
            doing="connecting",
            addresses=causes,
        )
    return ServerUnreachable(
        f"No PostgreSQL server can be connected to ({_list(causes)})."
        " Start it, or correct login_host and login_port (or login_unix_socket).",
        addresses=causes,
    )


def _list(causes: dict[str, str]) -> str:
    return "; ".join(f"{where}: {why}" for where, why in causes.items())


def of_statement(error: Error, address: Address, deadline: Deadline, doing: str) -> HowdahError:
    state = error.pgcode
    said = words(error)
    details = {"address": str(address), "sqlstate": state, "doing": doing}
    if state is None or state.startswith("08"):
        return ServerUnreachable(f"The connection to {address} broke while {doing}: {said}", **details)
    kind = _BY_SQLSTATE.get(state, SqlFailed)
    if state == "XX000" and "concurrently updated" in said:
        kind = ConcurrentChange
    if issubclass(kind, DeadlineExceeded):
        cause = f"another session holds it; {said}" if kind is TimeoutLock else said
        return kind(f"The time limit of {deadline.seconds:g} s was reached while {doing} ({cause}).", **details)
    if kind is Forbidden and error.diag.message_detail:
        said = f"{said}: {error.diag.message_detail.rstrip('.')}"  # which right is missing; it quotes no values
    return kind(f"The server at {address} refused while {doing}: {said} (SQLSTATE {state}).", **details)
