# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest's server, and over the repository the schedule of backups.

``backup server`` runs the server alone, beside a PostgreSQL server: the repository's container reads the data
through it. ``backup serve`` is the repository's container: the server, and backups when they are due.
``backup status`` tells of both in one line of JSON; ``backup health`` is the health check. What cannot be written to
the repository's volume, because that is full, say, they find in a file of the container's own.
"""
from __future__ import annotations

import contextlib
import errno
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
from typing import Any, Callable, Mapping, TypeVar

from ..entrypoint.logs import LEVELS, Log, tell_of_crashes
from ..entrypoint.run_state import SOCKETS
from . import schedule

CONF = "/etc/howdah/pgbackrest.conf"
SCHEDULE = "/etc/howdah/schedule.json"
RECORD = "/var/lib/pgbackrest/howdah.json"
# What is wrong with the schedule at this moment, and what could not be written to the record: for the health check.
TROUBLE = f"{SOCKETS}/backup-trouble.json"
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
_LOCKED = 50  # pgBackRest's exit code when it does not get the lock: another backup runs, or the file cannot be made
_NO_PROGRAM = 127  # as a shell says it
_KEPT = 20
_STOP_SECONDS = 20.0

_What = TypeVar("_What")


def main(arguments: list[str]) -> int:
    """Run until stopped."""
    tell_of_crashes("backup")
    threading.excepthook = _end_with_the_thread
    what = arguments[0] if arguments else "serve"
    if what in ("status", "health"):
        told = status(time.time())
        sys.stdout.write(json.dumps(told) + "\n")
        return 0 if what == "status" or told["healthy"] else 1
    log = make_log("backup")
    stop = threading.Event()

    def stopped(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    # A daemon: when it is the server's thread that breaks off, the process ends as well.
    keeper = threading.Thread(target=Schedule(log, stop).run, name="schedule", daemon=True) if what == "serve" else None
    if keeper:
        keeper.start()
    _Server(log, stop).run()
    if keeper:
        keeper.join()
    return 0


def make_log(component: str) -> Log:
    """A log of the level that the environment asks for, spelled as freely as the entrypoint allows."""
    value = os.environ.get("LOG_LEVEL") or "INFO"
    known = value.upper() in LEVELS
    log = Log(value.upper() if known else "INFO", component)
    if not known:
        log.error("environment", f"LOG_LEVEL is {value!r}, but must be one of {', '.join(LEVELS)}: INFO holds.")
    return log


def _end_with_the_thread(crash: threading.ExceptHookArgs) -> None:
    """A mistake of ours in any thread ends the process as one in the first would: the engine restarts the container."""
    error = crash.exc_value or crash.exc_type()
    sys.excepthook(crash.exc_type, error, crash.exc_traceback)
    os._exit(1)


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
            reader.join(_LOOK_SECONDS)
            return child.wait()


class Schedule:
    """Makes backups when they are due; one after another, as there is one thread that does."""

    def __init__(self, log: Log, stop: threading.Event) -> None:
        self._log = log
        self._stop = stop
        self._told = ""
        self._problem = ""
        self._trouble: str | None = None  # what the file says; None: it may be of a container that was killed
        self._untold = ""
        self._unwritten: dict[str, Any] | None = None  # the record, as long as it could not be written

    def run(self) -> None:
        """Until stopped."""
        self._tell("")
        while not self._stop.wait(_LOOK_SECONDS):
            # Also if nothing can be looked up, what is to be written may find room.
            problems = [problem_of(step) for step in (self._look, self._write)]
            self._tell("; ".join(problem for problem in problems if problem))

    def _look(self) -> None:
        """Make what is due."""
        asked = self._read()
        if asked is None:
            return
        record = read_record() if self._unwritten is None else self._unwritten
        entries, now = asked["entries"], time.time()
        done: dict[str, float] = record.setdefault("done", {})
        for entry in entries:
            # What was due before the entry was first seen is not made up for.
            # Nor does one that was answered in the future, before the clock was set right, stay so.
            done[entry.key] = min(done.get(entry.key, now), now)
        found = schedule.due(entries, done, now)
        if found is not None:
            kind, keys = found
            result = self._backup(asked, kind)
            if result is None:
                return  # cut off: due again at the next start
            done.update(dict.fromkeys(keys, now))
            record["results"] = [*record.get("results", []), result][-_KEPT:]
        self._unwritten = record

    def _write(self) -> None:
        """Keep what was done; as long as that cannot be, it is kept in memory."""
        if self._unwritten is not None:
            write_record(self._unwritten)
            self._unwritten = None

    def _tell(self, problem: str) -> None:
        """Say what is wrong: once in the log, and to the health check as long as it is so.

        :param problem: empty: nothing is.
        """
        if problem and problem != self._problem:
            self._log.error("schedule_hindered", f"The schedule of backups cannot do all of its work: {problem}.")
        elif self._problem and not problem:
            self._log.info("schedule_well", "The schedule of backups does all of its work again.")
        self._problem = problem
        trouble = json.dumps({"problem": problem, "record": self._unwritten}) if problem else ""
        if trouble == self._trouble:
            return
        try:
            write_trouble(trouble)
        except OSError as error:
            if cause_of(error) != self._untold:
                self._untold = cause_of(error)
                self._log.error("schedule_untold", f"The health check cannot be told of the schedule: {self._untold}.")
        else:
            self._trouble, self._untold = trouble, ""

    def _read(self) -> dict[str, Any] | None:
        try:
            return read_schedule()
        except FileNotFoundError:
            return None
        except ValueError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._log.error("schedule", f"No backup is made on schedule: {error}. Correct {SCHEDULE}.")
            return None

    def _backup(self, asked: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
        """One backup to each repository, with some tries; None when it was cut off."""
        began = time.time()
        errors = []
        self._log.info("backup_due", f"A backup of the type {kind} is due.", stanza=asked["stanza"], type=kind)
        for repository in asked["repositories"]:
            error = self._tries(asked["stanza"], kind, repository)
            if error:
                errors.append(f"repository {repository}: {error}")
        if self._stop.is_set():
            return None
        seconds = round(time.time() - began, 1)
        result = {"type": kind, "start": began, "seconds": seconds, "ok": not errors, "error": "; ".join(errors)}
        if errors:
            self._log.error("backup_failed", f"The backup of the type {kind} failed: {result['error']}", **result)
        else:
            self._log.info("backup_done", f"A backup of the type {kind} was made in {seconds} s.", **result)
        return result

    def _tries(self, stanza: str, kind: str, repository: int) -> str:
        """The error of the last try; empty when the backup was made, and when it was cut off."""
        command = [_PROGRAM, f"--stanza={stanza}", f"--repo={repository}", f"--type={kind}", "backup"]
        attempt, waits = 0, False
        while not self._stop.is_set():
            code, error = self._run(command)
            if code == 0 or self._stop.is_set():
                break
            if code == _LOCKED and is_taken(error):
                # No try: what was begun by hand may take hours, and all tries are over within minutes.
                if not waits:
                    self._log.info("backup_waits", "Another backup runs: the one that is due waits for its end.")
                waits = True
            else:
                attempt, waits = attempt + 1, False
                again = " It is tried again." if attempt < _TRIES else ""
                self._log.warn("backup_attempt", f"A backup could not be made (code {code}): {error}.{again}")
                if attempt == _TRIES:
                    return error
            # After a failover another server is the primary: pgBackRest looks for it at each start.
            self._stop.wait(_RETRY_SECONDS)
        return ""

    def _run(self, command: list[str]) -> tuple[int, str]:
        """The exit code, and the last error."""
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:  # no memory, say
            return _NO_PROGRAM, cause_of(error)
        with child:
            last: list[str] = []
            reader = threading.Thread(target=pass_on, args=(child, self._log, last), daemon=True)
            reader.start()
            while child.poll() is None:
                if self._stop.wait(0.2):
                    end(child)
            reader.join(_LOOK_SECONDS)
            return child.wait(), last[-1] if last else ""


def problem_of(step: Callable[[], None]) -> str:
    """What keeps the system from having a step done; empty for nothing. Mistakes of ours are raised."""
    try:
        step()
    except OSError as error:
        return cause_of(error)
    return ""


def cause_of(error: OSError) -> str:
    """An error of the system in words. Pure."""
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)


def is_taken(text: str) -> bool:
    """Whether an error of pgBackRest's about its lock says that another one holds it. Pure."""
    return os.strerror(errno.EWOULDBLOCK) in text


