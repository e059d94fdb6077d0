# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POSTGRES_PASSWORD over the life of a cluster: any password, changes, rotations, failures, stops."""

from __future__ import annotations

import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.engine import Outcome, set_passwords
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.password import Wish
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier, saslprep
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.target import Target
from hostile import HOSTILE, LIKE_A_VERIFIER

DRIVER = Path(__file__).with_name("hostile_driver.py")
KILLER = Path(__file__).with_name("kill_driver.py")
VOLUME = "/var/lib/postgresql/data"
HEALTH = "/opt/container/bin/health"
INSERT = "/docker-entrypoint-initdb.d/2.sql"


def test_any_password_is_set_lets_in_and_is_known_again(engine: Any, box_until: Any) -> None:
    passwords = [password for password in HOSTILE if password not in LIKE_A_VERIFIER]
    assert len(passwords) >= 40
    box = engine.start(
        env={"POSTGRES_PASSWORD": "first"},
        files={"/tmp/driver.py": DRIVER.read_bytes(), "/tmp/passwords.json": json.dumps(passwords).encode()},
    )
    box.ask("first", "SELECT 1")
    code, output = box.run("/opt/container/venv/bin/python", "-I", "/tmp/driver.py")
    assert code == 0, output
    code, answers = box.run("cat", "/tmp/answers.json")
    good = {"lets_in": True, "keeps_out": True, "changed_again": False, "recorded": True, "initialised": True}
    wrong = {}
    for previous, password, answer in zip(["first", *passwords], passwords, json.loads(answers)):
        # Some of them are the same to PostgreSQL.
        if answer != {**good, "changed": saslprep(previous) != saslprep(password)}:
            wrong[password] = answer
    assert wrong == {}


@pytest.mark.parametrize("password", ["a b\n\t'\"$HOME`id`$(id)\\ %s :'x' \U0001f418", "\u202e\u0378 x ", "x" * 2000])
def test_the_engine_passes_any_password_on(engine: Any, password: str) -> None:
    """The whole way, for a few."""
    volume = engine.volume()
    box = engine.start(volume, {"POSTGRES_PASSWORD": password})
    assert box.ask(password, "SELECT 1") == 1
    assert box.refuses(password + "x")


def test_a_rotation_by_the_module_is_not_undone_by_restarts(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "given"})
    box.ask("given", "SELECT 1")
    target = Target(hosts=(f"127.0.0.1:{box.port()}",), password="given")
    set_passwords(target, [Wish("postgres", "rotated")], Deadline(5), False, Outcome())
    for _restart in range(2):
        box.client.restart(box.id)
        assert box.ask("rotated", "SELECT 1") == 1
        assert box.run(HEALTH, "password")[0] == 0
    assert box.refuses("given")
    assert "password_changed" not in box.events()


def test_a_failing_change_is_tried_again_ever_more_rarely_until_it_holds(engine: Any, box_until: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "one"})
    first.ask("one", "SELECT 1")
    engine.remove(first)
    env = {"POSTGRES_PASSWORD": "two", "POSTGRESQL_CONFIG_DEFAULT_TRANSACTION_READ_ONLY": "on"}
    box = engine.start(volume, env)
    box_until(lambda: box.events().count("password_failed") >= 2)
    failures = box.told("password_failed")[:2]
    assert [line["message"].rpartition("Trying")[2] for line in failures] == [" again in 1 s.", " again in 2 s."]
    assert all(line["level"] == "ERROR" and line["fields"] == {"error": "read_only", "code": 1403} for line in failures)
    assert box.run(HEALTH, "password")[0] == 1 and box.run(HEALTH)[0] == 0
    assert box.ask("one", "SELECT 1") == 1
    box.ask("one", "SET transaction_read_only = off; ALTER ROLE postgres SET default_transaction_read_only = off")
    box_until(lambda: "password_changed" in box.events())
    assert box.ask("two", "SELECT 1") == 1 and box.refuses("one")
    assert box.run(HEALTH, "password")[0] == 0


def test_a_stop_does_not_wait_for_a_change(engine: Any, box_until: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "one"})
    first.ask("one", "SELECT 1")
    engine.remove(first)
    env = {"POSTGRES_PASSWORD": "two", "POSTGRESQL_CONFIG_DEFAULT_TRANSACTION_READ_ONLY": "on"}
    box = engine.start(volume, {**env, "TIMEOUT_CHANGE_PASSWORD": "300"}, pid_mode="host")
    box_until(lambda: "password_failed" in box.events())
    helpers = [row[0] for row in box.client.top(box.id, "-o pid,args")["Processes"] if "entrypoint.follow_up" in row[1]]
    assert len(helpers) == 1
    started = time.monotonic()
    box.kill("SIGTERM")
    assert box.wait_exit() == 0 and time.monotonic() - started < 5
    box_until(lambda: not Path(f"/proc/{helpers[0]}").exists())


@pytest.mark.parametrize("value", ["0", "301", "5s", "-1", "1.5", " 5", "１", "99999999999999999999"])
def test_a_time_limit_that_is_none_is_refused(engine: Any, value: str) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x", "TIMEOUT_CHANGE_PASSWORD": value})
    assert box.wait_exit() == 78
    (message,) = box.errors()
    assert "TIMEOUT_CHANGE_PASSWORD" in message and "from 1 to 300" in message


@pytest.mark.parametrize(
    ("staged", "scripts", "stride"),
    [
        (False, False, 9),
        (True, True, 11),
        *(pytest.param(*place, 1, marks=pytest.mark.full) for place in product((False, True), repeat=2)),
    ],
)
def test_killed_at_any_step_of_initialisation_the_next_start_makes_it_whole(
    engine: Any, staged: bool, scripts: bool, stride: int
) -> None:
    pgdata = VOLUME if staged else f"{VOLUME}/{engine.major}"
    verifier = str(Verifier.derive("x", iterations=4096))
    env = {"POSTGRES_PASSWORD": verifier, "POSTGRES_DB": "app", "PGDATA": pgdata, "POSTGRES_INITDB_ARGS": "--no-sync"}
    made = {"/docker-entrypoint-initdb.d/1.sql": b"CREATE TABLE made ()", INSERT: b"INSERT INTO made DEFAULT VALUES"}
    box = engine.start(
        env=env,
        files={"/opt/killer.py": KILLER.read_bytes(), **(made if scripts else {})},
        entrypoint=["/opt/container/venv/bin/python", "-I", "/opt/killer.py", str(stride), pgdata],
        healthcheck={"test": ["NONE"]},  # a probe is root's for a moment, and cannot be killed then
    )
    limit = 240 if stride > 1 else 1200  # before every single step, on a busy machine
    assert box.client.wait(box.id, timeout=limit)["StatusCode"] == 0, "\n".join(box.raw_lines()[-12:])
    answer = json.loads(box.raw_lines(stderr=False)[-1])
    assert answer["wrong"] == []
    killed = [where for where in answer["killed"] if where]
    assert len(killed) >= (10 if stride == 1 else 1) and answer["killed"][-1] == ""
