# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on starting containers, and their log lines."""
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import ContainerFailed
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_logs, health
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import Executed
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.observe import Container
from hypothesis import given
from hypothesis import strategies as st


def box(status: str, health_status: str = "", exit_code: int = 0, restarts: int = 0, oom: bool = False) -> Container:
    return Container(
        id="c", name="box", status=status, health=health_status, exit_code=exit_code, restart_count=restarts,
        started_at="", auto_remove=False, labels={}, anonymous={}, fields={}, inspected={"State": {"OOMKilled": oom}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("container", "running_for", "exit_code", "ready", "failure"),
    [
        (box("running"), 0.5, None, False, ""),
        (box("running"), 1.0, None, True, ""),
        (box("running", "starting"), 99, None, False, ""),
        (box("running", "healthy"), 0, None, True, ""),
        (box("running", "unhealthy"), 99, None, False, "is unhealthy"),
        (box("exited", exit_code=1), 99, None, False, "exited with code 1"),
        (box("exited", exit_code=137, oom=True), 0, None, False, "exited with code 137 (it ran out of memory)"),
        (box("exited", "healthy"), 99, None, False, "exited with code 0"),
        (box("dead", exit_code=9), 99, None, False, "exited with code 9"),
        (box("restarting", exit_code=2), 0, None, False, "exited with code 2 and is restarted again and again"),
        (box("running", restarts=3), 99, 7, False, "exited with code 7 and is restarted again and again"),
        (box("running"), 99, 7, False, "exited with code 7"),
        (box("paused"), 99, None, False, "was paused by somebody else"),
    ],
)
def test_verdicts(container: Container, running_for: float, exit_code: int | None, ready: bool, failure: str) -> None:
    verdict = health.judge(container, 2, running_for, 1.0, exit_code)
    assert verdict.ready == ready
    assert verdict.failure.startswith(failure)
    assert bool(verdict.failure) == bool(failure)


@pytest.mark.parametrize("passing_after", [0, 2, None])
def test_after_a_signal_the_containers_own_check_decides(
    passing_after: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what the engine knows, which is that of before."""
    container = box("running", "healthy")
    container.inspected["Config"] = {"Healthcheck": {"Test": ["CMD", "check"]}}
    checks: list[bool] = []

    def check(*_: Any) -> Executed:
        checks.append(passing_after is not None and len(checks) >= passing_after)
        return Executed(0 if checks[-1] else 1, b"", b"it goes on as before\n")

    monkeypatch.setattr(health.observe, "container", lambda *_: container)
    monkeypatch.setattr(health, "_check", check)
    monkeypatch.setattr(health, "_SIGNAL_SECONDS", 0.5)
    engine: Any = Log("usual", '{"level": "ERROR", "message": "no such file"}')
    if passing_after is None:
        with pytest.raises(ContainerFailed, match=r"was sent SIGUSR2, .* not healthy since\. The health check says"):
            health.await_pass(engine, "box", "SIGUSR2", Deadline(5))
    else:
        health.await_pass(engine, "box", "SIGUSR2", Deadline(5))
        assert len(checks) == passing_after + 1


@pytest.mark.parametrize(
    "line",
    [
        "cannot bind socket (Address already in use) for [10.0.0.1:5442]",
        "fatal: listen tcp 0.0.0.0:2379: bind: address already in use",
    ],
)
def test_a_port_that_something_else_has_is_told_with_its_cure(line: str) -> None:
    """Alone: what else HAProxy says then is of the servers that it has not asked yet."""
    told = health._tail("", ["ERROR: proxy 'read' has no server available!", line, "ERROR: Exiting."])
    assert told.endswith(f"stop that, or choose another port. Its log: {line}") and "has no server" not in told


def test_a_container_without_a_check_or_that_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, without = box("exited"), box("running")
    without.inspected["Config"] = {}
    for found in (None, stopped, without):
        monkeypatch.setattr(health.observe, "container", lambda *_, found=found: found)
        health.await_pass(object(), "box", "SIGUSR2", Deadline(1))  # type: ignore[arg-type]


def test_engine_time() -> None:
    assert health.nanoseconds("1970-01-01T00:00:01.5Z") == 1_500_000_000
    assert health.nanoseconds("1970-01-01T00:01:00Z") == 60 * 10**9
    assert health.nanoseconds("2026-01-31T12:00:00.123456789Z") % 10**9 == 123456789


class Log:
    timeout = 0.0

    def __init__(self, *lines: str) -> None:
        self.text = "\n".join(lines).encode()

    def logs(self, *_: Any, **__: Any) -> bytes:
        return self.text


def test_json_lines_are_made_readable() -> None:
    engine: Any = Log(
        "plain",
        '{"error_severity": "FATAL", "message": "no space", "detail": "none left.", "hint": "buy some."}',
        '{"level": "info", "message": "bye"}',
        '{"message": "bare"}',
        '{"other": 1}',
        "[1]",
        "",
    )
    lines = container_logs.read(engine, "box", (), Deadline(1))
    assert lines == ["plain", "FATAL: no space none left. buy some.", "INFO: bye", "bare", '{"other": 1}', "[1]"]
    assert container_logs.headline(lines) == lines[1]
    assert container_logs.headline(lines[2:4]) == "bare"
    assert container_logs.headline([]) == ""


SECRETS = st.text(min_size=6, alphabet=st.characters(exclude_categories=["Cs"]))


@given(SECRETS, st.sampled_from(["plain", "json", "raw"]))
def test_secrets_never_show_in_log_lines(secret: str, form: str) -> None:
    line = f"x {secret} y"
    engine: Any = Log(line if form == "plain" else json.dumps({"message": line}, ensure_ascii=form == "json"))
    shown = "\n".join(container_logs.read(engine, "box", [secret], Deadline(1)))
    if set(secret) - set("* xy"):
        assert secret not in shown
