# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts: what /docker-entrypoint-initdb.d holds, run once against a server of their own."""
from __future__ import annotations

import os
import signal
import subprocess
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
_SQL = {
    ".sql": ("cat",),
    ".sql.gz": ("gzip", "-dc"),
    ".sql.xz": ("xz", "-dc"),
    ".sql.zst": ("zstd", "-dc"),
}
# Until the temporary server answers; it recovers nothing, it just was made.
_START_SECONDS = 60.0
# For sessions that scripts have left open.
_LEAVE_SECONDS = 2.0


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
        os.close(writer)
        os.waitpid(pump, 0)  # what was said is written before anything else is


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
        environ = self._environ
        suffix = next((suffix for suffix in (*_SQL, ".sh") if path.endswith(suffix)), None)
        if suffix is None or not os.path.isfile(path):
            self._log.info("script_ignored", f"{path} is ignored: it is none of .sh, {', '.join(_SQL)}.")
            return
        self._log.info("script", f"Running {path}.")
        if suffix == ".sh":
            # As in the official image: what is not executable is sourced by a shell.
            command = [path] if os.access(path, os.X_OK) else ["bash", "-e", "-c", '. "$0"', path]
            status = self._program(command, environ)
        else:
            # SQL may read other variables of the user's; shell scripts see all of them.
            kept = {name: value for name, value in environ.items() if name != "POSTGRES_PASSWORD"}
            status = self._sql([*_SQL[suffix], path], kept)
        if status:
            raise Refused(
                Fault(
                    "script_failed",
                    f"The init script {path} failed with exit code {status}; what it said is logged above. "
                    "Nothing is left in the volume: correct the script and start again.",
                ),
                status=STATUS_FAILED,
            )

    def _program(self, command: Sequence[str], environ: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> int:
        process = subprocess.Popen(
            command, env=environ, stdin=stdin, stdout=self._output, stderr=self._output, start_new_session=True
        )
        try:
            return process.wait()
        except BaseException:
            kill_session(process)
            raise

    def _sql(self, reader: Sequence[str], environ: Mapping[str, str]) -> int:
        """Feed SQL to psql as it is unpacked."""
        output, source_end = os.pipe()
        source = subprocess.Popen(
            reader, env=environ, stdout=source_end, stderr=self._output, start_new_session=True
        )
        os.close(source_end)
        try:
            status = self._program(
                [
                    *("psql", "--set=ON_ERROR_STOP=1", "--no-password", "--no-psqlrc"),
                    f"--username={self._user}",
                    f"--dbname={self._database}",
                ],
                environ,
                stdin=output,
            )
            os.close(output)
            return status or source.wait()
        except BaseException:
            kill_session(source)
            raise


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