def pass_on(child: subprocess.Popen[bytes], log: Log, errors: list[str] | None = None) -> None:
    """Make log lines of what a pgBackRest prints; its errors are collected."""
    assert child.stdout is not None
    try:
        for raw in child.stdout:
            level, text = classify(raw.decode("utf-8", "replace").rstrip())
            if level == "ERROR" and errors is not None:
                errors.append(text)
                level = "DEBUG" if is_taken(text) else level  # it is waited for
            if text:
                log.write(level, "pgbackrest", text, component="pgbackrest")
    except ValueError:
        # Who has begun it has waited for the last lines for long enough.
        if not child.stdout.closed:
            raise


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


def read_schedule() -> dict[str, Any]:
    """What is to be made: ``stanza``, numbers of ``repositories``, and ``entries``.

    :raises ValueError: when it cannot be understood.
    """
    with open(SCHEDULE, encoding="utf-8") as file:
        asked = json.load(file)
    try:
        return {
            "stanza": str(asked["stanza"]),
            "repositories": [int(number) for number in asked.get("repositories") or [1]],
            "entries": schedule.parse(asked["entries"]),
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"the schedule is not of the expected form ({type(error).__name__}: {error})") from error


def read_record() -> dict[str, Any]:
    """What was done; survives the container."""
    try:
        with open(RECORD, encoding="ascii") as file:
            record = json.load(file)
            return record if isinstance(record, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def write_record(record: Mapping[str, Any]) -> None:
    """Keep it, unless it is kept already.

    :raises OSError: when it cannot be; with the record's name.
    """
    if record == read_record():
        return
    temporary = RECORD + ".new"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            json.dump(record, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, RECORD)
    except OSError as error:
        raise OSError(error.errno, error.strerror, RECORD) from error


def read_trouble() -> dict[str, Any]:
    """What is wrong with the schedule (``problem``), and the ``record`` if that could not be written.

    :raises FileNotFoundError: when nothing is.
    """
    with open(TROUBLE, encoding="ascii") as file:
        trouble: dict[str, Any] = json.load(file)
        return trouble


def write_trouble(text: str) -> None:
    """Keep it for other processes in the container.

    :param text: JSON, or nothing where nothing is wrong.
    """
    if not text:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(TROUBLE)
        return
    temporary = TROUBLE + ".new"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(text)
    os.replace(temporary, TROUBLE)


def status(now: float) -> dict[str, Any]:
    """How the server and the schedule are."""
    nothing: dict[str, Any] = {}
    trouble, untold = _found(read_trouble, nothing)
    record, unread = (trouble["record"], "") if trouble.get("record") else _found(read_record, nothing)
    asked, unasked = _found(read_schedule, nothing)
    text, unset = _found(_settings, "")
    results = record.get("results", [])
    last = results[-1] if results else None
    problems = [
        "" if _serves() else "pgBackRest's server does not run",
        trouble.get("problem", ""), untold, unread,
        f"the last scheduled backup failed: {last['error']}" if last is not None and not last["ok"] else "",
        unasked, unset,
    ]  # fmt: skip
    problem = "; ".join(dict.fromkeys(filter(None, problems)))
    following = schedule.upcoming(asked.get("entries", ()), now)
    told = {"healthy": not problem, "problem": problem, "last": last, "next": following, "results": results}
    return {**told, "retention": retention(text)}


def _found(read: Callable[[], _What], nothing: _What) -> tuple[_What, str]:
    """What is read, or nothing; and what is wrong with it. A file that is not there yet is nothing wrong."""
    try:
        return read(), ""
    except FileNotFoundError:
        return nothing, ""
    except OSError as error:
        return nothing, cause_of(error)
    except ValueError as error:
        return nothing, str(error)


def _settings() -> str:
    with open(CONF, encoding="utf-8") as file:
        return file.read()


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
