# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What etcd and HAProxy print becomes log lines of our form."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "image/siblings/log-lines"
LIMIT = 30  # seconds
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _lines(component: str, script: str, code: int = 0) -> list[dict[str, Any]]:
    """The entries of what a shell script prints."""
    done = subprocess.run(
        [sys.executable, "-IS", PROGRAM, component, "/bin/sh", "-c", script],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry for entry in found if not STAMP.fullmatch(entry["time"])] == []
    assert {entry["component"] for entry in found} <= {component}
    return found


@pytest.mark.parametrize(
    ("component", "text", "level", "event", "message", "fields"),
    [
        ("haproxy", "[NOTICE]   (7) : New worker (9) forked", "INFO", "raw", "New worker (9) forked", None),
        ("haproxy", "[ALERT]    (7) : config : no such file", "ERROR", "raw", "config : no such file", None),
        ("haproxy", "Server read-write/n1 is UP", "INFO", "raw", "Server read-write/n1 is UP", None),
        (
            "haproxy",
            '{"level":"INFO","event":"connection","message":"m","fields":{"client":"c"}}',
            "INFO", "connection", "m", {"client": "c"},
        ),
        (
            "etcd",
            '{"level":"warn","ts":"2026-11-28T03:29:53.364Z","caller":"auth/store.go:1","msg":"m","n":1}',
            "WARN", "auth", "m", {"n": 1},
        ),
        ("etcd", "2026-11-28 03:29:53.362881 E | pkg/flags: bad", "ERROR", "raw", "pkg/flags: bad", None),
        ("etcd", "WARNING: 2026/11/28 05:00:32 [core] grpc", "WARN", "raw", "[core] grpc", None),
        ("etcd", '{"broken": ', "INFO", "raw", '{"broken":', None),
    ],
)  # fmt: skip
def test_a_line(component: str, text: str, level: str, event: str, message: str, fields: dict[str, Any] | None) -> None:
    (entry,) = _lines(component, f"cat >&2 <<'END'\n{text}\nEND")
    assert (entry["level"], entry["event"], entry["message"], entry.get("fields")) == (level, event, message, fields)


def test_what_haproxy_says_twice_is_said_once() -> None:
    assert len(_lines("haproxy", "echo '[WARNING]  (8) : Server rw/n1 is UP.' >&2; echo 'Server rw/n1 is UP.'")) == 1


def test_the_last_words_and_the_exit_code() -> None:
    assert [entry["message"] for entry in _lines("etcd", "echo one; printf two; exit 7", code=7)] == ["one", "two"]


def test_children_that_outlive_the_program_hold_nothing_up() -> None:
    start = time.monotonic()
    assert [entry["message"] for entry in _lines("haproxy", "sleep 20 & echo ready; kill -KILL $$", code=137)] == [
        "ready"
    ]
    assert time.monotonic() - start < 15


def test_signals_are_passed_on() -> None:
    script = "trap 'echo got it; exit 3' USR2; echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen(
        [sys.executable, "-IS", PROGRAM, "haproxy", "/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        process.send_signal(12)
        assert "got it" in process.stdout.readline()
        assert process.wait(LIMIT) == 3


# --- Before a worker starts ----------------------------------------------------------------------


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """One that tells its argument in a file beside it."""
    program = tmp_path / "helper"
    program.write_text(f'import sys\nprint(sys.argv[1], file=open("{tmp_path}/told", "a"))\n', encoding="utf-8")
    return program


def test_a_helper_runs_before_the_program_and_before_another_worker(helper: Path) -> None:
    told = helper.with_name("told")
    script = f"trap 'cat {told}; exit 3' USR2; cat {told}; while :; do sleep 0.1; done"
    command = [sys.executable, "-IS", PROGRAM, "haproxy", "--prepare", helper, "/bin/sh", "-c", script, "last"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert '"last"' in process.stdout.readline()
        process.send_signal(12)
        rest = process.stdout.read()
        assert rest.count('"last"') == 2 and process.wait(LIMIT) == 3


def test_a_helper_that_fails_is_named_and_keeps_nobody(helper: Path) -> None:
    helper.write_text("raise SystemExit(4)\n", encoding="utf-8")
    command = [sys.executable, "-IS", PROGRAM, "haproxy", "--prepare", helper, "/bin/echo", "started"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    failed, started = (json.loads(line) for line in done.stdout.splitlines())
    assert (failed["level"], failed["message"]) == ("WARN", f"{helper} failed: 4")
    assert started["message"] == "started"


def test_what_is_printed_right_before_the_end_is_kept(helper: Path) -> None:
    """The end of the helper wakes it up, and the program prints and ends before it has looked who has ended."""
    slow = f"""
import os, runpy, sys, time
waitpid = os.waitpid
os.waitpid = lambda pid, flags: (time.sleep(1 if flags else 0), waitpid(pid, flags))[1]
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
    program = ["/bin/sh", "-c", "sleep 0.3; echo last words"]
    command = [sys.executable, "-IS", "-c", slow, "haproxy", "--prepare", helper, *program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["last words"]


_CONFIGURATION = """global
    server-state-file /run/haproxy/servers
defaults
    default-server check
listen read-write
    bind :5432
    # server of a comment
    server n1 10.0.0.1:5432
    server n2 n2:5432

listen read-only
    server n1 10.0.0.1:5432
"""
_ANSWER = """1
# be_id be_name srv_id srv_name …
2 read-write 1 n1 10.0.0.1 2 0 1 1 28 6 3 4 6 0 0 0 - 5432 - 0 8008 - - 0
3 read-only 1 n1 10.0.0.1 0 0 1 1 27 9 2 0 6 0 0 0 - 5432 - 0 8008 - - 0
3 read-only 2 gone 10.0.0.3 2 0 1 1 27 6 3 4 6 0 0 0 - 5432 - 0 8008 - - 0
"""


def _states(answer: str) -> list[tuple[str, str, str]]:
    """Backend, server and state, of what is written for that answer of the worker before."""
    servers = runpy.run_path(str(PROGRAM.with_name("haproxy-servers")))
    version, header, *lines = servers["states"](_CONFIGURATION, answer).splitlines()
    assert version == "1" and header.startswith("# be_id be_name")
    words = [line.split() for line in lines]
    assert {len(line) for line in words} == {len(header.split()) - 1}
    assert {line[-7] for line in words} == {"5432"}, "HAProxy would use the state's port"
    return [(line[1], line[3], line[5]) for line in words]


def test_what_the_worker_knows_stays_and_others_are_down() -> None:
    assert _states(_ANSWER) == [("read-write", "n1", "2"), ("read-write", "n2", "0"), ("read-only", "n1", "0")]


@pytest.mark.parametrize(
    "answer", ["", "2\n# of another version\n2 read-write 1 n1\n", "1\n# cut off\n2 read-write 1 n1 1"]
)
def test_without_a_worker_all_are_down(answer: str) -> None:
    assert _states(answer) == [("read-write", "n1", "0"), ("read-write", "n2", "0"), ("read-only", "n1", "0")]
