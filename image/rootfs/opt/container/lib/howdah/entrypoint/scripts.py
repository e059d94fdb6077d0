# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts: what /docker-entrypoint-initdb.d holds, run once against a server of their own."""
from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import Iterator, Mapping, Sequence

from . import question
from .environment import Settings
from .faults import STATUS_FAILED, Fault, Refused
from .logs import Log
from .run_state import DIRECTORY
from .runtime import spawn

FOLDER = "/docker-entrypoint-initdb.d"

# By suffix: what turns the file into SQL.
_PACKED = {
    ".sql.gz": ("gzip", "-dc"),
    ".sql.xz": ("xz", "-dc"),
    ".sql.zst": ("zstd", "-dc"),
}
_SUFFIXES = (".sh", ".sql", *_PACKED)
# Until the temporary server answers; it recovers nothing, it just was made.
_START_SECONDS = 60.0
# For sessions that scripts have left open.
_LEAVE_SECONDS = 2.0
# For the end of the pump: it does not come while a script's child in the background may still say something.
_PUMP_SECONDS = 2.0
# Before that, for the pump to read what scripts have said: longer than an instant only if the log itself is stuck.
_LOG_SECONDS = 30.0


def find(folder: str = FOLDER) -> list[str]:
    """The files of the folder in their order.

    :raises Refused: when the folder cannot be read.
    """
    try:
        return [f"{folder}/{name}" for name in sorted(os.listdir(folder))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Refused(
            Fault("scripts_unreadable", f"{folder} cannot be read ({error.strerror}). Let everybody read it.")
        ) from error


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a program that was started in a session of its own, with all its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has just ended by itself
    process.wait()


@contextmanager
def pumped(level: str) -> Iterator[int]:
    """A descriptor for what scripts say: lines of our log are made of it."""
    reader, writer = os.pipe()
    pump = spawn("log-pump", [level, "initdb.d"], {0: reader})
    os.close(reader)
    try:
        yield writer
    finally:
        _part(pump, writer)


def _part(pump: int, writer: int) -> None:
    """Wait until what was said is written, and leave the pump to those who may say more.

    It has a session of its own, and the init takes it over: later lines reach the log as well.
    """
    until = time.monotonic() + _LOG_SECONDS
    with open(writer, "wb", buffering=0) as said:
        while not os.waitpid(pump, os.WNOHANG)[0] and time.monotonic() < until:
            if not said.closed and not _unread(writer):
                said.close()
                until = time.monotonic() + _PUMP_SECONDS
            time.sleep(0.005)


def _unread(pipe: int) -> int:
    """Bytes that are in a pipe."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0])


class Scripts:
    """Runs files against a server that is there.

    :param user: the superuser.
    :param database: where SQL runs.
    :param environ: of the files; with PGHOST and PGUSER.
    :param output: a descriptor for what they say.
    """

    def __init__(self, user: str, database: str, environ: Mapping[str, str], output: int, log: Log) -> None:
        self._user = user
        self._database = database
        self._environ = {**environ, "PGUSER": user, "POSTGRES_USER": user, "POSTGRES_DB": database}
        self._environ.pop("PGHOSTADDR", None)
        self._output = output
        self._log = log

    def run(self, path: str) -> None:
        """Run one file.

        :raises Refused: when it fails.
        """
        suffix = next((suffix for suffix in _SUFFIXES if path.endswith(suffix)), None)
        if suffix is None or not os.path.isfile(path):
            self._log.info("script_ignored", f"{path} is ignored: it is none of {', '.join(_SUFFIXES)}.")
            return
        self._log.info("script", f"Running {path}.")
        try:
            status = self._shell(path) if suffix == ".sh" else self._sql(path, _PACKED.get(suffix))
        except OSError as error:
            raise _failed(path, f"cannot be run: {error.strerror}") from error
        if status:
            raise _failed(path, f"failed with exit code {status}; what it said is logged above")

    def _shell(self, path: str) -> int:
        """As in the official image: what is not executable is sourced by a shell."""
        command = [path] if os.access(path, os.X_OK) else ["bash", "-e", "-c", '. "$0"', path]
        try:
            return self._program(command, self._environ)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # No line with #! in it, and executable as all files are in a folder of Windows: a shell runs it by itself.
            return self._program(["bash", path], self._environ)

    def _program(self, command: Sequence[str], environ: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> int:
        process = subprocess.Popen(
            command, env=environ, stdin=stdin, stdout=self._output, stderr=self._output, start_new_session=True
        )
        try:
            return process.wait()
        except BaseException:
            kill_session(process)
            raise

    def _sql(self, path: str, reader: Sequence[str] | None) -> int:
        """Have psql read the file, or what a reader makes of it."""
        # SQL may read other variables of the user's; shell scripts see all of them.
        environ = {name: value for name, value in self._environ.items() if name != "POSTGRES_PASSWORD"}
        command = [
            *("psql", "--set=ON_ERROR_STOP=1", "--no-password", "--no-psqlrc"),
            f"--username={self._user}",
            f"--dbname={self._database}",
        ]
        if reader is None:
            # By name: so psql tells file and line of an error, and finds what the file includes beside it.
            return self._program([*command, f"--file={path}"], environ)
        return self._unpacked(command, [*reader, path], environ)

    def _unpacked(self, command: Sequence[str], reader: Sequence[str], environ: Mapping[str, str]) -> int:
        """Feed SQL to psql as it is unpacked."""
        output, source_end = os.pipe()
        source = subprocess.Popen(
            reader, env=environ, stdout=source_end, stderr=self._output, start_new_session=True
        )
        os.close(source_end)
        try:
            status = self._program(command, environ, stdin=output)
            os.close(output)
            code = source.wait()
        except BaseException:
            kill_session(source)
            raise
        # psql may have had enough before the end of the file (\q); the reader cannot know that.
        return status or (0 if code == -signal.SIGPIPE else code)


def _failed(path: str, how: str) -> Refused:
    """The refusal that a script leads to."""
    return Refused(
        Fault(
            "script_failed",
            f"The init script {path} {how}. Nothing is left in the volume: correct the script and start again.",
        ),
        status=STATUS_FAILED,
    )


class Runner:
    """Runs the scripts against a temporary server that nobody else can reach.

    :param server: its command.
    :param environ: for the server; holds no secret.
    """

    def __init__(
        self,
        settings: Settings,
        pgdata: str,
        server: Sequence[str],
        environ: Mapping[str, str],
        log: Log,
    ) -> None:
        self._settings = settings
        self._pgdata = pgdata
        self._server = server
        self._environ = dict(environ)
        self._output = -1
        self._log = log
        # The health check looks elsewhere: no container is healthy before it is initialised.
        self._sockets = f"{DIRECTORY}/init"

    def run(self, paths: Sequence[str], user_environ: Mapping[str, str]) -> None:
        """Start the server, run all scripts in their order, stop the server.

        :raises Refused: when one fails.
        """
        with pumped(self._log.level) as self._output:
            self._run_all(paths, user_environ)

    def _run_all(self, paths: Sequence[str], user_environ: Mapping[str, str]) -> None:
        os.mkdir(self._sockets, 0o700)
        server = subprocess.Popen(
            [
                *self._server,
                *("-c", "listen_addresses="),
                *("-c", f"unix_socket_directories={self._sockets}"),
                *("-c", "logging_collector=off"),
                *("-c", "log_destination=stderr"),
            ],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )
        try:
            self._wait(server)
            environ = {
                **user_environ,
                **{name: self._environ[name] for name in self._environ if name.startswith(("LD_", "NSS_"))},
                "PGHOST": self._sockets,
                "PGDATA": self._pgdata,
            }
            scripts = Scripts(self._settings.user, self._settings.database, environ, self._output, self._log)
            for path in paths:
                scripts.run(path)
            # Smart first: the last client's backend may be a moment behind it. Then fast.
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(_LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                server.send_signal(signal.SIGINT)
            if server.wait() != 0:
                raise Refused(
                    Fault("initialise_failed", "The server for the init scripts did not stop well. Nothing is left."),
                    status=STATUS_FAILED,
                )
        except BaseException:
            # A backend is in no session of ours; they all end with their postmaster.
            server.send_signal(signal.SIGQUIT)
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                kill_session(server)
            raise

    def _wait(self, server: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and server.poll() is None:
            running = question.running(self._pgdata)
            if running is not None and running.ready:
                return
            time.sleep(0.01)
        raise Refused(
            Fault(
                "initialise_failed",
                "The server for the init scripts did not start; its reason is logged above. Nothing is left.",
            ),
            status=STATUS_FAILED,
        )
