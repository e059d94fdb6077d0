# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni runs once, on the server of a new cluster, before anybody else can log in.

It sets the password of the environment through the password engine, and makes the database and the extension
for statistics. If it fails, Patroni removes the cluster again.
"""
from __future__ import annotations

import json
import os
from typing import Any, Mapping

from psycopg2 import sql

from .._core.deadline import Deadline
from .._core.errors import HowdahError
from .._postgres.connect import connect
from .._postgres.engine import Outcome, set_passwords
from .._postgres.password import Wish
from .._postgres.scram import Verifier
from .._postgres.target import Target
from . import question, runtime
from .config import BUILT_IN
from .faults import STATUS_FAILED
from .logs import Log

# Making a database copies another; with the disk of a small machine that takes its time.
_SECONDS_DATABASE = 60.0


def main(_arguments: list[str]) -> int:
    """Do it; 0 when all is done."""
    with open(runtime.BOOTSTRAP, encoding="utf-8", errors="surrogateescape") as file:
        request = json.load(file)
    log = Log(request["level"], "post-bootstrap")
    state = runtime.read_state()
    server = question.running(state.pgdata) if state is not None else None
    if server is None:
        log.error("post_bootstrap_failed", "There is no server to finish the bootstrap on.")
        return STATUS_FAILED
    target = Target(socket_dir=server.socket_dir, port=server.port, user=request["role"], dbname="postgres")
    try:
        _password(target, request, log)
        _databases(target, request["database"])
    except HowdahError as error:
        log.error("post_bootstrap_failed", f"The new cluster cannot be finished: {error.message}", code=error.code)
        return STATUS_FAILED
    os.unlink(runtime.BOOTSTRAP)
    log.info("bootstrapped", "The new cluster is complete.")
    return 0


def _password(target: Target, request: Mapping[str, Any], log: Log) -> None:
    if request["verifier"] is None:
        log.warn(
            "no_password",
            "POSTGRES_PASSWORD is not set: nobody can log in over TCP until a password is set. "
            "Inside the container, `psql` works without one.",
        )
        return
    wish = Wish(request["role"], verifier=Verifier.parse(request["verifier"]), password=None)
    set_passwords(target, [wish], Deadline(request["timeout"]), False, Outcome())


def _databases(target: Target, name: str) -> None:
    """The database of the user, and statistics in it and in the one that everybody has."""
    deadline = Deadline(_SECONDS_DATABASE)
    session = connect(target, deadline)
    try:
        if name not in BUILT_IN:
            statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            session.query(statement, (), deadline, f"making the database {name!r}")
        libraries = session.query("SHOW shared_preload_libraries", (), deadline, "asking for the libraries")[0][0]
    finally:
        session.close()
    loaded = [library.strip() for library in libraries.split(",")]
    extension = next((one for one in ("pg_stat_monitor", "pg_stat_statements") if one in loaded), None)
    if extension is None:
        return
    for database in dict.fromkeys(("postgres", name)):
        session = connect(target._replace(dbname=database), deadline)
        try:
            statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension))
            session.query(statement, (), deadline, f"making the extension {extension}")
        finally:
            session.close()
