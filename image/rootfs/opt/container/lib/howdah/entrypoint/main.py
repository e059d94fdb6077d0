# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's first process: from the environment to an init over PostgreSQL."""
from __future__ import annotations

import json
import os
import signal
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Callable, Mapping, NoReturn, Sequence

from . import command, config, environment, journal, layout, run_state, runtime
from .faults import STATUS_FAILED, Fault, Refused, Stopped
from .logs import Log, tell_of_crashes

if TYPE_CHECKING:
    from .patroni_node import Member

_FOLLOW_UP_AFTER = "0.2"  # seconds
_SMALL_SHM = 256 * 1024 * 1024


def main(arguments: list[str]) -> int:
    """Start what the container is for. Returns only when that cannot be."""
    tell_of_crashes("entrypoint")
    environ = dict(os.environ)
    log = Log()
    try:
        asked = command.parse(arguments)
        if asked.mode is None:
            _foreign(asked.arguments)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
        _Start(environ, asked, log).run()
    except Refused as refusal:
        for fault in refusal.faults:
            log.error(fault.event, fault.message)
        return refusal.status
    except Stopped as stop:
        log.info("stopped", "Stopped before the server ran; nothing half-made is left.")
        return 128 + stop.signal_number
    except OSError as error:
        log.error("failed", f"The container cannot start: {error.strerror}: {error.filename}.")
        return STATUS_FAILED


