# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores a cluster in a container of its own, up to its new timeline, before anybody else sees it.

``restore REQUEST``: JSON as an argument, nothing in it is secret. Its answer is one line of JSON on standard output:
``result``, and ``error`` when it failed. The work is logged on standard error.

A data folder that is there is moved aside, not removed, unless that was asked for. A marker says so from before that on
until the restored one is complete: with it no server starts. What it says tells a whole folder from a half-made one.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any, Mapping

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, HowdahError, InvalidInput, NoSpaceToKeep, RestoreFailed
from .._core.room import needed
from ..entrypoint import journal, layout
from ..entrypoint.faults import Refused
from ..entrypoint.logs import Log, tell_of_crashes
from . import program
from .recovery import Recovery
from .serve import make_log

# What the marker says: the present folder, if there is one, is whole; or it is what a restore has begun.
_MOVING = "moving the data folder aside"
_RESTORING = "restoring"


def main(arguments: list[str]) -> int:
    """Do what the request asks; the exit code is 0 whenever there is an answer."""
    tell_of_crashes("restore")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    log = make_log("restore")
    request = json.loads(arguments[0])
    failed: HowdahError
    result: dict[str, Any] = {}
    answer: dict[str, Any] = {"result": result}
    try:
        _answer(request, Deadline(request["timeout"]), log, result)
    except Refused as refusal:
        failed = RestoreFailed(" ".join(fault.message for fault in refusal.faults))
        answer["error"] = _spelled(failed)
    except OSError as error:
        failed = RestoreFailed(f"{error.strerror}: {error.filename}.")
        answer["error"] = _spelled(failed)
    except subprocess.TimeoutExpired:
        failed = DeadlineExceeded("The time limit was reached while a program of the restore ran.", doing="restoring")
        answer["error"] = _spelled(failed)
    except HowdahError as error:
        answer["error"] = _spelled(error)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 0


def _spelled(error: HowdahError) -> dict[str, Any]:
    return {"number": error.number, "message": error.message, "details": error.details}


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _answer(request: Mapping[str, Any], deadline: Deadline, log: Log, result: dict[str, Any]) -> None:
    if request["do"] == "forget":
        program.forget_cluster(deadline, log)
        return
    folder = Folder(request.get("pgdata") or f"{layout.VOLUME}/{os.environ.get('PG_MAJOR', '')}", log)
    steps = {"restore": _restore, "aside": _aside, "finish": _finish, "look": _look}
    if request["do"] not in steps:
        raise InvalidInput(f"The image does not know how to {request['do']!r}: it is older.")
    steps[request["do"]](request, folder, deadline, log, result)


def _look(
    _request: Mapping[str, Any], folder: Folder, _deadline: Deadline, _log: Log, result: dict[str, Any]
) -> None:
    """What there is, unchanged."""
    result.update(folder.told())


def _aside(request: Mapping[str, Any], folder: Folder, _deadline: Deadline, _log: Log, result: dict[str, Any]) -> None:
    """Make room for a replica that is to be made anew."""
    folder.lock()
    folder.clear(request.get("discard", False))
    # Of a restore that began here and has ended, as the lock says. What it kept stays.
    folder.unmark()
    result.update(folder.told())


def _finish(
    _request: Mapping[str, Any], folder: Folder, _deadline: Deadline, _log: Log, result: dict[str, Any]
) -> None:
    """Remove what was kept, now that the cluster is well."""
    result["removed"] = folder.forget_kept()


def _restore(request: Mapping[str, Any], folder: Folder, deadline: Deadline, log: Log, result: dict[str, Any]) -> None:
    began = time.monotonic()
    folder.lock()
    discard = bool(request.get("discard"))
    folder.check_room(int(request.get("size") or 0), discard)
    command = program.command(request, folder.pgdata)
    # What is removed and not kept is never whole again.
    folder.mark(_RESTORING if discard or folder.half_made() else _MOVING)
    folder.clear(discard)
    folder.mark(_RESTORING)
    folder.make()
    result["kept"] = folder.kept()
    program.restore(command, request, deadline, log)
    result["restore_seconds"] = round(time.monotonic() - began, 1)
    _fits(folder.pgdata, request.get("clustered", True))
    recovery = Recovery(folder.pgdata, command, request, deadline, log)
    try:
        recovery.run()
    finally:
        result.update(recovery.found)
    folder.unmark()
    result["seconds"] = round(time.monotonic() - began, 1)


