# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a password given to a container can be seen, from its first process to its last: docs/security.md says it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier

LOUD = {
    "LOG_LEVEL": "DEBUG",
    "POSTGRESQL_CONFIG_LOG_STATEMENT": "all",
    "POSTGRESQL_CONFIG_LOG_MIN_DURATION_STATEMENT": "0",
    "POSTGRESQL_CONFIG_SHARED_PRELOAD_LIBRARIES": "pg_stat_statements",
}
SCRIPTS = {"/docker-entrypoint-initdb.d/1.sql": b"CREATE EXTENSION pg_stat_statements;\nSELECT pg_sleep(0.1);"}
HEALTH = "/opt/container/bin/health"
# What the engine itself hands to the first process, to probes and to `exec`: it is documented. A process that is just
# being made has no command line yet.
GIVEN = {
    "inspect Config",
    *(f"environ of a container: {name}" for name in ("", "sh", "entrypoint", "main", "health", "sleep")),
}


def _live(engine: Any, box_until: Any, scan: Any, first: str, second: str, clear: str) -> None:
    """Initialise with a script, change the password by the variable, probe, exec, look everywhere, stop."""
    volume = engine.volume()
    one = engine.start(volume, {**LOUD, "POSTGRES_PASSWORD": first}, files=SCRIPTS)
    box_until(lambda: one.run(HEALTH)[0] == 0)
    one.kill("SIGTERM")
    one.wait_exit()
    scan.text("container logs", "\n".join(one.raw_lines()))
    engine.remove(one)
    two = engine.start(volume, {**LOUD, "POSTGRES_PASSWORD": second})
    box_until(lambda: "password_changed" in two.events())
    assert two.run(HEALTH, "password")[0] == 0
    two.run("sleep", "0.2")

    def sql(statement: str) -> list[Any]:
        connection = two.login(clear)
        try:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement)
            rows: list[Any] = cursor.fetchall()
            return rows
        finally:
            connection.close()

    scan.database(sql)
    scan.container(two.client, two.id)
    two.kill("SIGTERM")
    assert two.wait_exit() == 0


def test_of_a_verifier_s_password_nothing_is_seen_anywhere(engine: Any, box_until: Any, leaks: Any) -> None:
    one, two = secrets.token_hex(12), secrets.token_hex(12)
    with leaks(one, two) as scan:
        _live(engine, box_until, scan, str(Verifier.derive(one)), str(Verifier.derive(two)), two)
    assert scan.places() == []


@pytest.mark.parametrize("verifier", [False, True], ids=["clear-text", "verifier"])
def test_what_is_given_is_seen_where_the_engine_shows_it(
    engine: Any, box_until: Any, leaks: Any, verifier: bool
) -> None:
    clear = [secrets.token_hex(12), secrets.token_hex(12)]
    given = [str(Verifier.derive(password)) for password in clear] if verifier else clear
    with leaks(*given) as scan:
        _live(engine, box_until, scan, *given, clear[1])
    files = [place for place in scan.places() if place.startswith("file ")]
    if verifier:
        # The catalog, what it was written ahead to, and what was applied last.
        assert [path for path in files if not path.endswith("/global/1260") and "/pg_wal/" not in path] == [
            f"file /var/lib/postgresql/data/{engine.major}/.howdah-password"
        ]
    else:
        assert files == []
    seen = set(scan.places()) - set(files)
    assert seen - GIVEN == set()
    # The watcher did look.
    assert {"inspect Config", "environ of a container: main", "environ of a container: sleep"} <= seen
