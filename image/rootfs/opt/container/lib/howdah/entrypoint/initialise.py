# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a new cluster under the journal: complete, with its password, or not at all."""
from __future__ import annotations

import os
import re
import subprocess
from typing import Mapping, Sequence

from . import config, journal, record, scripts
from .environment import Settings
from .faults import STATUS_FAILED, Fault, Refused
from .layout import Layout
from .logs import Log

_PLAIN_USER = "postgres"
_NO_SYNC = "--no-sync"
_ASKED_NOT_TO_SYNC = frozenset((_NO_SYNC, "-N"))
# Older ones do not tell when a file system could not write all that it was asked to.
_KERNEL_THAT_TELLS = (5, 8)


class Initialiser:
    """One attempt to make a cluster.

    :param settings: the environment.
    :param layout: where to.
    :param major: of the server.
    :param environ: for the programs that are run; holds no secret.
    :param lock_held: what :func:`journal.lock` returned.
    """

    def __init__(
        self, settings: Settings, layout: Layout, major: str, environ: Mapping[str, str], log: Log, lock_held: int
    ) -> None:
        self._settings = settings
        self._layout = layout
        self._major = major
        self._bin = f"/usr/lib/postgresql/{major}/bin"
        self._environ = dict(environ)
        self._log = log
        self._lock_held = lock_held
        # initdb waits for the disk file by file, a thousand times; once for the file system is ten times as fast.
        self._asked_not_to = not _ASKED_NOT_TO_SYNC.isdisjoint(settings.initdb_args)
        self._at_once = not self._asked_not_to and kernel(os.uname().release) >= _KERNEL_THAT_TELLS
        self._each = not self._asked_not_to and not self._at_once

    def run(self, user_environ: Mapping[str, str], server: Sequence[str]) -> None:
        """Make the cluster.

        :param user_environ: what init scripts see.
        :param server: the command of the server that init scripts need.
        :raises Refused: when something fails; nothing is left behind then.
        """
        settings, layout = self._settings, self._layout
        self._log.info("initialise", f"Making a new cluster of PostgreSQL {self._major} in {layout.pgdata}.")
        if settings.password is None:
            self._log.warn(
                "no_password",
                "POSTGRES_PASSWORD is not set: nobody can log in over TCP until a password is set. "
                "Inside the container, `psql` works without one.",
            )
        pending = scripts.find()
        try:
            journal.write(layout, settings.waldir, moving=False)
            verifier = self._initdb()
            self._configure(verifier)
            if layout.staged:
                self._move()
            if self._bootstrap_user() != settings.user:
                self._rename_user()
            if settings.database not in config.BUILT_IN:
                self._create_database()
            if pending:
                runner = scripts.Runner(settings, layout.pgdata, server, self._environ, self._log)
                runner.run(pending, user_environ)
            self._sync()
        except BaseException:
            journal.clean(layout)
            raise
        journal.remove(layout)
        self._log.info("initialised", "The cluster is complete.")

    def _initdb(self) -> str | None:
        """Make the cluster; the verifier of its superuser."""
        settings = self._settings
        arguments = [
            f"{self._bin}/initdb",
            f"--pgdata={self._layout.build}",
            f"--username={self._bootstrap_user()}",
            "--auth-local=peer",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            *self._locale(),
            "--data-checksums",
            "--no-instructions",
            "--no-clean",  # the journal's task
        ]
        if self._at_once:
            arguments.append(_NO_SYNC)
        if settings.waldir:
            arguments.append(f"--waldir={settings.waldir}")
        verifier = None
        pipes: tuple[int, ...] = ()
        if settings.password is not None:
            verifier = self._verifier(settings.password)
            # The server stores a verifier as it is: clear text reaches neither SQL nor a file.
            reader, writer = os.pipe()
            os.write(writer, verifier.encode("ascii") + b"\n")
            os.close(writer)
            pipes = (reader,)
            arguments.append(f"--pwfile=/dev/fd/{reader}")
        self._program([*arguments, *settings.initdb_args], pipes)
        return verifier

    def _bootstrap_user(self) -> str:
        """The superuser as initdb makes it: it puts a name between double quotes as it is."""
        user = self._settings.user
        return _PLAIN_USER if '"' in user else user

    def _verifier(self, password: str) -> str:
        if self._settings.password_is_verifier:
            return password
        from .._postgres.scram import Verifier

        return str(Verifier.derive(password))

    def _locale(self) -> list[str]:
        if any(argument.startswith(config.LOCALE_ARGUMENTS) for argument in self._settings.initdb_args):
            return []
        # Strings compare as bytes do, in every release of the C library: no index is ever corrupted by a new image.
        if int(self._major) >= 17:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
        return ["--locale=C.UTF-8"]

    def _configure(self, verifier: str | None) -> None:
        directory = self._layout.build
        hba = config.pg_hba(self._settings.host_auth_method)
        journal.write_file(f"{directory}/pg_hba.conf", hba.encode("utf-8", "surrogateescape"), self._each)
        ident = config.pg_ident(self._settings.user)
        journal.write_file(f"{directory}/pg_ident.conf", ident.encode("utf-8", "surrogateescape"), self._each)
        record.write(directory, record.Record(self._settings.user, verifier), self._each)

    def _move(self) -> None:
        """From the staging directory into the mount; PG_VERSION, by which a cluster is known, last."""
        layout = self._layout
        names = sorted(os.listdir(layout.build), key=lambda name: name == "PG_VERSION")
        journal.write(layout, self._settings.waldir, moving=True)
        os.chmod(layout.pgdata, 0o700)
        for name in names:
            os.rename(f"{layout.build}/{name}", f"{layout.pgdata}/{name}")
        os.rmdir(layout.build)
        journal.sync(layout.pgdata)

    def _sync(self) -> None:
        """Wait until the disk has everything: the journal, which says that it may not, goes next."""
        # Already true, as the journal is still there: nobody runs a server on this cluster before it has gone.
        journal.mark_served(self._layout, self._lock_held, durable=self._each)
        if self._at_once:
            for directory in filter(None, (self._layout.pgdata, self._settings.waldir)):
                self._program(["/usr/bin/sync", "--file-system", directory])

    def _rename_user(self) -> None:
        name = self._settings.user
        self._single(
            [
                # A session cannot rename its own user.
                "CREATE ROLE howdah_rename SUPERUSER",
                "SET SESSION AUTHORIZATION howdah_rename",
                f"ALTER ROLE {_PLAIN_USER} RENAME TO {_identifier(name)}",
                f"SET SESSION AUTHORIZATION {_identifier(name)}",
                "DROP ROLE howdah_rename",
            ],
            f"FROM pg_catalog.pg_authid HAVING max(oid) < 16384 AND bool_or(rolname = {_literal(name)})",
            "The superuser did not get its name",
        )

    def _create_database(self) -> None:
        name = self._settings.database
        self._single(
            [f"CREATE DATABASE {_identifier(name)}"],
            f"FROM pg_catalog.pg_database WHERE datname = {_literal(name)}",
            "The database POSTGRES_DB was not created",
        )

    def _single(self, statements: Sequence[str], proof: str, failure: str) -> None:
        """Run statements without starting a server: a single backend takes a tenth of the time.

        :param proof: the rest of a query that finds something if they have worked.
        :param failure: what to say if not.
        """
        # With -j a statement ends at a semicolon before an empty line. The exit code is 0 come what may: ask.
        text = ";\n\n".join([*statements, f"SELECT 'done' AS answer {proof}", ""])
        output = self._program(
            [f"{self._bin}/postgres", "--single", "-j", "-D", self._layout.pgdata, "template1"],
            stdin=text.encode("utf-8", "surrogateescape"),
        )
        if 'answer = "done"' not in output:
            raise _failed(failure, output)

    def _program(self, arguments: list[str], pipes: tuple[int, ...] = (), stdin: bytes = b"") -> str:
        """Run a program to its end, and return what it printed.

        A signal that stops the container raises an exception in here: nothing of the program's
        processes stays then.
        """
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environ,
            pass_fds=pipes,
            start_new_session=True,
        )
        try:
            output = process.communicate(stdin)[0].decode("utf-8", "replace")
        except BaseException:
            scripts.kill_session(process)
            raise
        finally:
            for pipe in pipes:
                os.close(pipe)
        # A failing statement is quoted, and may hold a verifier.
        output = "\n".join(line for line in output.splitlines() if line.strip() and "SCRAM-SHA-256$" not in line)
        name = os.path.basename(arguments[0])
        for line in output.splitlines():
            self._log.write("DEBUG", "output", line, component=name)
        if process.returncode:
            raise _failed(f"{name} failed with exit code {process.returncode}", output)
        return output


def kernel(release: str) -> tuple[int, int]:
    """Major and minor version in a kernel's name for itself; zeros for one that has none. Pure."""
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _identifier(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'"{quoted}"'


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")  # standard_conforming_strings is on: a backslash is a backslash
    return f"'{quoted}'"


def _failed(what: str, output: str) -> Refused:
    """A refusal that tells what the program said of the cause."""
    lines = [line.strip() for line in output.splitlines()]
    words = ("error", "fatal", "panic", "could not", "invalid", "unrecognized", "no space", "cannot")
    telling = [line for line in lines if any(word in line.lower() for word in words)]
    said = " / ".join(telling[:3]) or " / ".join(line for line in lines[-3:] if line)
    return Refused(
        Fault("initialise_failed", f"{what}: {said}. Nothing is left in the volume: correct the cause, start again."),
        status=STATUS_FAILED,
    )
