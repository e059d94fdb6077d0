# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of the container: what is known, what may be in it, what is wrong with it. Pure."""
from __future__ import annotations

import re
import shlex
from types import MappingProxyType
from typing import Mapping, NamedTuple

from .faults import Fault
from .logs import LEVELS

CONFIG_PREFIX = "POSTGRESQL_CONFIG_"


class Variable(NamedTuple):
    """A variable of the container, as the documentation shows it.

    :param name: its name.
    :param values: what it may hold.
    :param default: what holds when it is not set.
    :param meaning: what it does.
    """

    name: str
    values: str
    default: str
    meaning: str


VARIABLES = (
    Variable(
        "POSTGRES_PASSWORD",
        "clear text, or a SCRAM-SHA-256 verifier",
        "none: no login over TCP",
        "The superuser's password. Applied on a start only if it is not the value that was applied last.",
    ),
    Variable("POSTGRES_USER", "1 to 63 bytes", "`postgres`", "The superuser. Counts when the cluster is made."),
    Variable(
        "POSTGRES_DB",
        "1 to 63 bytes",
        "the value of POSTGRES_USER",
        "A database to be created. Counts when the cluster is made.",
    ),
    Variable(
        "POSTGRES_INITDB_ARGS",
        "arguments, quoted as for a shell",
        "none",
        "More arguments for `initdb`. Counts when the cluster is made.",
    ),
    Variable(
        "POSTGRES_INITDB_WALDIR",
        "an absolute path",
        "inside PGDATA",
        "Where the write-ahead log is kept. Counts when the cluster is made. "
        "The container's user must be allowed to write there.",
    ),
    Variable(
        "POSTGRES_HOST_AUTH_METHOD",
        "an authentication method of pg_hba.conf",
        "`scram-sha-256`",
        "How clients on TCP log in. Counts when the cluster is made.",
    ),
    Variable("PGDATA", "an absolute path", "`/var/lib/postgresql/data/<major>`", "Where the cluster is kept."),
    Variable(
        "TIMEOUT_CHANGE_PASSWORD",
        "1 to 300 seconds",
        "`5`",
        "How long one attempt to change the password may take, from connecting to the commit.",
    ),
    Variable("LOG_LEVEL", "`DEBUG`, `INFO`, `WARN` or `ERROR`", "`INFO`", "How much is logged."),
    Variable(
        CONFIG_PREFIX + "<NAME>",
        "a value of that setting",
        "none",
        "A setting of PostgreSQL, with `__` for a dot. It holds as long as the variable is set.",
    ),
)

# By these the image finds its own way, or keeps its promise that every log line is JSON.
OWN_SETTINGS = frozenset(
    "config_file data_directory hba_file ident_file include include_dir include_if_exists log_destination "
    "log_directory log_file_mode log_filename log_rotation_age log_rotation_size log_truncate_on_rotation "
    "logging_collector".split()
)

_HOST_METHODS = frozenset(
    "trust reject scram-sha-256 md5 password gss sspi ident ldap radius cert pam bsd".split()
)
# Written by ourselves, or decided by other variables.
_INITDB_OWN = re.compile(r"-[DUWX]|--(pgdata|username|pwfile|pwprompt|waldir|xlogdir)(=|$)")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?")
_NAME_BYTES = 63

_HOST_METHOD = "scram-sha-256"
_TIMEOUT_CHANGE_PASSWORD = 5
_LOG_LEVEL = "INFO"


