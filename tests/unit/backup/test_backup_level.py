# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LOG_LEVEL holds for what backups and restores do, too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from howdah.backup import restore, serve
from howdah.entrypoint import command, environment, main, runtime
from howdah.entrypoint.logs import Log

PATIENCE = 30.0  # seconds


@pytest.mark.parametrize(("value", "level"), [("debug", "DEBUG"), ("Warn", "WARN"), ("ERROR", "ERROR"), ("", "INFO")])
def test_the_level_is_spelled_as_the_entrypoint_allows(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], value: str, level: str
) -> None:
    monkeypatch.setenv("LOG_LEVEL", value)
    assert serve.make_log("backup").level == level
    assert environment.read({"LOG_LEVEL": value}).settings.log_level == level
    assert capfd.readouterr().err == ""


def test_a_level_that_there_is_not_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    assert serve.make_log("backup").level == "INFO"
    told = json.loads(capfd.readouterr().err)
    assert told["level"] == "ERROR" and "LOG_LEVEL is 'LOUD'" in told["message"]


def test_the_server_takes_it_in_small_letters(tmp_path: Path) -> None:
    lib = str(Path(serve.__file__).parents[2])
    code = (
        f"import sys; sys.path.insert(0, {lib!r}); from howdah.backup import serve; "
        f"serve.CONF = {str(tmp_path / 'none')!r}; sys.exit(serve.main(['server']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, env={**os.environ, "LOG_LEVEL": "debug"}
    ) as server:
        assert server.stderr is not None
        try:
            assert json.loads(server.stderr.readline())["event"] == "not_configured"
            server.send_signal(signal.SIGTERM)
            assert server.wait(PATIENCE) == 0
        finally:
            server.kill()


def test_a_restore_takes_it_in_small_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "15").mkdir()
    (tmp_path / "15" / "PG_VERSION").write_text("15\n", encoding="ascii")
    monkeypatch.setenv("LOG_LEVEL", "info")
    monkeypatch.setattr(restore, "tell_of_crashes", lambda _component: None)
    monkeypatch.setattr(restore.signal, "signal", lambda _number, _handler: None)
    assert restore.main([json.dumps({"do": "aside", "pgdata": str(tmp_path / "15"), "timeout": 10})]) == 0
    output = capfd.readouterr()
    assert len(json.loads(output.out)["result"]["kept"]) == 1
    assert json.loads(output.err)["event"] == "kept"


def test_the_server_beside_a_database_gets_the_level_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, told = tmp_path / "backup", tmp_path / "told"
    program.write_text(f"#!/bin/sh\n{{ echo \"$@\"; env; }} > {tmp_path}/new\nmv {tmp_path}/new {told}\n")
    program.chmod(0o755)
    monkeypatch.setattr(runtime, "BIN", str(tmp_path))
    environ = {"PGBACKREST_TLS_SERVER_ADDRESS": "*", "POSTGRES_PASSWORD": "s3cret", "LOG_LEVEL": "warn"}
    start = main._Start(environ, command.parse([]), Log())
    start._settings = environment.read(environ).settings
    start._serve_backups()
    end = time.monotonic() + PATIENCE
    while not told.exists() and time.monotonic() < end:
        time.sleep(0.02)
    arguments, *variables = told.read_text().splitlines()
    assert arguments == "server"
    names = {line.partition("=")[0] for line in variables}
    assert "LOG_LEVEL=WARN" in variables and names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "LANG", "LOG_LEVEL"}
