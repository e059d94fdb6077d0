# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovers restored files up to a target, in a server of its own behind a private socket, and looks at the result.

Nothing of the cluster's own configuration is used: it may name folders, certificates and sizes of another machine.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import threading
import time
from typing import Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, DrillFailed, InvalidInput, RestoreFailed
from ..entrypoint.lines import classify
from ..entrypoint.logs import Log
from .program import watch

TARGETS = {"time": "recovery_target_time", "lsn": "recovery_target_lsn", "name": "recovery_target_name",
           "xid": "recovery_target_xid"}
# Settings that a server must not have less of than the one that wrote the log, as pg_controldata calls them.
_AT_LEAST = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
    "track_commit_timestamp": "track_commit_timestamp setting",
}
_LAST_TIME = re.compile(r"last completed transaction was at log time (.+)")
_STOPPED_AT = re.compile(r"recovery stopping (?:before|after) .+")
_PAUSE = 0.1
_STOP_SECONDS = 60.0
_KEPT_LINES = 30


def settings_of(control: str) -> dict[str, str]:
    """The settings that a server needs to take up the log, from what pg_controldata prints. Pure."""
    found = dict(line.split(":", 1) for line in control.splitlines() if ":" in line)
    return {name: found[said].strip() for name, said in _AT_LEAST.items() if said in found}


def target_settings(request: Mapping[str, Any]) -> dict[str, str]:
    """How far to recover. Pure.

    :raises InvalidInput: for a type that there is not.
    """
    kind = request.get("type") or "default"
    settings = {"recovery_target_timeline": str(request.get("timeline") or "latest")}
    if kind == "default":
        return settings
    if kind == "immediate":
        return {**settings, "recovery_target": "immediate", "recovery_target_action": "promote"}
    if kind not in TARGETS:
        raise InvalidInput(f"There is no target of the type {kind!r}.")
    if not request.get("target"):
        raise InvalidInput(f"The type {kind} needs a target.")
    if kind in ("time", "lsn", "xid"):
        settings["recovery_target_inclusive"] = "off" if request.get("exclusive") else "on"
    return {**settings, TARGETS[kind]: str(request["target"]), "recovery_target_action": "promote"}


def gap_before(archived: str, reached: str) -> str:
    """The last archived segment, if the log was not replayed as far; else nothing. Pure.

    :param archived: name of the last segment in the archive; empty when unknown.
    :param reached: name of the segment that the new timeline begins in.
    """
    return archived[8:] if len(archived) == 24 and reached[8:] < archived[8:] else ""


def branched_at(history: str) -> str:
    """Where the newest timeline of a history file leaves the one before it: the end of what was replayed. Pure.

    :param history: lines of a timeline, a tab, a position, a tab and a reason; the newest is the last.
    """
    return str(re.findall(r"^\d+\t([0-9A-F]+/[0-9A-F]+)\t", history, re.MULTILINE)[-1])


