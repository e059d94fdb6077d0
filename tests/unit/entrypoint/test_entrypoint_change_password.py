# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a password that was not taken is tried again; that it is set, and what is told, is seen in containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterable

import pytest
from howdah._core.errors import HowdahError, ReadOnly, ServerUnreachable
from howdah.entrypoint import change_password, run_state

STARTS = ServerUnreachable("the server does not accept logins yet")
REFUSES = ReadOnly("the server is read-only")


def pauses(monkeypatch: pytest.MonkeyPatch, folder: Path, answers: Iterable[HowdahError]) -> list[float]:
    """Seconds between attempts, each of which ends with one of the answers; the one after them holds."""
    left, slept = iter(answers), []

    def attempt(job: object) -> None:
        for answer in left:
            raise answer

    monkeypatch.setattr(change_password._Job, "_attempt", attempt)
    monkeypatch.setattr(change_password.time, "sleep", slept.append)
    monkeypatch.setattr(change_password.record, "read", lambda pgdata: None)
    monkeypatch.setattr(run_state, "PASSWORD_STATE", str(folder / "state"))
    change_password.run({"password": "x", "pgdata": "", "role": "postgres", "timeout": 5, "level": "ERROR"})
    return slept


def test_whoever_reads_how_it_stands_finds_all_of_an_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those who were about to read the former one still find it; nothing else is left."""
    found = []
    state = tmp_path / "state"

    def failed(job: change_password._Job, *_arguments: object) -> None:
        with state.open(encoding="ascii") as former:
            job._tell("failed", "why")
            found.append(json.load(former)["state"])
        found.append(json.loads(state.read_text(encoding="ascii")))

    monkeypatch.setattr(change_password._Job, "_failed", failed)
    pauses(monkeypatch, tmp_path, [REFUSES])
    assert found == ["pending", {"state": "failed", "detail": "why"}]
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_attempts_are_ever_rarer_up_to_a_minute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert pauses(monkeypatch, tmp_path, [REFUSES] * 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_start_is_looked_for_at_least_each_second(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slept = pauses(monkeypatch, tmp_path, [STARTS] * 20)
    assert slept[0] == 0.1 and slept == sorted(slept) and slept[-5:] == [1.0] * 5


@pytest.mark.parametrize("looks", [1, 3, 30])
def test_a_long_start_does_not_put_off_what_comes_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, looks: int, capfd: pytest.CaptureFixture[str]
) -> None:
    slept = pauses(monkeypatch, tmp_path, [*[STARTS] * looks, REFUSES, REFUSES])
    assert slept[looks:] == [1, 2]
    said = [json.loads(line)["message"].rpartition("Trying ")[2] for line in capfd.readouterr().err.splitlines()]
    assert said == ["again in 1 s.", "again in 2 s."]