def _foreign(words: Sequence[str]) -> NoReturn:
    """Become any other command, untouched and in silence."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and the command would inherit that
    try:
        os.execvp(words[0], list(words))
    except OSError as error:
        status = 127 if isinstance(error, FileNotFoundError) else 126
        raise Refused(
            Fault("command", f"The command {words[0]!r} cannot be run: {error.strerror}."), status=status
        ) from error


def _stop(number: int, _frame: FrameType | None) -> None:
    for later in (signal.SIGTERM, signal.SIGINT):
        signal.signal(later, signal.SIG_IGN)  # cleaning up is not interrupted
    raise Stopped(number)


class _Start:
    """The start of one container."""

    def __init__(self, environ: Mapping[str, str], asked: command.Command, log: Log) -> None:
        self._environ = environ
        self._asked = asked
        self._log = log
        self._major = environ.get("PG_MAJOR", "")

    def run(self) -> NoReturn:
        """Check, initialise, and become the init."""
        reading = environment.read(self._environ)
        self._settings = reading.settings
        self._config = {**reading.settings.config, **self._asked.settings}
        self._log.level = reading.settings.log_level
        self._member: Member | None = None
        if self._asked.mode == "patroni":
            from . import patroni_node

            self._member = patroni_node.read(self._environ, reading.settings)
        for warning in (*reading.warnings, *(self._member.warnings if self._member else ())):
            self._log.warn(warning.event, warning.message)
        for name in self._asked.overruled:
            self._log.warn("overruled", f"The command sets {name}, which this image decides: that is left out.")
        pgdata = self._check((*reading.faults, *(self._member.faults if self._member else ())))
        self._layout = layout.place(pgdata)
        # Inherited by all that runs from here on: held until the container has gone.
        self._lock = journal.lock(self._layout)
        names = runtime.name_lookup()
        if self._member is not None and self._member.citus and self._member.tls:
            names.update(runtime.own_certificate(self._member.tls))
        self._child_environ = runtime.child_environment(self._environ, {**names, "PGDATA": pgdata})
        if self._asked.mode == "maintenance":
            self._maintain()
        if self._member is not None:
            self._serve_patroni(self._member)
        self._serve()

    def _check(self, faults: Sequence[Fault]) -> str:
        """Collect all that cannot work; the directory of the cluster if all can."""
        found = list(faults)
        if os.geteuid() == 0:
            found.append(
                Fault("root", "PostgreSQL does not run as root. Remove --user from the container, or give another.")
            )
        else:
            # As root this would leave files that the right user cannot remove.
            found += _faults_of(partial(runtime.prepare, config.hides_news(self._settings.log_level)))
        pgdata = ""
        try:
            pgdata = layout.choose(layout.observe(self._settings.pgdata, self._major))
        except Refused as refusal:
            found += refusal.faults
        found += _missing_libraries(self._config, self._major)
        if self._member is not None and self._member.citus and "citus" not in runtime.libraries(self._major):
            found.append(
                Fault("no_library", "This is to be a node of Citus, which this image does not have: build one with it.")
            )
        if found:
            raise Refused(*found)
        return pgdata

    def _maintain(self) -> NoReturn:
        run_state.write(run_state.State("maintenance", self._layout.pgdata, self._settings.user))
        self._log.info("maintenance", "No server is started; the volume is locked for this container.")
        self._exec_init(["/usr/bin/sleep", "infinity"])

    def _serve_patroni(self, member: Member) -> NoReturn:
        from . import patroni_start

        place = self._layout
        layout.check_restored(place)
        journal.settle(place, self._log)
        if layout.is_cluster(place.pgdata):
            layout.check_cluster(place.pgdata)
            runtime.forget_dead_server(place.pgdata, ours=journal.has_served(self._lock))
            again = False
        else:
            layout.check_removable(place)
            layout.check_empty(place, None)
            again = journal.attempted(place)
        journal.note_attempt(place, not layout.is_cluster(place.pgdata))
        journal.mark_served(place, self._lock)
        self._warn_small_shm()
        words = patroni_start.prepare(self._settings, member, place, self._major, again, self._log)
        self._serve_backups()
        # Patroni's SIGTERM is the orderly one.
        self._exec_init(words, rewrite=f"{int(signal.SIGINT)}:{int(signal.SIGTERM)}")

    def _serve(self) -> NoReturn:
        settings, place = self._settings, self._layout
        layout.check_restored(place)
        journal.settle(place, self._log)
        fresh = not layout.is_cluster(place.pgdata)
        if fresh:
            layout.check_empty(place, settings.waldir)
        else:
            layout.check_cluster(place.pgdata)
            runtime.forget_dead_server(place.pgdata, ours=journal.has_served(self._lock))
        self._check_settings(fresh)
        self._write_conf(include=f"{place.pgdata}/postgresql.conf")
        if fresh:
            from .initialise import Initialiser

            maker = Initialiser(settings, place, self._major, self._child_environ, self._log, self._lock)
            maker.run(self._environ, self._server(place.pgdata))
        else:
            self._follow_up()
        journal.mark_served(place, self._lock)
        self._warn_small_shm()
        run_state.write(run_state.State("postgres", place.pgdata, settings.user))
        self._log.info("start", f"Starting PostgreSQL {self._major} on {place.pgdata}.")
        sieve = f"{runtime.LOGS}/{config.JSON_LOG}" if config.hides_news(settings.log_level) else ""
        pump = [
            *(f"{runtime.BIN}/log-pump", settings.log_level, "postgres", f"{runtime.LOGS}/{config.RAW_LOG}", sieve),
        ]
        self._serve_backups()
        self._exec_init([*pump, *self._server(place.pgdata)])

    def _serve_backups(self) -> None:
        """Let the repository's container in, where there is one."""
        if self._environ.get("PGBACKREST_TLS_SERVER_ADDRESS"):
            runtime.spawn("backup", ["server"], {}, {"LOG_LEVEL": self._settings.log_level})

    def _server(self, pgdata: str) -> list[str]:
        """The command of the server."""
        server = f"/usr/lib/postgresql/{self._major}/bin/postgres"
        insisted = config.words(config.logging_settings(runtime.LOGS))
        return [server, "-D", pgdata, "-c", f"config_file={runtime.CONF}", *self._asked.arguments, *insisted]

    def _write_conf(self, include: str | None, without: Sequence[str] = ()) -> None:
        text = config.server_conf(
            include=self._asked.config_file or include,
            config={name: value for name, value in self._config.items() if name not in without},
            libraries=runtime.libraries(self._major),
            level=self._settings.log_level,
        )
        with open(runtime.CONF, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    def _check_settings(self, fresh: bool) -> None:
        """Have the server read the user's settings, so that a mistake is one clear line."""
        if not (self._config or self._asked.arguments or self._asked.config_file):
            return
        from .settings_check import check

        pgdata = run_state.DIRECTORY if fresh else self._layout.pgdata
        include = None if fresh else f"{pgdata}/postgresql.conf"
        check(self._server(pgdata), runtime.CONF, partial(self._write_conf, include), self._child_environ)

    def _follow_up(self) -> None:
        """Leave to another process what takes a server that runs, or time that the start need not wait for."""
        settings, pgdata = self._settings, self._layout.pgdata
        request = {
            "pgdata": pgdata,
            "role": settings.user,
            "password": settings.password,
            "password_is_verifier": settings.password_is_verifier,
            "timeout": settings.timeout_change_password,
            "level": settings.log_level,
        }
        reader, writer = os.pipe()
        os.write(writer, json.dumps(request).encode("ascii") + b"\n")
        os.close(writer)
        runtime.spawn("follow-up", [_FOLLOW_UP_AFTER], {0: reader})
        os.close(reader)

    def _warn_small_shm(self) -> None:
        try:
            status = os.statvfs("/dev/shm")
        except OSError:
            return  # without one the server says what it needs
        size = status.f_frsize * status.f_blocks
        if size < _SMALL_SHM:
            self._log.warn(
                "small_shm",
                f"/dev/shm has {size >> 20} MiB, and parallel queries may need more. Run the container with "
                "--shm-size 256m.",
            )

    def _exec_init(self, words: list[str], rewrite: str = "15:2") -> NoReturn:
        """Become an init over a program: it reaps orphans, and turns SIGTERM into the server's fast stop.

        :param rewrite: or another signal into another one.
        """
        # A signal that comes now stays pending until the init waits for it.
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        os.execve(
            runtime.INIT,
            ["dumb-init", "--single-child", "--rewrite", rewrite, "--", *words],
            self._child_environ,
        )


def _faults_of(step: Callable[[], object]) -> list[Fault]:
    try:
        step()
    except Refused as refusal:
        return list(refusal.faults)
    return []


def _missing_libraries(settings: Mapping[str, str], major: str) -> list[Fault]:
    """Libraries that the server would miss, and not start without."""
    wanted = settings.get("shared_preload_libraries", "")
    have = runtime.libraries(major)
    return [
        Fault(
            "no_library",
            f"shared_preload_libraries ({environment.CONFIG_PREFIX}SHARED_PRELOAD_LIBRARIES) names {name!r}, which "
            "this image does not have. Remove it, or build an image with its package.",
        )
        for name in (part.strip().strip('"') for part in wanted.split(","))
        if name and "/" not in name and name not in have
    ]