def _fits(pgdata: str, clustered: bool) -> None:
    """Whether it can become what it is restored as: a single server does not start with a cluster's settings.

    :param clustered: whether it becomes the member of a cluster.
    :raises RestoreFailed: when not.
    """
    # Patroni keeps it beside the data.
    if not clustered and os.path.exists(f"{pgdata}/patroni.dynamic.json"):
        raise RestoreFailed(
            "The backup is a cluster's, and can only become a cluster: the inventory needs a group etcd."
        )


class Folder:
    """The data folder, and what was in its place before.

    :param pgdata: its path.
    """

    def __init__(self, pgdata: str, log: Log) -> None:
        self.pgdata = pgdata
        self._log = log
        self._place = layout.place(pgdata)
        self._parent = pgdata if self._place.staged else os.path.dirname(pgdata)

    def half_made(self) -> bool:
        """Whether the folder is what a restore has begun, and not ended."""
        try:
            with open(self._place.restoring, encoding="ascii") as file:
                return file.read().strip() == _RESTORING
        except FileNotFoundError:
            return False

    def marked(self) -> bool:
        """Whether a restore has begun here, and not ended."""
        return os.path.exists(self._place.restoring)

    def lock(self) -> None:
        """Hold the volume, so that no server can start on it.

        :raises Refused: when one runs.
        """
        if self._place.staged:
            raise InvalidInput(
                f"PGDATA is the mount {self.pgdata} itself: a restore moves it aside, which needs a folder in the"
                " volume."
            )
        journal.lock(self._place)

    def told(self) -> dict[str, Any]:
        """What is there."""
        status = os.statvfs(self._parent)
        return {
            "cluster": layout.is_cluster(self.pgdata),
            # Without a folder no server starts either, as long as there is the marker.
            "incomplete": self.half_made() or (self.marked() and not os.path.isdir(self.pgdata)),
            "kept": self.kept(),
            "bytes": _size(self.pgdata),
            "free": status.f_bavail * status.f_frsize,
        }

    def kept(self) -> list[str]:
        """Paths of what was moved aside."""
        folder = self._place.kept
        return sorted(f"{folder}/{name}" for name in os.listdir(folder)) if os.path.isdir(folder) else []

    def check_room(self, size: int, discard: bool) -> None:
        """Whether the backup fits beside what is there.

        :param size: of the backup, in bytes.
        :param discard: whether what is there may be removed first.
        """
        told = self.told()
        free = told["free"] + (told["bytes"] if discard or told["incomplete"] else 0)
        if needed(size) <= free:
            return
        advice = (
            "Make room." if discard else "Make room, or agree to the loss of the present data folder: discard."
        )
        raise NoSpaceToKeep(
            f"The backup needs {size >> 20} MiB, and {free >> 20} MiB are free beside {self.pgdata}, which is kept"
            f" until the restored cluster is well. Nothing was changed. {advice}",
            needed=needed(size),
            free=free,
        )

    def clear(self, discard: bool) -> None:
        """Move the data folder aside; one that a restore has left half-made is removed."""
        if not os.path.isdir(self.pgdata):
            return
        if self.half_made() or discard or not os.listdir(self.pgdata):
            self._log.info("remove", f"Removing {self.pgdata}.")
            shutil.rmtree(self.pgdata)
            return
        os.makedirs(self._place.kept, mode=0o700, exist_ok=True)
        target = f"{self._place.kept}/{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        os.rename(self.pgdata, target)
        journal.sync(self._parent)
        self._log.info("kept", f"The data folder is kept as {target}.")

    def mark(self, what: str) -> None:
        """Say what is being done; from now on no server starts here."""
        journal.write_file(self._place.restoring, what.encode("ascii") + b"\n")
        journal.sync(self._parent)

    def make(self) -> None:
        """An empty folder."""
        os.makedirs(self.pgdata, mode=0o700)

    def unmark(self) -> None:
        """Say that nothing half-made is here, so that a server may start."""
        if self.marked():
            os.unlink(self._place.restoring)
            journal.sync(self._parent)

    def forget_kept(self) -> list[str]:
        """Remove what was moved aside.

        :raises RestoreFailed: while a restore is at work here, or has failed: what it kept may be all that there is.
        """
        if os.path.exists(self._place.restoring):
            raise RestoreFailed(
                f"Another restore has begun and not ended ({self._place.restoring} is there): what was kept stays."
            )
        paths = self.kept()
        for path in paths:
            self._log.info("remove", f"Removing {path}.")
            shutil.rmtree(path)
        return paths


def _size(folder: str) -> int:
    total = 0
    for parent, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{parent}/{name}").st_blocks * 512
            except FileNotFoundError:
                continue
    return total
