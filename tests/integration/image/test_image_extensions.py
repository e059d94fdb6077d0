# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Citus and pg_stat_monitor themselves, where the image under test has them."""

from __future__ import annotations

import secrets
from typing import Any

import psycopg2
import pytest
from extended_image import PACKAGES, why_not

PASSWORD = secrets.token_urlsafe(16)


@pytest.fixture
def box(engine: Any) -> Any:
    """A server with both; and a library of the user's, who asks for Citus at the wrong place."""
    look = engine.start(command=["ls", f"/usr/lib/postgresql/{engine.major}/lib"])
    look.wait_exit()
    libraries = look.raw_lines()
    for extension in PACKAGES:
        if f"{extension}.so" not in libraries:
            pytest.skip(why_not(extension))
    made = engine.start(
        env={"POSTGRES_PASSWORD": PASSWORD, "POSTGRESQL_CONFIG_SHARED_PRELOAD_LIBRARIES": "auto_explain,citus"}
    )
    for extension in PACKAGES:
        made.ask(PASSWORD, f"CREATE EXTENSION {extension}")
    return made


def test_citus_and_pg_stat_monitor_serve_and_keep_no_secrets(box: Any) -> None:
    order = box.ask(PASSWORD, "SHOW shared_preload_libraries")
    assert order == "citus,pg_stat_monitor,auto_explain"
    literal, secret = secrets.token_hex(8), secrets.token_hex(8)
    # Citus at work: a distributed table with its shards on this one node, whose processes meet over the socket.
    connection = box.login(PASSWORD)
    connection.autocommit = True
    cursor = connection.cursor()
    for statement in (
        "SELECT citus_set_coordinator_host('/run/postgresql', 5432)",
        "SELECT citus_set_node_property('/run/postgresql', 5432, 'shouldhaveshards', true)",
        "CREATE TABLE spread (id int PRIMARY KEY)",
        "SELECT create_distributed_table('spread', 'id', shard_count => 4)",
        "INSERT INTO spread SELECT generate_series(1, 100)",
        f"SELECT '{literal}'",
        f"CREATE ROLE somebody PASSWORD '{secret}'",
    ):
        cursor.execute(statement)
    assert box.ask(PASSWORD, "SELECT count(*) FROM spread") == 100
    assert box.ask(PASSWORD, "SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = 'spread'::regclass") == 4
    counted = "SELECT sum(result::int) FROM run_command_on_shards('spread', 'SELECT count(*) FROM %s')"
    assert box.ask(PASSWORD, counted) == 100

    cursor.execute("SELECT query FROM pg_stat_monitor")
    kept = [query for (query,) in cursor.fetchall()]
    assert "SELECT $1" in kept, kept
    assert [query for query in kept if literal in query or secret in query or "somebody" in query] == []
    for setting, value in (("track_utility", "off"), ("normalized_query", "on")):
        assert box.ask(PASSWORD, f"SHOW pg_stat_monitor.pgsm_{setting}") == value
    connection.close()


def test_who_switches_the_safe_defaults_off_gets_what_was_asked_for(engine: Any, box: Any) -> None:
    """The defaults are what keeps the secrets out: without them they are there."""
    secret = secrets.token_hex(8)
    with psycopg2.connect(
        host="127.0.0.1", port=box.port(), user="postgres", password=PASSWORD, dbname="postgres", connect_timeout=5
    ) as connection, connection.cursor() as cursor:
        cursor.execute("SET pg_stat_monitor.pgsm_track_utility = on")
        cursor.execute(f"CREATE ROLE somebody PASSWORD '{secret}'")
        cursor.execute("SELECT query FROM pg_stat_monitor")
        assert [query for (query,) in cursor.fetchall() if secret in query]
