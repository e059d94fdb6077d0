# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that tell PostgreSQL how to behave. Pure.

The server reads a file that is made anew on every start and is no part of the cluster. In the
order of increasing strength: our defaults, the cluster's own postgresql.conf, the variables
POSTGRESQL_CONFIG_…. ALTER SYSTEM is stronger than any file, and the command line stronger still: there
stands what the image decides.
"""
from __future__ import annotations

from typing import Iterable, Mapping

# LOG_LEVEL → log_min_messages. PostgreSQL ranks LOG above ERROR: its news pass all of these.
MIN_MESSAGES = {"DEBUG": "debug1", "INFO": "warning", "WARN": "warning", "ERROR": "error"}

# In the container peer tells who somebody is; this map tells which role that may be.
IDENT_MAP = "howdah"
OS_USER = "postgres"

# The user's arguments of initdb that take the place of our locale.
LOCALE_ARGUMENTS = ("--locale", "--no-locale", "--lc-", "--icu-", "--builtin-")

# The databases of every cluster.
BUILT_IN = frozenset(("postgres", "template0", "template1"))

RAW_LOG = "postgresql.log"
JSON_LOG = "postgresql.json"


def hides_news(level: str) -> bool:
    """Whether a LOG_LEVEL hides the server's messages of the severity LOG, which the server itself cannot hide."""
    return level in ("WARN", "ERROR")


def quote(value: str) -> str:
    """A value as postgresql.conf wants it."""
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def preload(installed: Iterable[str], wanted: str | None) -> str:
    """The value of shared_preload_libraries: Citus must come first, statistics next, the user's then.

    :param installed: names of the libraries that the image has.
    :param wanted: the user's list, if any.
    """
    have = set(installed)
    asked = [part.strip().strip('"') for part in (wanted or "").split(",")]
    names = ["citus"] if "citus" in have or "citus" in asked else []
    names += ["pg_stat_monitor"] if "pg_stat_monitor" in have else ["pg_stat_statements"]
    for name in asked:
        if name and name not in names:
            names.append(name)
    return ",".join(names)


def server_conf(
    *,
    include: str | None,
    config: Mapping[str, str],
    libraries: Iterable[str],
    level: str,
) -> str:
    """The configuration file of the server.

    :param include: the cluster's own configuration file; None while there is no cluster.
    :param config: the user's settings by name.
    :param libraries: names of the libraries that the image has.
    :param level: LOG_LEVEL.
    """
    installed = tuple(libraries)
    lines = [
        "# Made anew on every start: changes are lost. Use POSTGRESQL_CONFIG_… or ALTER SYSTEM.",
        "listen_addresses = '*'",
        f"log_min_messages = {MIN_MESSAGES[level]}",
        f"shared_preload_libraries = {quote(preload(installed, None))}",
    ]
    if "pg_stat_monitor" in installed:
        # By default it keeps the text of ALTER ROLE … PASSWORD, and literals, for all to read.
        lines += ["pg_stat_monitor.pgsm_track_utility = off", "pg_stat_monitor.pgsm_normalized_query = on"]
    if include is not None:
        lines.append(f"include {quote(include)}")
    lines += [
        f"{name} = {quote(preload(installed, value) if name == 'shared_preload_libraries' else value)}"
        for name, value in sorted(config.items())
    ]
    return "\n".join(lines) + "\n"


def logging_settings(log_directory: str) -> dict[str, str]:
    """The settings by which each message of the server becomes a line of JSON on the container's log.

    With others, ``csvlog`` for example, the server would fill the tmpfs of its sockets, which is memory.

    :param log_directory: where the logging collector opens its files.
    """
    return {
        "log_destination": "jsonlog",
        "logging_collector": "on",
        "log_directory": log_directory,
        "log_filename": RAW_LOG,
        "log_file_mode": "0600",
        "log_rotation_age": "0",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "off",
    }


def words(settings: Mapping[str, str]) -> list[str]:
    """Settings as arguments of the server. The last one of a name counts."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def pg_hba(method: str) -> str:
    """Who may log in: over the socket those whom pg_ident.conf knows, over TCP by the given method."""
    return (
        "# TYPE  DATABASE     USER  ADDRESS  METHOD\n"
        f"local   all          all            peer map={IDENT_MAP}\n"
        f"local   replication  all            peer map={IDENT_MAP}\n"
        f"host    all          all   all      {method}\n"
    )


def pg_ident(user: str) -> str:
    """The container's user is the superuser, whatever the latter's name."""
    role = user.replace('"', '""')
    return f'# MAPNAME  SYSTEM-USERNAME  PG-USERNAME\n{IDENT_MAP}     {OS_USER}         "{role}"\n'
