# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest's server, and over the repository the schedule of backups.

``backup server`` runs the server alone, beside a PostgreSQL server: the repository's container reads the data
through it. ``backup serve`` is the repository's container: the server, and backups when they are due.
``backup status`` tells of both in one line of JSON; ``backup health`` is the health check.
"""
from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import Any, Mapping

from ..entrypoint.logs import Log, tell_of_crashes
from . import schedule

CONF = "/etc/howdah/pgbackrest.conf"
SCHEDULE = "/etc/howdah/schedule.json"
RECORD = "/var/lib/pgbackrest/howdah.json"
PORT = 8432
_WATCHED = (CONF, "/etc/howdah/tls/ca.crt", "/etc/howdah/tls/node.crt", "/etc/howdah/tls/node.key")
_PROGRAM = "/usr/bin/pgbackrest"
# Of pgBackRest's lines: process (not on standard error), level, text. The time is left out by its settings.
_LINE = re.compile(r"(?:\d{4}-\d\d-\d\d \S+ )?(?:P\d\d +)?(TRACE|DEBUG|DETAIL|INFO|WARN|ERROR|ASSERT): (.*)", re.DOTALL)
_RETENTION = re.compile(r"^repo(\d+)-retention-([a-z-]+)=(.+)$", re.MULTILINE)
_LEVELS = {"TRACE": "DEBUG", "DETAIL": "DEBUG", "ASSERT": "ERROR"}
_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = (1.0, 30.0)  # between two starts of a server that ends: at first, at most
_RETRY_SECONDS = 60.0
_TRIES = 5
_LOCKED = 50  # pgBackRest's exit code while another backup runs
_KEPT = 20
_STOP_SECONDS = 20.0


def main(arguments: list[str]) -> int:
    """Run until stopped."""
    tell_of_crashes("backup")
    what = arguments[0] if arguments else "serve"
    if what in ("status", "health"):
        told = status(time.time())
        sys.stdout.write(json.dumps(told) + "\n")
        return 0 if what == "status" or told["healthy"] else 1
    log = Log(os.environ.get("LOG_LEVEL") or "INFO", "backup")
    stop = threading.Event()

    def stopped(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    keeper = threading.Thread(target=Schedule(log, stop).run, name="schedule") if what == "serve" else None
    if keeper:
        keeper.start()
    _Server(log, stop).run()
    if keeper:
        keeper.join()
    return 0


class _Server:
    """Keeps pgBackRest's server running, and has it read changed files."""

    def __init__(self, log: Log, stop: threading.Event) -> None:
        self._log = log
        self._stop = stop

    def run(self) -> None:
        pause, told = _PAUSE_SECONDS[0], False
        while not self._stop.is_set():
            if not os.path.exists(CONF):
                if not told:
                    self._log.warn("not_configured", f"There is no {CONF} yet: pgBackRest's server waits for it.")
                    told = True
                self._stop.wait(_LOOK_SECONDS)
                continue
            began = time.monotonic()
            code = self._once()
            if self._stop.is_set():
                return
            pause = _PAUSE_SECONDS[0] if time.monotonic() - began > _PAUSE_SECONDS[1] else pause
            self._log.error("server_ended", f"pgBackRest's server ended with code {code}; again in {pause:g} s.")
            self._stop.wait(pause)
            pause = min(pause * 2, _PAUSE_SECONDS[1])

    def _once(self) -> int:
        seen = _stamps()
        with subprocess.Popen(
            [_PROGRAM, "server"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as child:
            reader = threading.Thread(target=pass_on, args=(child, self._log), daemon=True)
            reader.start()
            while child.poll() is None:
                if self._stop.wait(_LOOK_SECONDS):
                    end(child)
                    break
                now = _stamps()
                if now != seen and child.poll() is None:
                    seen = now
                    child.send_signal(signal.SIGHUP)
                    self._log.info("reload", "pgBackRest's server reads its settings and certificates anew.")
            return child.wait()


class Schedule:
    """Makes backups when they are due; one after another, as there is one thread that does."""

    def __init__(self, log: Log, stop: threading.Event) -> None:
        self._log = log
        self._stop = stop
        self._told = ""

    def run(self) -> None:
        """Until stopped."""
        while not self._stop.wait(_LOOK_SECONDS):
            asked = self._read()
            if asked is None:
                continue
            record = read_record()
            entries, now = asked["entries"], time.time()
            done: dict[str, float] = record.setdefault("done", {})
            for entry in entries:
                # What was due before the entry was first seen is not made up for.
                # Nor does one that was answered in the future, before the clock was set right, stay so.
                done[entry.key] = min(done.get(entry.key, now), now)
            found = schedule.due(entries, done, now)
            if found is None:
                write_record(record)
                continue
            kind, keys = found
            result = self._backup(asked, kind)
            if self._stop.is_set():
                return  # cut off: due again at the next start
            done.update(dict.fromkeys(keys, now))
            record["results"] = [*record.get("results", []), result][-_KEPT:]
            write_record(record)

    def _read(self) -> dict[str, Any] | None:
        try:
            with open(SCHEDULE, encoding="utf-8") as file:
                asked: dict[str, Any] = json.load(file)
            asked["entries"] = schedule.parse(asked["entries"])
        except FileNotFoundError:
            return None
        except ValueError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._log.error("schedule", f"No backup is made on schedule: {error}. Correct {SCHEDULE}.")
            return None
        return asked

    def _backup(self, asked: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """One backup to each repository, with some tries."""
        began = time.time()
        errors = []
        self._log.info("backup_due", f"A backup of the type {kind} is due.", stanza=asked["stanza"], type=kind)
        for repository in asked.get("repositories") or [1]:
            error = self._tries(asked["stanza"], kind, int(repository))
            if error:
                errors.append(f"repository {repository}: {error}")
        seconds = round(time.time() - began, 1)
        result = {"type": kind, "start": began, "seconds": seconds, "ok": not errors, "error": "; ".join(errors)}
        if errors:
            self._log.error("backup_failed", f"The backup of the type {kind} failed: {result['error']}", **result)
        else:
            self._log.info("backup_done", f"A backup of the type {kind} was made in {seconds} s.", **result)
        return result

    def _tries(self, stanza: str, kind: str, repository: int) -> str:
        error = ""
        for attempt in range(_TRIES):
            # After a failover another server is the primary: pgBackRest looks for it at each start.
            if attempt and self._stop.wait(_RETRY_SECONDS):
                return "stopped"
            code, error = self._run(
                [_PROGRAM, f"--stanza={stanza}", f"--repo={repository}", f"--type={kind}", "backup"]
            )
            if code == 0 or self._stop.is_set():
                return ""
            waits = " It is tried again." if attempt + 1 < _TRIES else ""
            self._log.warn("backup_attempt", f"A backup could not be made (code {code}): {error}.{waits}")
        return error

    def _run(self, command: list[str]) -> tuple[int, str]:
        """The exit code, and the last error."""
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as child:
            last: list[str] = []
            reader = threading.Thread(target=pass_on, args=(child, self._log, last), daemon=True)
            reader.start()
            while child.poll() is None:
                if self._stop.wait(0.2):
                    end(child)
            reader.join(_LOOK_SECONDS)
            return child.wait(), last[-1] if last else ""


def pass_on(child: subprocess.Popen[bytes], log: Log, errors: list[str] | None = None) -> None:
    """Make log lines of what a pgBackRest prints; its errors are collected."""
    assert child.stdout is not None
    for raw in child.stdout:
        level, text = classify(raw.decode("utf-8", "replace").rstrip())
        if level == "ERROR" and errors is not None:
            errors.append(text)
        if text:
            log.write(level, "pgbackrest", text, component="pgbackrest")


def classify(text: str) -> tuple[str, str]:
    """The level and the message of a line of pgBackRest's. Pure."""
    match = _LINE.fullmatch(text)
    if match is None:
        return "INFO", text.strip()
    return _LEVELS.get(match[1], match[1]), match[2]


def end(child: subprocess.Popen[bytes]) -> None:
    """Have a child end in an orderly way, and otherwise at once."""
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def _stamps() -> tuple[tuple[int, int] | None, ...]:
    stamps: list[tuple[int, int] | None] = []
    for path in _WATCHED:
        try:
            found = os.stat(path)
            stamps.append((found.st_mtime_ns, found.st_ino))
        except OSError:
            stamps.append(None)
    return tuple(stamps)


def read_record() -> dict[str, Any]:
    """What was done; survives the container."""
    try:
        with open(RECORD, encoding="ascii") as file:
            record = json.load(file)
            return record if isinstance(record, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def write_record(record: Mapping[str, Any]) -> None:
    """Keep it, unless it is kept already."""
    if record == read_record():
        return
    temporary = RECORD + ".new"
    with open(temporary, "w", encoding="ascii") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, RECORD)


def status(now: float) -> dict[str, Any]:
    """How the server and the schedule are."""
    record = read_record()
    results = record.get("results", [])
    last = results[-1] if results else None
    problem = ""
    try:
        with open(SCHEDULE, encoding="utf-8") as file:
            entries = schedule.parse(json.load(file)["entries"])
        following = schedule.upcoming(entries, now)
    except FileNotFoundError:
        following = None
    except ValueError as error:
        following, problem = None, str(error)
    try:
        with open(CONF, encoding="utf-8") as file:
            kept = retention(file.read())
    except FileNotFoundError:
        kept = {}
    serving = _serves()
    if not serving:
        problem = "pgBackRest's server does not run"
    elif last is not None and not last["ok"]:
        problem = f"the last scheduled backup failed: {last['error']}"
    told = {"healthy": not problem, "problem": problem, "last": last, "next": following, "results": results}
    return {**told, "retention": kept}


def retention(text: str) -> dict[str, dict[str, str]]:
    """How long each repository keeps what, by its number, from the settings. Pure."""
    kept: dict[str, dict[str, str]] = {}
    for number, what, value in _RETENTION.findall(text):
        kept.setdefault(number, {})[what] = value
    return kept


def _serves() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=2):
            return True
    except OSError:
        return False
