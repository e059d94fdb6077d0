# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When Patroni is told to stop: at once, but for a leader that nobody has followed yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from howdah.entrypoint import question, run_state, stopping
from howdah.entrypoint.logs import Log

_ROOT = Path(__file__).parents[3]
_NOW = 1_800_000_000.0


@pytest.fixture
def pgdata(tmp_path: Path) -> Path:
    (tmp_path / "pg_wal").mkdir()
    return tmp_path


def history(pgdata: Path, number: int, age: float) -> None:
    """A timeline that began so many seconds ago."""
    file = pgdata / f"pg_wal/{number:08X}.history"
    file.touch()
    os.utime(file, (_NOW - age, _NOW - age))


@pytest.mark.parametrize(("ages", "just"), [((), False), ((3600.0,), False), ((3600.0, 2.0), True)])
def test_the_newest_timeline_tells_when_it_was_promoted(pgdata: Path, ages: tuple[float, ...], just: bool) -> None:
    for number, age in enumerate(ages, 2):
        history(pgdata, number, age)
    assert stopping.just_promoted(str(pgdata), _NOW) is just


def test_a_standby_may_be_about_to_be_promoted(pgdata: Path) -> None:
    history(pgdata, 2, 3600.0)
    (pgdata / "standby.signal").touch()
    assert stopping.just_promoted(str(pgdata), _NOW)


def test_a_volume_without_a_cluster_has_promoted_nobody(tmp_path: Path) -> None:
    assert not stopping.just_promoted(str(tmp_path / "none"), _NOW)


@pytest.mark.parametrize(
    ("answer", "others"),
    [
        ('{"members": [{"name": "a"}, {"name": "b", "state": "stopped"}]}', True),
        ('{"members": [{"name": "a"}]}', False),
        ('{"members": null}', False),
        ("[]", False),
        ("no JSON", False),
    ],
)
def test_nobody_is_waited_for_where_nobody_is(answer: str, others: bool) -> None:
    assert stopping.has_others(answer) is others


class Scene:
    """A member as `wait` sees it.

    :param counts: how many follow it, look after look; the last one stays.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, leads: bool, members: int, counts: list[str | None]) -> None:
        self.lines: list[str] = []
        self.asked = 0
        self._leads, self._members, self._counts = leads, members, counts
        monkeypatch.setattr(stopping, "ask", self._ask)
        monkeypatch.setattr(stopping, "just_promoted", lambda _pgdata, _now: True)
        monkeypatch.setattr(question, "running", lambda _pgdata: object())
        monkeypatch.setattr(question, "value", self._value)
        monkeypatch.setattr(Log, "write", lambda _self, *words, **_fields: self.lines.append(words[1]))

    def _ask(self, _rest: Any, _method: str, path: str, _body: Any, _left: Any) -> tuple[int, str]:
        if path == "/primary":
            return (200 if self._leads else 503), "{}"
        return 200, json.dumps({"members": [{"name": str(number)} for number in range(self._members)]})

    def _value(self, *_given: Any) -> str | None:
        self.asked += 1
        return self._counts.pop(0) if len(self._counts) > 1 else self._counts[0]

    def wait(self, seconds: float) -> None:
        state = run_state.State("patroni", "/nowhere", "postgres", "127.0.0.1:8008")
        stopping.wait(state, Log(), stopping.time.monotonic() + seconds)


def test_a_leader_stays_until_somebody_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, leads=True, members=2, counts=[None, "0", "0", "1"])
    scene.wait(30)
    assert (scene.asked, scene.lines) == (4, [])


def test_a_leader_that_nobody_follows_goes_after_a_while_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, leads=True, members=2, counts=["0"])
    scene.wait(0.3)
    assert scene.asked > 1 and scene.lines == ["not_followed"]


@pytest.mark.parametrize(("leads", "members"), [(False, 3), (True, 1)])
def test_whoever_does_not_lead_and_whoever_is_alone_goes_at_once(
    monkeypatch: pytest.MonkeyPatch, leads: bool, members: int
) -> None:
    scene = Scene(monkeypatch, leads, members, counts=["0"])
    scene.wait(30)
    assert (scene.asked, scene.lines) == (0, [])


def test_the_signal_is_passed_on_where_there_is_nothing_to_ask() -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "import howdah; howdah.__path__.append(sys.argv[2])\n"
        "from howdah.entrypoint import run_state, stopping\n"
        "run_state.read = lambda: run_state.State('patroni', '/nowhere', 'postgres', '127.0.0.1:1')\n"
        "stopping.just_promoted = lambda _pgdata, _now: True\n"
        "sys.exit(stopping.main(['INFO', sys.argv[3]]))"
    )
    folders = [str(_ROOT / "image/rootfs/opt/container/lib"), str(_ROOT / "plugins/module_utils")]
    with subprocess.Popen(["sleep", "60"]) as patroni:
        words = [sys.executable, "-c", program, *folders, str(patroni.pid)]
        done = subprocess.run(words, capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert patroni.wait(10) == -15
