# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before Patroni stops: a leader that was promoted just now stays until another member follows it.

Each promotion begins a timeline, numbered one higher than the last that the promoted member knows of. If a leader went
before anybody knows of its timeline, the next one would begin another of the same number. Patroni compares numbers
only, so the first could never follow again, or would mix the two.
"""
from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Callable, NoReturn

from .._core.errors import HowdahError
from .._postgres.rest import Rest, ask
from . import question, run_state
from .logs import Log, tell_of_crashes

# An engine that is told of no other time kills 10 s after the signal, and the server needs some of them to stop.
_LONGEST = 5.0
_PAUSE = 0.1
# A promotion of longer ago has been noticed by whoever can follow.
_JUST_NOW = 60.0
_STEP = 1.0  # seconds for each question to the server
_FOLLOWERS = "SELECT count(*) FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'"


def main(arguments: list[str]) -> int:
    """``stop LEVEL PID``: pass SIGTERM on to Patroni, when it is time; 5 s from now at the latest."""
    level, pid = arguments[0], int(arguments[1])

    def pass_on() -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGTERM)

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        pass_on()
        os._exit(0)

    # Whatever this is waiting for then, be it that somebody reads its log.
    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, _LONGEST + _PAUSE)
    tell_of_crashes("stop")
    try:
        state = run_state.read()
        if state is not None and state.rest:
            wait(state, Log(level, "stop"), time.monotonic() + _LONGEST)
    except HowdahError:
        pass  # Patroni is not there yet, or has troubles enough
    finally:
        pass_on()
    return 0


def wait(state: run_state.State, log: Log, end: float) -> None:
    """Return when the leader may go.

    :param end: when it goes in any case, by the monotonic clock.
    """
    rest = Rest.at(state.rest, state.tls, own=True)

    def left() -> float:
        return max(0.001, end - time.monotonic())

    if not just_promoted(state.pgdata, time.time()) or ask(rest, "GET", "/primary", None, left)[0] != 200:
        return
    if not has_others(ask(rest, "GET", "/cluster", None, left)[1]):
        return
    if followed(state, lambda: time.monotonic() < end):
        return
    log.warn(
        "not_followed",
        "This member was promoted just now, and stops before any other has followed it. If another one becomes the"
        " leader before it is back, it may have to be made anew (playbook `reinit`).",
    )


def just_promoted(pgdata: str, now: float) -> bool:
    """Whether a server began a timeline a moment ago, or is still a standby, which may be about to.

    :param now: seconds since 1970.
    """
    if os.path.exists(f"{pgdata}/standby.signal"):
        return True
    try:
        with os.scandir(f"{pgdata}/pg_wal") as entries:
            begun = [entry.stat().st_mtime for entry in entries if entry.name.endswith(".history")]
    except OSError:
        return False
    return bool(begun) and now - max(begun) < _JUST_NOW


def has_others(answer: str) -> bool:
    """Whether a cluster, as Patroni describes it, has more than one member. Those that went just now count. Pure."""
    try:
        described: Any = json.loads(answer)
        return len(described["members"]) > 1
    except (ValueError, KeyError, TypeError):
        return False


def followed(state: run_state.State, may_wait: Callable[[], bool]) -> bool:
    """Wait until a member streams from this one; False when it may wait no longer."""
    while may_wait():
        server = question.running(state.pgdata)
        count = question.value(server, state.user, _FOLLOWERS, _STEP) if server is not None else None
        if count not in (None, "0"):
            return True
        time.sleep(_PAUSE)
    return False