class Recovery:
    """One recovery.

    :param command: pgBackRest with the options that all its commands need.
    :ivar found: what is known of the restored cluster so far.
    """

    def __init__(
        self, pgdata: str, command: Sequence[str], request: Mapping[str, Any], deadline: Deadline, log: Log
    ) -> None:
        self._pgdata = pgdata
        self._command = command
        self._request = request
        self._deadline = deadline
        self._log = log
        self._bin = f"/usr/lib/postgresql/{os.environ['PG_MAJOR']}/bin"
        self._lines: list[str] = []
        self._fatal = ""
        self.found: dict[str, Any] = {}
        self._user = str(request.get("superuser") or "postgres")

    def run(self) -> None:
        """Recover, look, stop."""
        with tempfile.TemporaryDirectory(prefix="howdah-", dir="/tmp") as private:
            settings = self._configure(private)
            # Whoever finds the folder before it is complete shall not take it for a cluster that crashed.
            with open(f"{self._pgdata}/recovery.signal", "w", encoding="ascii"):
                pass
            began = time.monotonic()
            server = subprocess.Popen(  # pylint: disable=consider-using-with
                [f"{self._bin}/postgres", "-D", self._pgdata, *settings],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            reader = threading.Thread(target=self._read, args=(server,), daemon=True)
            reader.start()
            try:
                self._wait(server, private)
                self.found["recovery_seconds"] = round(time.monotonic() - began, 1)
                self._look(private)
                if self._request.get("checks"):
                    self._check(private, self._request["checks"])
            finally:
                self._stop(server)
                reader.join(1)
        if (self._request.get("checks") or {}).get("checksums"):
            self._checksums()

    def _configure(self, private: str) -> list[str]:
        """Arguments of the server: stronger than whatever ALTER SYSTEM has left in the data folder."""
        control = subprocess.run(
            [f"{self._bin}/pg_controldata", self._pgdata], capture_output=True, text=True, check=False,
            timeout=self._deadline.check("reading pg_control"), env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )
        if control.returncode:
            raise RestoreFailed(f"The restored folder is no cluster: {control.stderr.strip()}")
        words = " ".join(_quoted(word) for word in self._command)
        settings = {
            **settings_of(control.stdout),
            **target_settings(self._request),
            **{str(name): str(value) for name, value in (self._request.get("settings") or {}).items()},
            "config_file": f"{private}/postgresql.conf",
            "restore_command": f'{words} archive-get %f "%p"',
            "hot_standby": "off",  # nobody reads before it is promoted, and no setting can stand in its way
            "listen_addresses": "",
            "unix_socket_directories": private,
            "hba_file": f"{private}/pg_hba.conf",
            "ident_file": f"{private}/pg_ident.conf",
            # Kept until the cluster's own server archives it: another timeline in the archive would mislead the others
            # if this restore were given up. A command that fails would be tried three times, a second apart, when the
            # server stops; without one the log waits.
            "archive_mode": "off" if self._request.get("throw_away") else "on",
            "archive_command": "",
            "logging_collector": "off",
            "log_destination": "stderr",
            "log_line_prefix": "",
            "lc_messages": "C",
            "ssl": "off",
            "wal_level": "replica",
        }
        with open(f"{private}/pg_hba.conf", "w", encoding="ascii") as file:
            file.write("local all all trust\n")  # the socket's folder is closed to everybody else
        with open(f"{private}/pg_ident.conf", "w", encoding="ascii"):
            pass
        with open(f"{private}/postgresql.conf", "w", encoding="ascii"):
            pass
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _read(self, server: subprocess.Popen[bytes]) -> None:
        assert server.stdout is not None
        level = "INFO"
        for raw in server.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            level, text = classify(line, level, "INFO")
            self._lines.append(text)
            # Not what is said to whoever comes too early, as this one does.
            if "FATAL:" in line and not text.startswith("the database system is"):
                self._fatal = text
            del self._lines[: -_KEPT_LINES * 10]
            for key, pattern in (("last_transaction", _LAST_TIME), ("stopped", _STOPPED_AT)):
                match = pattern.search(text)
                if match:
                    self.found[key] = match[match.re.groups]
            self._log.write(level, "server", text, component="postgres")

    def _wait(self, server: subprocess.Popen[bytes], private: str) -> None:
        """Until it is promoted, which is when it lets anybody in."""
        while True:
            if server.poll() is not None:
                time.sleep(_PAUSE)
                raise RestoreFailed(f"The recovery failed: {self._cause()}", lines=self._lines[-_KEPT_LINES:])
            try:
                if self._sql(private, "postgres", "SELECT pg_is_in_recovery()", quiet=True) == "f":
                    return
            except RestoreFailed:
                pass  # not yet
            self._deadline.check("recovering (the server replays the log)")
            time.sleep(_PAUSE)

    def _cause(self) -> str:
        missed = [line for line in self._lines if "recovery target was reached" in line]
        text = missed[-1] if missed else self._fatal or (self._lines or ["no reason given"])[-1]
        if "before configured recovery target was reached" in text:
            text += (
                ": the target is not in the archive after this backup. It may be later than what was archived, or lie"
                " before the backup (then choose an older one: set; restore_set or drill_set of the playbooks)"
            )
            if self._request.get("type") == "time":
                text += ". Where nothing was committed after that time, the end of the log is meant: the type default"
        return text + "."

    def _look(self, private: str) -> None:
        row = self._sql(
            private, "postgres",
            "SELECT json_build_object('system_identifier', (SELECT system_identifier::text FROM pg_control_system()),"
            " 'checksums', current_setting('data_checksums'))",
        )
        self.found.update(json.loads(row))
        walfile = self._sql(private, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
        self.found["timeline"] = int(walfile[:8], 16)
        # A server that was promoted has written more than it had replayed by then.
        with open(f"{self._pgdata}/pg_wal/{walfile[:8]}.history", encoding="ascii") as file:
            self.found["lsn"] = branched_at(file.read())
        gap = gap_before(self._request.get("archived") or "", walfile)
        if gap and (self._request.get("type") or "default") == "default":
            raise RestoreFailed(
                f"The archive has a gap: the log was replayed up to segment {walfile[8:]}, although {gap} is archived."
                " What is beyond the gap cannot be restored from this backup. Restore up to a time before it, or from a"
                " later backup.", reached=walfile, archived=self._request["archived"],
            )
        sizes = self._sql(private, "postgres", "SELECT json_object_agg(datname, pg_database_size(oid)) FROM pg_database"
                          " WHERE datallowconn")
        self.found["databases"] = json.loads(sizes)

    def _check(self, private: str, checks: Mapping[str, Any]) -> None:
        if checks.get("amcheck"):
            began = time.monotonic()
            lines: list[str] = []
            code = watch(
                [f"{self._bin}/pg_amcheck", "-h", private, "-U", self._user, "--all", "--install-missing",
                 "--heapallindexed", "--no-password"],
                None, self._deadline, "looking at the restored tables and indexes", lines.append,
            )
            self.found["amcheck_seconds"] = round(time.monotonic() - began, 1)
            if code:
                raise DrillFailed(f"pg_amcheck found faults (code {code}): {' '.join(lines[:3])}", lines=lines[:50])
        results = []
        for number, assertion in enumerate(checks.get("assertions") or (), start=1):
            name = assertion.get("name") or f"assertion {number}"
            expected = str(assertion.get("expected", "t"))
            try:
                answer = self._sql(private, assertion.get("database") or "postgres", assertion["sql"])
                result = {"ok": answer == expected, "answer": answer[:200]}
            except RestoreFailed as error:
                result = {"ok": False, "answer": None, "error": error.message}
            results.append({"name": name, "expected": expected, **result})
        self.found["assertions"] = results
        told = [
            f"{one['name']}: " + (
                f"it could not be asked: {one['error']}" if "error" in one
                else f"the answer was {one['answer']!r}, not {one['expected']!r}"
            )
            for one in results if not one["ok"]
        ]  # fmt: skip
        if told:
            reached = self.found.get("last_transaction")
            up_to = f"the last transaction of {reached}" if reached else f"the position {self.found['lsn']}"
            raise DrillFailed(
                f"{'; '.join(told)}. The log was replayed up to {up_to}; what was committed later is not archived, or"
                " not yet.", assertions=results,
            )

    def _checksums(self) -> None:
        if self.found.get("checksums") != "on":
            self.found["checksum_blocks"] = None
            return
        lines: list[str] = []
        code = watch(
            [f"{self._bin}/pg_checksums", "--check", "-D", self._pgdata], None, self._deadline,
            "checking the checksums of pages", lines.append,
        )
        blocks = next((line.split(":")[1].strip() for line in lines if line.startswith("Blocks scanned")), "")
        self.found["checksum_blocks"] = int(blocks) if blocks.isdigit() else None
        if code:
            raise DrillFailed(f"pg_checksums found faults (code {code}): {' '.join(lines[:3])}", lines=lines[:50])

    def _sql(self, private: str, database: str, sql: str, quiet: bool = False) -> str:
        done = subprocess.run(
            [f"{self._bin}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", private, "-U", self._user, "-d", database],
            input=sql, capture_output=True, text=True, check=False, timeout=self._deadline.check("asking the server"),
        )
        if done.returncode:
            if not quiet:
                self._log.warn("sql", done.stderr.strip())
            raise RestoreFailed(f"The restored server refused a question: {done.stderr.strip()}")
        return done.stdout.strip()

    def _stop(self, server: subprocess.Popen[bytes]) -> None:
        if server.poll() is not None:
            return
        server.send_signal(2)  # the fast stop
        try:
            server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            server.kill()
            raise DeadlineExceeded("The restored server did not stop.", doing="stopping the restored server") from error


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'" if re.search(r"[^A-Za-z0-9_./=:-]", word) else word