class Settings(NamedTuple):
    """The environment, understood.

    :param password: clear text or a well-formed verifier; None when not set.
    :param password_is_verifier: which of the two.
    :param pgdata: None when not set.
    :param timeout_change_password: in seconds.
    :param config: settings of PostgreSQL by name.
    """

    user: str = "postgres"
    database: str = "postgres"
    password: str | None = None
    password_is_verifier: bool = False
    initdb_args: tuple[str, ...] = ()
    waldir: str | None = None
    host_auth_method: str = _HOST_METHOD
    pgdata: str | None = None
    timeout_change_password: int = _TIMEOUT_CHANGE_PASSWORD
    log_level: str = _LOG_LEVEL
    config: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        """Without the password: it is shown in tracebacks."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "password")
        return f"Settings({', '.join(shown)})"


class Reading(NamedTuple):
    """What came of reading the environment.

    :param settings: to be used only if there are no faults.
    :param faults: what cannot work, in the order of the variables.
    :param warnings: what works, but is likely not what was meant.
    """

    settings: Settings
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def read(environ: Mapping[str, str]) -> Reading:
    """Understand the whole environment, and collect all that is wrong with it."""
    reader = _Reader(environ)
    settings = reader.settings()
    return Reading(settings, tuple(reader.faults), tuple(reader.warnings))


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def _fault(self, message: str) -> None:
        self.faults.append(Fault("environment", message))

    def _warn(self, event: str, message: str) -> None:
        self.warnings.append(Fault(event, message))

    def settings(self) -> Settings:
        self._refuse_files()
        user = self._role("POSTGRES_USER", "postgres")
        password, is_verifier = self._password()
        return Settings(
            user=user,
            database=self._name("POSTGRES_DB", user),
            password=password,
            password_is_verifier=is_verifier,
            initdb_args=self._initdb_args(),
            waldir=self._path("POSTGRES_INITDB_WALDIR"),
            host_auth_method=self._host_auth_method(),
            pgdata=self._path("PGDATA"),
            timeout_change_password=self._timeout(),
            log_level=self._log_level(),
            config=self._config(),
        )

    def _refuse_files(self) -> None:
        for variable in VARIABLES:
            name = variable.name + "_FILE"
            if name in self._environ:
                self._fault(
                    f"{name} is not supported: this image takes secrets from the environment only. "
                    f"Remove {name} and set {variable.name}."
                )

    def _name(self, variable: str, default: str) -> str:
        value = self._environ.get(variable)
        if not value:
            return default
        raw = value.encode("utf-8", "surrogateescape")
        if len(raw) > _NAME_BYTES:
            self._fault(f"{variable} has {len(raw)} bytes; a name in PostgreSQL has at most {_NAME_BYTES}. Shorten it.")
        if any(byte < 32 for byte in raw):
            self._fault(f"{variable} holds a control character, such as an end of line. Remove it.")
        return value

    def _role(self, variable: str, default: str) -> str:
        value = self._name(variable, default)
        if value.startswith("pg_"):
            self._fault(f"{variable} is {value!r}, but PostgreSQL keeps names that begin with pg_. Choose another.")
        if value.startswith("/"):
            self._fault(f"{variable} begins with a slash, which pg_ident.conf takes for a pattern. Choose another.")
        return value

    def _password(self) -> tuple[str | None, bool]:
        value = self._environ.get("POSTGRES_PASSWORD")
        if value is None:
            return None, False
        if not value:
            self._fault(
                "POSTGRES_PASSWORD is set but empty, and PostgreSQL has no empty passwords. "
                "Give it a value, or remove it to run without logins over TCP."
            )
            return None, False
        if value.startswith("SCRAM-SHA-256$"):
            from .._postgres.scram import Verifier

            if Verifier.parse(value) is None:
                self._fault(
                    "POSTGRES_PASSWORD begins with SCRAM-SHA-256$ but is not a well-formed verifier: it may have been "
                    "cut, or lost its $ signs to a shell or to Compose (write $$ there). Give the whole verifier, or "
                    "a password that does not begin like one."
                )
            return value, True
        if value.endswith("\n"):
            self._warn(
                "password_newline",
                "POSTGRES_PASSWORD ends with a newline, which is part of the password; was it meant to be?",
            )
        elif value != value.strip():
            self._warn("password_blank", "POSTGRES_PASSWORD begins or ends with a blank, which is part of it.")
        return value, False

    def _initdb_args(self) -> tuple[str, ...]:
        try:
            arguments = tuple(shlex.split(self._environ.get("POSTGRES_INITDB_ARGS", "")))
        except ValueError as error:
            self._fault(f"POSTGRES_INITDB_ARGS is not quoted as for a shell: {error}. Correct the quotes.")
            return ()
        for argument in arguments:
            if _INITDB_OWN.match(argument):
                self._fault(
                    f"POSTGRES_INITDB_ARGS has {argument.split('=')[0]}, which this image decides. "
                    "Remove it; use PGDATA, POSTGRES_USER, POSTGRES_PASSWORD or POSTGRES_INITDB_WALDIR."
                )
        return arguments

    def _path(self, variable: str) -> str | None:
        value = self._environ.get(variable)
        if not value:
            return None
        if not value.startswith("/") or "\n" in value:
            self._fault(f"{variable} is {value!r}, but must be an absolute path in one line.")
        return "/" + value.strip("/")

    def _host_auth_method(self) -> str:
        value = self._environ.get("POSTGRES_HOST_AUTH_METHOD") or _HOST_METHOD
        method = (value.split() or [""])[0]
        if method not in _HOST_METHODS or "\n" in value:
            self._fault(
                f"POSTGRES_HOST_AUTH_METHOD is {value!r}, but must begin with one of "
                f"{', '.join(sorted(_HOST_METHODS))}."
            )
        if method == "trust":
            self._warn(
                "trust",
                "POSTGRES_HOST_AUTH_METHOD is trust: whoever reaches the port is superuser without a password.",
            )
        return value

    def _timeout(self) -> int:
        value = self._environ.get("TIMEOUT_CHANGE_PASSWORD") or str(_TIMEOUT_CHANGE_PASSWORD)
        if not re.fullmatch("[0-9]{1,4}", value, re.ASCII) or not 1 <= int(value) <= 300:
            self._fault(f"TIMEOUT_CHANGE_PASSWORD is {value!r}, but must be a whole number of seconds from 1 to 300.")
            return _TIMEOUT_CHANGE_PASSWORD
        return int(value)

    def _log_level(self) -> str:
        value = self._environ.get("LOG_LEVEL") or _LOG_LEVEL
        if value.upper() not in LEVELS:
            self._fault(f"LOG_LEVEL is {value!r}, but must be one of {', '.join(LEVELS)}.")
            return _LOG_LEVEL
        return value.upper()

    def _config(self) -> dict[str, str]:
        config: dict[str, str] = {}
        for variable in sorted(self._environ):
            if not variable.startswith(CONFIG_PREFIX):
                continue
            name = variable[len(CONFIG_PREFIX) :].replace("__", ".").lower()
            if not _SETTING.fullmatch(name):
                self._fault(f"{variable} does not name a setting of PostgreSQL. Write {CONFIG_PREFIX}WORK_MEM, say.")
            elif name in OWN_SETTINGS:
                self._fault(f"{variable} sets {name}, which this image decides. Remove it.")
            else:
                config[name] = self._environ[variable]
        return config
