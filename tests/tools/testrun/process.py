# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands with a time limit that leave no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()
_stopped = threading.Event()


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    :param code: its exit code; 127 when there is no such program, 124 when its time was up, as in a shell.
    :param output: stdout and stderr, as they came.
    """

    code: int
    output: str


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float) -> Finished:
    """Run a command in a process group of its own, with no standard input.

    :param timeout: seconds after which the whole group is killed.
    """
    if _stopped.is_set():
        return Finished(130, "Interrupted.\n")
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError:
        return Finished(127, f"The program {argv[0]!r} is missing.\n")
    with _lock:
        _running.add(process)
    try:
        output = process.communicate(timeout=timeout)[0]
        return Finished(process.returncode, output)
    except subprocess.TimeoutExpired:
        _kill(process, signal.SIGTERM)
        try:
            output = process.communicate(timeout=10)[0]
        except subprocess.TimeoutExpired:
            _kill(process, signal.SIGKILL)
            output = process.communicate()[0]
        return Finished(124, f"{output}\nStopped: {' '.join(argv)} took more than {timeout:g} s.\n")
    finally:
        with _lock:
            _running.discard(process)


def stop_all() -> None:
    """Stop what still runs, and start nothing any more: for an interrupted run."""
    _stopped.set()
    with _lock:
        processes = list(_running)
    for process in processes:
        _kill(process, signal.SIGTERM)


def _kill(process: subprocess.Popen[str], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it ended by itself in the meantime
