# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to do once an existing cluster serves: a process of its own, a child of the init.

It gets the password through a pipe, and works while the server starts: nothing here costs the start any time.
"""
from __future__ import annotations

import json
import sys
import time
from typing import Any

from . import question, record
from .logs import Log, tell_of_crashes

_SECONDS = 5.0  # for each step of one short question
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
_OTHER_COLLATION = (
    "SELECT string_agg(quote_ident(datname), ', ' ORDER BY datname) FROM pg_catalog.pg_database "
    "WHERE datallowconn AND datcollversion <> pg_catalog.pg_database_collation_actual_version(oid)"
)


def main(_arguments: list[str]) -> int:
    """Read one request, a line of JSON, from standard input, and carry it out."""
    tell_of_crashes("follow-up")
    request = json.loads(sys.stdin.buffer.readline())
    log = Log(request["level"], "follow-up")
    if _password_is_due(request):
        from . import change_password  # with a driver, which takes longer to load than all the rest

        change_password.run(request)
    _warn_of_collations(request, log)
    return 0


def _password_is_due(request: dict[str, Any]) -> bool:
    """Whether the environment holds a password that was not applied yet."""
    if request["password"] is None:
        return False
    last = record.read(request["pgdata"])
    return last is None or not record.is_applied(
        last, request["role"], request["password"], request["password_is_verifier"]
    )


def _warn_of_collations(request: dict[str, Any], log: Log) -> None:
    """One line if text sorts in another way than when a database was made: the server itself repeats it for ever."""
    databases = _ask(request["pgdata"], request["role"], _OTHER_COLLATION)
    if databases:
        log.warn(
            "collation_version",
            f"The C library of this image sorts text in another way than the one that these databases were made with: "
            f"{databases}. Indexes on text may miss rows: in each of them run REINDEX DATABASE, then ALTER DATABASE "
            "... REFRESH COLLATION VERSION; or go back to the image of before.",
        )


def _ask(pgdata: str, user: str, query: str) -> str | None:
    """The one value that a query answers, once the server accepts logins; None for none."""
    pauses = iter(_PAUSES)
    while True:
        server = question.running(pgdata)
        if server is not None and server.ready:
            return question.value(server, user, query, _SECONDS)
        time.sleep(next(pauses, _PAUSES[-1]))
