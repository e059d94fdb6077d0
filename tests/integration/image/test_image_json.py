# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every line on both streams is one JSON object, whatever happens: Box.lines() fails on any other."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest

SCRIPTS = {
    "/docker-entrypoint-initdb.d/1.sh": b"#!/bin/sh\necho out; echo 'a \"raw\" word' >&2; printf 'no end'\n",
    "/docker-entrypoint-initdb.d/2.sql": b"DO $$ BEGIN RAISE NOTICE E'two\\nlines'; END $$; CREATE TABLE made ();",
}
ARCHIVE = "echo \"words of an archive_command\" >&2; printf '\\377{\"time\": 1}\\n' >&2; exit 1"


def _said(box: Any, text: str) -> bool:
    return any(text in line["message"] for line in box.lines())


def test_through_initialisation_crash_recovery_and_shutdown(engine: Any, box_until: Any) -> None:
    volume = engine.volume()
    env = {
        "POSTGRES_PASSWORD": "x",
        "LOG_LEVEL": "DEBUG",
        "POSTGRESQL_CONFIG_ARCHIVE_MODE": "on",
        "POSTGRESQL_CONFIG_ARCHIVE_COMMAND": ARCHIVE,
        "POSTGRESQL_CONFIG_LOG_STATEMENT": "all",
    }
    first = engine.start(volume, env, files=SCRIPTS)
    with pytest.raises(psycopg2.errors.DivisionByZero):
        first.ask("x", "SELECT 'several\nlines', 1 / 0")
    first.ask("x", "SELECT pg_switch_wal()::text")
    box_until(lambda: _said(first, "words of an archive_command") and _said(first, '{"time": 1}'))
    # A backend crashes, the server recovers by itself; then all of them are killed at once.
    victim = first.login("x")
    first.run("sh", "-c", f"kill -9 {victim.info.backend_pid}")
    box_until(lambda: _said(first, "all server processes terminated; reinitializing"))
    box_until(lambda: first.answers("x"))
    first.kill("SIGKILL")
    first.wait_exit()
    told = [line["message"] for line in first.lines() if line.get("component") == "initdb.d"]
    assert [text for text in ("out", 'a "raw" word', "no end", "two") if not any(text in line for line in told)] == []
    engine.remove(first)

    second = engine.start(volume, env)
    second.ask("x", "SELECT 1")
    second.kill("SIGTERM")
    assert second.wait_exit() == 0
    messages = [line["message"] for line in second.lines()]
    stations = ("database system was interrupted", "not properly shut down", "database system is shut down")
    assert [text for text in stations if not any(text in line for line in messages)] == []


def test_nobody_can_have_the_server_log_elsewhere(engine: Any, box_until: Any) -> None:
    """To a file on the tmpfs of its sockets, for example, which is memory."""
    box = engine.start(env={"POSTGRES_PASSWORD": "x"}, command=["-c", "log_destination=csvlog", "-c", "work_mem=7MB"])
    box_until(lambda: "overruled" in box.events())
    for setting, value in (("log_destination", "csvlog"), ("logging_collector", "off"), ("log_directory", "/tmp")):
        box.ask("x", f"ALTER SYSTEM SET {setting} = '{value}'")
    box.ask("x", "SELECT pg_reload_conf()")
    box.kill("SIGINT")
    assert box.wait_exit() == 0
    box.client.start(box.id)  # some of them count at the next start
    box.ask("x", "DO $$ BEGIN RAISE WARNING 'plain words'; END $$")
    box_until(lambda: _said(box, "plain words"))
    shown = [box.ask("x", f"SHOW {name}") for name in ("log_destination", "logging_collector", "work_mem")]
    assert shown == ["jsonlog", "on", "7MB"]
    assert box.run("find", "/run/postgresql", "/tmp", "-name", "*log*", "-type", "f") == (0, "")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", ["a debug", "a log", "a warning", "an error"]),
        ("INFO", ["a log", "a warning", "an error"]),
        ("WARN", ["a warning", "an error"]),
        ("ERROR", ["an error"]),
    ],
)
def test_a_level_holds_for_entrypoint_and_server(engine: Any, level: str, shown: list[str]) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x ", "LOG_LEVEL": level}, shm_size="64m")
    question = (
        "DO $$ BEGIN RAISE DEBUG 'a debug'; RAISE LOG 'a log'; RAISE WARNING 'a warning'; RAISE EXCEPTION 'an error';"
        " END $$"
    )
    with pytest.raises(psycopg2.errors.RaiseException):
        box.ask("x ", question)
    box.kill("SIGTERM")
    assert box.wait_exit() == 0
    said = [line["message"] for line in box.lines()]
    assert [text for text in ("a debug", "a log", "a warning", "an error") if text in said] == shown
    if level == "ERROR":
        # A login that came too early is refused with a FATAL, which no level hides.
        assert [message for message in said if "starting up" not in message] == ["an error"]
    own = {line["event"] for line in box.lines() if line.get("component") == "entrypoint"}
    assert own == {
        "DEBUG": {"initialise", "initialised", "start", "small_shm", "password_blank"},
        "INFO": {"initialise", "initialised", "start", "small_shm", "password_blank"},
        "WARN": {"small_shm", "password_blank"},
        "ERROR": set(),
    }[level]
