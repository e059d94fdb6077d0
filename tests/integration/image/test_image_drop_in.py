# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people who arrive from the official image are used to, and what they had to do without."""

from __future__ import annotations

import io
import secrets
import tarfile
from typing import Any

import psycopg2
import pytest
from extended_image import PACKAGES, why_not

DATA = "/var/lib/postgresql/data"
PASSWORD = secrets.token_urlsafe(16)
# As the official image's entrypoint leaves a volume.
OFFICIAL = (
    f"initdb -D {DATA} --pwfile=<(echo old) -A scram-sha-256 --auth-local=trust --no-sync >/dev/null"
    f" && echo 'host all all all scram-sha-256' >> {DATA}/pg_hba.conf"
)


def _official(engine: Any, more: str = "true") -> str:
    volume: str = engine.volume()
    made = engine.start(volume, command=["-c", f"{OFFICIAL} && {more}"], entrypoint=["bash"])
    assert made.wait_exit() == 0, made.raw_lines()
    return volume


def test_a_volume_of_the_official_image_is_adopted(engine: Any, box_until: Any) -> None:
    volume = _official(engine)
    box = engine.start(volume, {"POSTGRES_PASSWORD": "new"})
    assert box.ask("old", "SELECT 1") == 1
    box_until(lambda: "password_differs" in box.events())
    assert box.ask("old", "SHOW data_directory") == DATA


@pytest.mark.parametrize("pid", [1, 77], ids=["as-first-process", "under-an-init"])
def test_a_server_of_another_image_may_live_and_its_pid_file_is_left_alone(engine: Any, pid: int) -> None:
    # Neither the lock nor process numbers say anything of another image's container.
    volume = _official(engine, f"printf '%s\\n' {pid} {DATA} 1700000000 5432 > {DATA}/postmaster.pid")
    for _attempt in range(2):
        box = engine.start(volume, {"POSTGRES_PASSWORD": "new"})
        assert box.wait_exit() == 78
        (message,) = box.errors()
        assert "container of another image runs, or was killed" in message and "remove that file" in message
    assert engine.start(volume, command=["rm", f"{DATA}/postmaster.pid"]).wait_exit() == 0
    assert engine.start(volume, {"POSTGRES_PASSWORD": "new"}).ask("old", "SELECT 1") == 1


def test_trust_is_what_was_asked_for_and_warned_of(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_HOST_AUTH_METHOD": "trust"})
    assert box.ask("whatever", "SELECT current_user") == "postgres"
    (warning,) = box.told("trust")
    assert warning["level"] == "WARN" and "without a password" in warning["message"]


def test_a_cluster_is_made_with_one_start_of_a_server_and_as_was_asked(engine: Any) -> None:
    user, database = "it's \\ \"me\" %s", "Bücher & 'Co' $x"
    env = {
        "POSTGRES_PASSWORD": "x",
        "POSTGRES_USER": user,
        "POSTGRES_DB": database,
        "POSTGRES_INITDB_ARGS": "--no-sync --locale 'en_US.UTF-8' --text-search-config=\"german\"",
    }
    box = engine.start(env=env)
    settings = ("TimeZone", "log_timezone", "lc_messages", "default_text_search_config")
    asked = ", ".join(["current_user", "current_database()", *(f"current_setting('{name}')" for name in settings)])
    answer = box.ask("x", f"SELECT ARRAY[{asked}]", user=user, dbname=database)
    assert answer == [user, database, "Etc/UTC", "Etc/UTC", "en_US.UTF-8", "pg_catalog.german"]
    assert len(box.said("starting PostgreSQL ")) == 1


def test_statistics_are_kept_of_statements(engine: Any) -> None:
    box = engine.start(
        env={"POSTGRES_PASSWORD": "x", "POSTGRESQL_CONFIG_SHARED_PRELOAD_LIBRARIES": "auto_explain,pg_stat_statements"}
    )
    other = box.ask("x", "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_monitor'")
    order = "citus,pg_stat_monitor,auto_explain,pg_stat_statements" if other else "pg_stat_statements,auto_explain"
    assert box.ask("x", "SHOW shared_preload_libraries") == order
    box.ask("x", "CREATE EXTENSION pg_stat_statements")
    assert box.ask("x", "SELECT count(*) > 0 FROM pg_stat_statements") is True


def _library(engine: Any, name: str) -> bytes:
    look = engine.start(command=["true"])
    look.wait_exit()
    pieces, _about = look.client.get_archive(look.id, f"/usr/lib/postgresql/{engine.major}/lib/{name}.so")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        member = archive.extractfile(f"{name}.so")
        assert member
        return member.read()


def test_citus_is_loaded_first_and_statistics_keep_no_passwords(engine: Any) -> None:
    # Libraries of PostgreSQL under the names of others: what counts is that the server takes list and settings.
    folder = f"/usr/lib/postgresql/{engine.major}/lib"
    files = {
        f"{folder}/citus.so": _library(engine, "passwordcheck"),
        f"{folder}/pg_stat_monitor.so": _library(engine, "auth_delay"),
    }
    command = ["-c", "shared_preload_libraries=auto_explain, citus"]
    box = engine.start(env={"POSTGRES_PASSWORD": "x"}, command=command, files=files)
    names = ("shared_preload_libraries", "pg_stat_monitor.pgsm_track_utility", "pg_stat_monitor.pgsm_normalized_query")
    answer = [box.ask("x", f"SHOW {name}") for name in names]
    assert answer == ["citus,pg_stat_monitor,auto_explain", "off", "on"]


# Where the image under test has them, Citus and pg_stat_monitor themselves.
@pytest.fixture
def extended(engine: Any) -> Any:
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


def test_citus_and_pg_stat_monitor_serve_and_keep_no_secrets(extended: Any) -> None:
    order = extended.ask(PASSWORD, "SHOW shared_preload_libraries")
    assert order == "citus,pg_stat_monitor,auto_explain"
    literal, secret = secrets.token_hex(8), secrets.token_hex(8)
    # Citus at work: a distributed table with its shards on this one node, whose processes meet over the socket.
    connection = extended.login(PASSWORD)
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
    assert extended.ask(PASSWORD, "SELECT count(*) FROM spread") == 100
    assert extended.ask(PASSWORD, "SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = 'spread'::regclass") == 4
    counted = "SELECT sum(result::int) FROM run_command_on_shards('spread', 'SELECT count(*) FROM %s')"
    assert extended.ask(PASSWORD, counted) == 100

    cursor.execute("SELECT query FROM pg_stat_monitor")
    kept = [query for (query,) in cursor.fetchall()]
    assert "SELECT $1" in kept, kept
    assert [query for query in kept if literal in query or secret in query or "somebody" in query] == []
    for setting, value in (("track_utility", "off"), ("normalized_query", "on")):
        assert extended.ask(PASSWORD, f"SHOW pg_stat_monitor.pgsm_{setting}") == value
    connection.close()


def test_who_switches_the_safe_defaults_off_gets_what_was_asked_for(extended: Any) -> None:
    """The defaults are what keeps the secrets out: without them they are there."""
    secret = secrets.token_hex(8)
    with psycopg2.connect(
        host="127.0.0.1", port=extended.port(), user="postgres", password=PASSWORD, dbname="postgres", connect_timeout=5
    ) as connection, connection.cursor() as cursor:
        cursor.execute("SET pg_stat_monitor.pgsm_track_utility = on")
        cursor.execute(f"CREATE ROLE somebody PASSWORD '{secret}'")
        cursor.execute("SELECT query FROM pg_stat_monitor")
        assert [query for (query,) in cursor.fetchall() if secret in query]
