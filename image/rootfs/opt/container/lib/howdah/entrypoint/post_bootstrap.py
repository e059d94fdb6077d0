# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni runs once, on the server of a new cluster, before anybody else can log in.

It sets the password of the environment through the password engine, makes the database, the roles of the members and
the extension for statistics, and runs the init scripts. Then the cluster is complete: the journal says so. Patroni
makes the roles as well, but later: a cluster without them, from a container that was killed in between, could have no
replica ever. If anything fails, Patroni gives the cluster up, and the next start makes another one.
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
from . import journal, layout, question, run_state, runtime, scripts
from .config import BUILT_IN
from .faults import STATUS_FAILED, Refused
from .logs import Log

# Making a database copies another; with the disk of a small machine that takes its time.
_SECONDS_DATABASE = 60.0
_REWIND_CALLS = (
    "pg_catalog.pg_ls_dir(text, boolean, boolean), pg_catalog.pg_stat_file(text, boolean), "
    "pg_catalog.pg_read_binary_file(text), pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)"
)


def main(_arguments: list[str]) -> int:
    """Do it; 0 when all is done."""
    with open(runtime.BOOTSTRAP, encoding="utf-8", errors="surrogateescape") as file:
        request = json.load(file)
    log = Log(request["level"], "post-bootstrap")
    state = run_state.read()
    server = question.running(state.pgdata) if state is not None else None
    if state is None or server is None:
        log.error("post_bootstrap_failed", "There is no server to finish the bootstrap on.")
        return STATUS_FAILED
    target = Target(socket_dir=server.socket_dir, port=server.port, user=request["role"], dbname="postgres")
    try:
        _roles(target, request)
        _passwords(target, request, log)
        _databases(target, request["database"])
        place = layout.place(state.pgdata)
        # A cluster that comes from a backup is none of initdb's, and has had its scripts.
        if journal.pending(place) is not None:
            _scripts(server.socket_dir, request, log)
        journal.remove(place)
    except HowdahError as error:
        log.error("post_bootstrap_failed", f"The new cluster cannot be finished: {error.message}", code=error.code)
        return STATUS_FAILED
    except Refused as refusal:
        for fault in refusal.faults:
            log.error(fault.event, fault.message)
        return refusal.status
    except OSError as error:
        log.error(
            "post_bootstrap_failed", f"The new cluster cannot be finished: {error.strerror}: {error.filename}."
        )
        return STATUS_FAILED
    os.unlink(runtime.BOOTSTRAP)
    log.info("bootstrapped", "The new cluster is complete.")
    return 0


def _roles(target: Target, request: Mapping[str, Any]) -> None:
    """What the members log in as, with what pg_rewind needs to call."""
    deadline = Deadline(request["timeout"])
    session = connect(target, deadline)
    try:
        found = session.query("SELECT rolname FROM pg_catalog.pg_roles", (), deadline, "reading the roles")
        known = {row[0] for row in found}
        for role in request["members"]:
            if role["role"] in known:
                continue
            name = sql.Identifier(role["role"])
            statement = sql.SQL("CREATE ROLE {} WITH {}").format(name, sql.SQL(role["options"]))
            session.query(statement, (), deadline, f"making the role {role['role']}")
            if "REPLICATION" not in role["options"]:
                grant = sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(_REWIND_CALLS), name)
                session.query(grant, (), deadline, f"granting to {role['role']}")
    finally:
        session.close()


def _passwords(target: Target, request: Mapping[str, Any], log: Log) -> None:
    if request["verifier"] is None:
        log.warn(
            "no_password",
            "POSTGRES_PASSWORD is not set: nobody can log in over TCP until a password is set. "
            "Inside the container, `psql` works without one.",
        )
    wishes = [
        Wish(entry["role"], verifier=Verifier.parse(entry["verifier"]), password=None)
        for entry in (request, *request["members"])
        if entry["verifier"] is not None
    ]
    if wishes:
        set_passwords(target, wishes, Deadline(request["timeout"]), False, Outcome())


def _scripts(socket_dir: str, request: Mapping[str, Any], log: Log) -> None:
    """The init scripts of the user, as the mode postgres runs them."""
    paths = scripts.find()
    if not paths:
        return
    environ = {**os.environ, "PGHOST": socket_dir}
    environ.pop("PGPASSFILE", None)  # Patroni's
    with scripts.pumped(log.level) as output:
        runner = scripts.Scripts(request["role"], request["database"], environ, output, log)
        for path in paths:
            runner.run(path)


def _databases(target: Target, name: str) -> None:
    """The database of the user, and statistics in it and in the one that everybody has."""
    deadline = Deadline(_SECONDS_DATABASE)
    session = connect(target, deadline)
    try:
        found = session.query("SELECT datname FROM pg_catalog.pg_database", (), deadline, "reading the databases")
        if name not in BUILT_IN and name not in {row[0] for row in found}:
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
