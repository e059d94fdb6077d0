# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's own folder for files of this run, and the processes that start from here."""
from __future__ import annotations

import os
import re
import signal
from types import MappingProxyType
from typing import Mapping

from .config import JSON_LOG, OS_USER, RAW_LOG
from .environment import CONFIG_PREFIX, VARIABLES
from .faults import Fault, Refused
from .run_state import DIRECTORY, SOCKETS

CONF = f"{DIRECTORY}/postgresql.conf"
LOGS = f"{DIRECTORY}/log"
# What the image insists on, for bin/server: the arguments of Patroni's server, one a line.
ARGUMENTS = f"{DIRECTORY}/server-arguments"
# What whoever makes a cluster with Patroni must still do; gone once it is done.
BOOTSTRAP = f"{DIRECTORY}/bootstrap.json"

BIN = "/opt/container/bin"
INIT = "/usr/bin/dumb-init"

# libpq's variables have no underscore (PGHOST, PGPASSWORD …); PGBACKREST_…, which may hold keys for
# archive_command, must reach the server.
_LIBPQ = re.compile(r"PG[A-Z]+")
_OWN = frozenset(variable.name for variable in VARIABLES) - {"PGDATA"}


def prepare(sieved: bool) -> None:
    """Make the folder, empty.

    :param sieved: whether the server's JSON is to pass through the log pump.
    :raises Refused: when it cannot be made.
    """
    try:
        remove_tree(DIRECTORY)
        os.mkdir(DIRECTORY, 0o700)
        os.mkdir(LOGS, 0o700)
        # The collector's plain file holds what children of the server print: the log pump reads it.
        os.mkfifo(f"{LOGS}/{RAW_LOG}", 0o600)
        if sieved:
            os.mkfifo(f"{LOGS}/{JSON_LOG}", 0o600)
        else:
            # Straight to the container's standard output. This process becomes the init; with --pid=host its
            # number is not 1.
            os.symlink(f"/proc/{os.getpid()}/fd/1", f"{LOGS}/{JSON_LOG}")
    except OSError as error:
        raise Refused(
            Fault(
                "run_unusable",
                f"{SOCKETS} cannot be written ({error.strerror}). With a read-only root file system, add "
                f"--tmpfs {SOCKETS} and --tmpfs /tmp.",
            )
        ) from error


def remove_tree(directory: str) -> None:
    """Remove a directory and all in it; shutil would cost the start some milliseconds."""
    for parent, directories, files in os.walk(directory, topdown=False):
        for name in files:
            os.unlink(f"{parent}/{name}")
        for name in directories:
            path = f"{parent}/{name}"
            if os.path.islink(path):
                os.unlink(path)
            else:
                os.rmdir(path)
    if os.path.isdir(directory):
        os.rmdir(directory)


def child_environment(environ: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """The environment of the server: no secret of ours, nothing that redirects libpq. Pure.

    :param names: what to add, such as the variables of nss_wrapper.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _OWN
        and not name.startswith(CONFIG_PREFIX)
        and (name == "PGDATA" or not _LIBPQ.fullmatch(name))
    }
    return {**kept, **names}


def own_certificate(tls: str) -> dict[str, str]:
    """The variables by which what the server connects to gets to see the node's certificate.

    Citus logs in to other nodes as whatever role has asked, and can be told of a certificate for each single one only.
    Whoever may have the server connect elsewhere otherwise (dblink, postgres_fdw) needs a password for it.
    """
    return {"PGSSLCERT": f"{tls}/node.crt", "PGSSLKEY": f"{tls}/node.key"}


def name_lookup() -> dict[str, str]:
    """The variables under which programs find a name for our user, whatever its number.

    Peer authentication asks for the name of the client's user, and initdb for its own.
    """
    user = os.geteuid()
    try:
        with open("/etc/passwd", encoding="utf-8") as file:
            for line in file:
                name, _password, number = line.split(":")[:3]
                if number == str(user) and name == OS_USER:
                    return {}
    except OSError:
        pass  # an unreadable list of users has no name for us either
    with open(f"{DIRECTORY}/passwd", "w", encoding="ascii") as file:
        file.write(f"{OS_USER}:x:{user}:{os.getegid()}::/var/lib/postgresql:/bin/bash\n")
    with open(f"{DIRECTORY}/group", "w", encoding="ascii") as file:
        file.write(f"{OS_USER}:x:{os.getegid()}:\n")
    return {
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_PASSWD": f"{DIRECTORY}/passwd",
        "NSS_WRAPPER_GROUP": f"{DIRECTORY}/group",
    }


def spawn(
    program: str,
    arguments: list[str],
    descriptors: Mapping[int, int],
    environ: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Start a program of ours that outlives this one, as a child of the init.

    :param descriptors: what it gets: number there → number here.
    :param environ: all that it gets of an environment, beside PATH and LANG.
    :returns: its process id.
    """
    actions = [(os.POSIX_SPAWN_DUP2, here, there) for there, here in descriptors.items()]
    path = f"{BIN}/{program}"
    return os.posix_spawn(
        path,
        [path, *arguments],
        {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environ},
        file_actions=actions,
        setsid=True,  # a Ctrl-C at the container's terminal is for the server alone
        setsigmask=(),
        setsigdef=(signal.SIGTERM, signal.SIGINT),
    )


def libraries(major: str) -> list[str]:
    """Names of the server's loadable libraries."""
    return [name[:-3] for name in os.listdir(f"/usr/lib/postgresql/{major}/lib") if name.endswith(".so")]


def is_live_server(pid: int) -> bool:
    """Whether the process is a PostgreSQL server."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
            return file.read().strip() == "postgres"
    except OSError:
        return False


def forget_dead_server(pgdata: str, ours: bool) -> None:
    """Remove a postmaster.pid whose process cannot be a server. The lock must be held.

    After a SIGKILL the file stays, and names a small number that may be anybody's in the next
    container: the server would take a probe of that number for itself, and refuse to start.

    :param ours: whether a container of this image has run a server on it before. Otherwise the file is another
        image's, which knows nothing of the lock.
    :raises Refused: when the server is not ours. None of this image is ever a container's first process.
    """
    path = f"{pgdata}/postmaster.pid"
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            pid = abs(int(file.readline()))
    except (FileNotFoundError, ValueError):
        return  # ValueError: the server will say what is wrong with it
    if pid == 1 or not ours:
        raise Refused(
            Fault(
                "maybe_in_use",
                f"{path} says that a container of another image runs, or was killed, on this volume. "
                "Stop it; if none runs, remove that file, and start again.",
            )
        )
    if not is_live_server(pid):
        os.unlink(path)
