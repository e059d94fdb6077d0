# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as users run them: what Ansible prints, and what must appear nowhere."""
from __future__ import annotations

import contextlib
import json
import secrets
import socket

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier
from extended_image import why_not

# A marker that no program makes by itself.
CANARY = "canary-" + secrets.token_hex(8)


@pytest.fixture
def login(server):
    return {"login_host": ["127.0.0.1"], "login_port": server.port, "login_password": server.password}


@pytest.fixture
def silent():
    """A server that accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


MODULE = "howdah.postgresql.password"


def rows_of(connection):
    """Runs statements in one connection: logins would take longer than what is to be seen."""
    connection.autocommit = True

    def sql(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    return sql


def test_the_canary_is_nowhere(server, role, ansible, login, silent, leaks):
    """Set, changed, unchanged, refused and timed out, at the highest verbosity that people use."""
    wish = {"name": role, "password": CANARY}
    expected = [
        ({**login, **wish}, True, None),
        ({**login, **wish}, False, None),
        ({**login, "roles": [wish]}, False, None),
        ({**login, "roles": [{"name": role, "password": CANARY + "2"}]}, True, None),
        ({**login, "name": "nobody here", "password": CANARY}, False, 1404),
        ({**login, **wish, "login_password": CANARY}, False, 1401),
        ({**login, "name": role, "verifier": CANARY}, False, 1406),
        ({"container": server.container, **wish}, True, None),
        ({"container": server.container, "name": "nobody here", "password": CANARY}, False, 1404),
        ({**wish, "login_host": [silent], "timeout": 0.5}, False, 1410),
    ]
    calls = [arguments for arguments, _changed, _code in expected]
    with leaks(CANARY, server.password) as scan:
        with contextlib.closing(server.connect()) as watching, scan.sample(rows_of(watching)):
            results, printed = ansible(MODULE, *calls, options=["-vvv", "--diff"])
        told = [(result["changed"], result.get("code")) for result in results]
        assert told == [(changed, code) for _arguments, changed, code in expected]
        assert "set password of role" in printed and "salt" in printed
        assert "SCRAM-SHA-256$" not in printed + json.dumps(results)
        scan.text("ansible", printed)
        scan.text("results", json.dumps(results))
        scan.container(server.client, server.container)
        scan.database(server.sql)
    assert scan.places() == []


def test_the_verifier_is_in_the_catalog_alone(server, role, ansible, login, leaks):
    """Whoever has it can guess at the password in peace. The write-ahead log carries what the catalog holds."""
    verifier = str(Verifier.derive(CANARY))
    with leaks(verifier) as scan:
        with contextlib.closing(server.connect()) as watching, scan.sample(rows_of(watching)):
            calls = [{**login, "name": role, "verifier": verifier}, {**login, "name": role, "password": "another one"}]
            results, printed = ansible(MODULE, calls[0], calls[1], calls[0], options=["-vvv", "--diff"])
        assert [result["changed"] for result in results] == [True, True, True]
        scan.text("ansible", printed)
        # Into the catalog's file. In the log it may be cut in two, by the header of a page.
        server.sql("CHECKPOINT")
        scan.container(server.client, server.container)
        scan.database(server.sql)
    catalog = server.sql("SELECT pg_relation_filepath('pg_authid')")[0][0]
    unexpected = [place for place in scan.places() if not place.endswith(catalog) and "/pg_wal/" not in place]
    assert unexpected == [] and [place for place in scan.places() if place.endswith(catalog)] != []


@pytest.mark.parametrize("view", ["pg_stat_statements", "pg_stat_monitor"])
def test_the_scans_look_into_statistics(server, role, leaks, view):
    """What the two tests above did not find is found when it is there."""
    # The other one is in every image: without it this test fails.
    if view == "pg_stat_monitor" and not server.sql("SELECT 1 FROM pg_extension WHERE extname = %s", (view,)):
        pytest.skip(why_not(view))
    track = {"pg_stat_monitor": "pg_stat_monitor.pgsm_track_utility"}.get(view, f"{view}.track_utility")
    with leaks(CANARY) as scan:
        server.sql(f"SET {track} = on; ALTER ROLE {role} PASSWORD '{CANARY}'")
        scan.database(server.sql)
        server.sql("SELECT pg_stat_statements_reset()")
    assert view in scan.places()


def test_check_mode_equals_the_run(role, ansible, login):
    arguments = {**login, "name": role, "password": "secret-of-role"}
    (planned,), shown = ansible(MODULE, arguments, options=["--check", "--diff"])
    (done, after), printed = ansible(MODULE, arguments, arguments, options=["--diff"])
    assert planned["changed"] and planned["diff"] == done["diff"] and planned["actions"] == done["actions"]
    assert f'"{role}": "none"' in shown and f'"{role}": "scram-sha-256, 4096 iterations, new salt"' in printed
    assert not after["changed"] and after["diff"]["before"] == after["diff"]["after"]


def test_a_password_of_one_character_leaves_the_number(ansible, login):
    """It is masked wherever it occurs; names suffer, numbers do not."""
    (result,), _printed = ansible(MODULE, {**login, "name": "nobody here", "password": "e"})
    assert result["code"] == 1404 and "e" not in result["error"]


def test_server_info(server, ansible, login):
    asked = {"settings": ["Log_Statement", "no_such", "log_statment", "port"]}
    wanted = {"work_mem": "much", "timezone": "Mars/X", "port": 5433}
    results, _printed = ansible(
        "howdah.postgresql.server_info",
        {**login, **asked},
        {"container": server.container, "wanted": wanted, **asked},
        {**login, "login_password": "wrong-password"},
        {**login, "wanted": wanted},
    )
    identifier = str(server.sql("SELECT system_identifier FROM pg_control_system()")[0][0])
    for result in results[:2]:
        assert result["settings"] == {"Log_Statement": "all", "no_such": None, "log_statment": None, "port": "5432"}
        assert result["settings_restart"] == ["port"]
        assert result["settings_similar"] == {"log_statment": "log_statement"} and not result["changed"]
        assert result["version_num"] >= 150000 and result["login_role"] == "postgres" and not result["in_recovery"]
        assert "postgres" in [database["name"] for database in result["databases"]]
        assert result["system_identifier"] == identifier
    assert results[1]["settings_refused"] == {
        "work_mem": 'invalid value for parameter "work_mem": "much"',
        "timezone": 'invalid value for parameter "TimeZone": "Mars/X"',
    }
    assert results[2]["code"] == 1401
    assert "container" in results[3]["msg"]


def test_bad_options(ansible, login):
    one = {"name": "x", "password": "p"}
    wrong = [
        {"name": "x"},
        {**one, "verifier": "v"},
        {**one, "roles": []},
        {"roles": [one, one]},
        {**one, "container": "c"},
        {**one, "iterations": 0},
        {**one, "timeout": 0},
    ]
    results, _printed = ansible(MODULE, *[{**login, **each} for each in wrong])
    assert all(result["failed"] and not result["changed"] for result in results)
    assert not any("Traceback" in json.dumps(result) for result in results)
