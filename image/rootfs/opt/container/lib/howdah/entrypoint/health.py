# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health check: one short process, 0 for well, 1 for not.

``health`` looks whether clients can log in, and whether Patroni is alive where there is one; ``health patroni`` looks
at the latter alone; ``health password`` whether the password that the
environment asks for is the one that holds; ``health disk`` whether the volume has room; ``health archive`` whether the
write-ahead log reaches the archive.
"""
from __future__ import annotations

import json
import os
import time

from .._core.errors import HowdahError
from .._postgres.rest import Rest, ask
from . import archiving, layout, question, run_state

_TIMEOUT = 1.5
_FREE_SHARE = 0.05


def main(arguments: list[str]) -> int:
    """Say how things are in one line of JSON; the exit code is the verdict."""
    checks = {"postgres": postgres, "patroni": patroni, "password": password, "disk": disk, "archive": archive}
    aspect = arguments[0] if arguments else "postgres"
    if aspect not in checks:
        print(json.dumps({"healthy": False, "detail": f"there is no aspect {aspect!r}, only {', '.join(checks)}"}))
        return 1
    state = run_state.read()
    if state is None:
        healthy, detail = False, "the server is not started yet"
    else:
        healthy, detail = checks[aspect](state)
        if healthy and not arguments and state.mode == "patroni":
            healthy, detail = patroni(state)
    print(json.dumps({"healthy": healthy, "aspect": aspect, "detail": detail}))
    return 0 if healthy else 1


def postgres(state: run_state.State) -> tuple[bool, str]:
    """Whether clients can log in; or, once they could, whether the server is alive."""
    if state.mode == "maintenance":
        return True, "maintenance: no server is meant to run"
    if os.path.exists(layout.place(state.pgdata).journal):
        return False, "the cluster is being made"
    server = question.running(state.pgdata)
    if server is None:
        return False, "no server runs"
    if server.address and not question.reaches(server, _TIMEOUT):
        return False, f"nothing accepts connections at {server.address}:{server.port}"
    answer = question.ask(server, state.user, _TIMEOUT)
    if answer.state == "ready":
        with open(run_state.WAS_READY, "w", encoding="ascii"):
            return True, answer.detail
    return answer.state == "not_yet" and os.path.exists(run_state.WAS_READY), answer.detail


def patroni(state: run_state.State) -> tuple[bool, str]:
    """Whether Patroni's loop goes round."""
    if state.mode != "patroni":
        return True, "no Patroni is meant to run"
    end = time.monotonic() + _TIMEOUT
    try:
        rest = Rest.at(state.rest, state.tls, own=True)
        status, _body = ask(rest, "GET", "/liveness", None, lambda: max(0.001, end - time.monotonic()))
    except HowdahError as error:
        return False, error.message
    return status == 200, "Patroni is alive" if status == 200 else "Patroni's loop has stopped"


def password(state: run_state.State) -> tuple[bool, str]:
    """Whether the password of the environment holds."""
    try:
        with open(run_state.PASSWORD_STATE, encoding="ascii") as file:
            entry = json.load(file)
    except FileNotFoundError:
        return True, "the environment asks for no change"
    return entry["state"] == "applied", entry["detail"]


def disk(state: run_state.State) -> tuple[bool, str]:
    """Whether the volume has room."""
    # In maintenance there may be no cluster yet.
    status = os.statvfs(state.pgdata if os.path.isdir(state.pgdata) else os.path.dirname(state.pgdata))
    share = status.f_bavail / status.f_blocks if status.f_blocks else 0.0
    return share >= _FREE_SHARE, f"{share:.0%} of the volume is free"


def archive(state: run_state.State) -> tuple[bool, str]:
    """Whether the log reaches the archive; if not, this tells it before any of it is dropped."""
    server = question.running(state.pgdata)
    answer = question.value(server, state.user, archiving.QUESTION, _TIMEOUT) if server else None
    return archiving.verdict(answer, archiving.limit())
