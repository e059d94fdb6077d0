# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts: what /docker-entrypoint-initdb.d holds, run once against a server of their own."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Mapping, Sequence

from . import question
from .environment import Settings
from .faults import STATUS_FAILED, Fault, Refused
from .logs import Log
from .runtime import DIRECTORY, spawn

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
        reader, self._output = os.pipe()
        pump = spawn("log-pump", [self._log.level, "initdb.d"], {0: reader})
        os.close(reader)
        try:
            self._run_all(paths, user_environ)
        finally:
            os.close(self._output)
            os.waitpid(pump, 0)  # what was said is written before anything else is

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
                "PGUSER": self._settings.user,
                "PGDATA": self._pgdata,
                "POSTGRES_USER": self._settings.user,
                "POSTGRES_DB": self._settings.database,
            }
            environ.pop("PGHOSTADDR", None)
            for path in paths:
                self._script(path, environ)
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

    def _script(self, path: str, environ: Mapping[str, str]) -> None:
        suffix = next((suffix for suffix in (*_SQL, ".sh") if path.endswith(suffix)), None)
        if suffix is None or not os.path.isfile(path):
            self._log.info("script_ignored", f"{path} is ignored: it is none of .sh, {', '.join(_SQL)}.")
            return
        self._log.info("script", f"Running {path}.")
        if suffix == ".sh":
            # As in the official image: what is not executable is sourced by a shell.
            command = [path] if os.access(path, os.X_OK) else ["bash", "-e", "-c", '. "$0"', path]
            status = self._run(command, environ)
        else:
            status = self._sql([*_SQL[suffix], path], environ)
        if status:
            raise Refused(
                Fault(
                    "script_failed",
                    f"The init script {path} failed with exit code {status}; what it said is logged above. "
                    "Nothing is left in the volume: correct the script and start again.",
                ),
                status=STATUS_FAILED,
            )

    def _run(self, command: Sequence[str], environ: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> int:
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
            reader, env=self._environ, stdout=source_end, stderr=self._output, start_new_session=True
        )
        os.close(source_end)
        try:
            status = self._run(
                [
                    *("psql", "--set=ON_ERROR_STOP=1", "--no-password", "--no-psqlrc"),
                    f"--username={self._settings.user}",
                    f"--dbname={self._settings.database}",
                ],
                # SQL may read other variables of the user's; shell scripts see all of them.
                {name: value for name, value in environ.items() if name != "POSTGRES_PASSWORD"},
                stdin=output,
            )
            os.close(output)
            return status or source.wait()
        except BaseException:
            kill_session(source)
            raise
