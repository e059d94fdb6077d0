# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs with which Patroni makes a cluster, under the journal: ``new PROGRAM …`` and ``copy PROGRAM …``.

A new cluster is in the journal until post-bootstrap has finished it. A copy of another member is, until the program
ends: should it fail, nothing is left, neither of the copy nor in the journal.
"""
from __future__ import annotations

import os
import signal

from . import journal, layout, run_state
from .faults import STATUS_FAILED, Refused
from .logs import Log, tell_of_crashes


def main(arguments: list[str]) -> int:
    """Run the program; its exit code."""
    tell_of_crashes("patroni")
    kind, *command = arguments
    log = Log(component="patroni")
    state = run_state.read()
    if state is None:
        log.error("no_state", f"{command[0]} is for Patroni alone.")
        return STATUS_FAILED
    place = layout.place(state.pgdata)
    try:
        journal.write(place, None, moving=False, copy=kind == "copy")
        if kind == "new":
            os.execv(command[0], command)
        code = _run(command)
        if code:
            journal.clean(place)
        else:
            journal.remove(place)
        return code
    except Refused as refusal:
        for fault in refusal.faults:
            log.error(fault.event, fault.message)
    except OSError as error:
        log.error("failed", f"{command[0]} cannot be run under the journal: {error.strerror}: {error.filename}.")
    return STATUS_FAILED


def _run(command: list[str]) -> int:
    """The exit code of a program that gets our signals."""
    received = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, received)  # until there is somebody to pass them on to
    child = os.posix_spawn(command[0], command, os.environ, setsigmask=())
    for number in received:
        signal.signal(number, lambda number, _frame: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, received)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for number in received:
        signal.signal(number, signal.SIG_IGN)  # its number may be another's now, and what is left is short
    return 128 - code if code < 0 else code
