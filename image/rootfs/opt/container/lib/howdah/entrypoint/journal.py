# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock and the journal of a cluster: what survives a SIGKILL at any moment.

The lock is held by every process of the container, through a descriptor that they inherit: the
engine cannot free it while anything of the old container still runs. So one volume never has two
servers, and whoever holds it may clean up.

The journal is written before the first file of a new cluster and removed after the last. Found at
a start, it names exactly what is to be removed before all begins again. A copy of another member is in it
as well; such a one is complete with its last file, global/pg_control, as long as the machine's memory, from which
pg_basebackup writes all to the disk only after that file, was not lost since.
"""
from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import suppress
from typing import Any

from .faults import Fault, Refused
from .layout import Layout, contents, unusable
from .logs import Log
from .runtime import remove_tree

# Another one with each start of the machine.
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def lock(layout: Layout) -> int:
    """Lock the cluster; the descriptor is to be inherited by the server.

    :raises Refused: when another container uses it, or the volume cannot be written.
    """
    try:
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(os.path.dirname(layout.lock), error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Refused(
            Fault(
                "volume_in_use",
                f"Another container uses {layout.pgdata} at this moment, and two servers would destroy the cluster. "
                "Stop the other one, or give this one a volume of its own.",
            )
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise unusable(layout.lock, error) from error
        # A file system without locks: the server's own check of postmaster.pid has to do.
    os.set_inheritable(descriptor, True)
    return descriptor


def has_served(lock_held: int) -> bool:
    """Whether a container of this image has ever run a server on the cluster.

    :param lock_held: what :func:`lock` returned.
    """
    return os.fstat(lock_held).st_size > 0


def mark_served(layout: Layout, lock_held: int, durable: bool = True) -> None:
    """Say so, once: a ``postmaster.pid`` that is found from now on is of our own making.

    :param durable: whether to wait for the disk; else the caller has it wait for all, before a server runs.
    """
    if not has_served(lock_held):
        os.write(lock_held, b"has served\n")
        if durable:
            os.fsync(lock_held)
            sync(os.path.dirname(layout.lock))


def write(layout: Layout, waldir: str | None, moving: bool, copy: bool = False) -> None:
    """Say, durably, that a cluster is being made.

    :param waldir: its directory of write-ahead log outside itself, if any.
    :param moving: whether it is about to be moved from the staging directory into PGDATA, which holds
        nothing else.
    :param copy: whether it is copied from another member.
    """
    entry = {"directory": layout.build, "waldir": waldir, "moving": moving, "copy": copy}
    if copy:
        entry["boot"] = _boot()
    new = layout.journal + ".new"
    try:
        write_file(new, json.dumps(entry).encode())
        os.replace(new, layout.journal)
    except BaseException:  # a stop is one as well
        with suppress(FileNotFoundError):
            os.unlink(new)
        raise
    sync(os.path.dirname(layout.journal))


def remove(layout: Layout) -> None:
    """Say, durably, that the cluster is complete, or gone."""
    try:
        os.unlink(layout.journal)
    except FileNotFoundError:
        return
    sync(os.path.dirname(layout.journal))


def pending(layout: Layout) -> dict[str, Any] | None:
    """The journal, if there is one.

    :raises Refused: when it cannot be understood: then nothing says what may be removed.
    """
    try:
        with open(layout.journal, encoding="utf-8") as file:
            entry: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Refused(
            Fault(
                "half_made",
                f"{layout.journal} says that {layout.pgdata} was not made to its end, and is damaged itself. Remove "
                "both, or give this container a new volume.",
            )
        ) from error
    return entry


def settle(layout: Layout, log: Log) -> None:
    """Remove what an interrupted start has left. The lock must be held."""
    entry = pending(layout)
    if entry is None:
        return
    if entry.get("copy") and _all_there(layout, entry):
        remove(layout)
        return
    log.warn("half_made", f"{layout.pgdata} is left from a start that was interrupted: it is made anew.")
    clean(layout)


def _all_there(layout: Layout, entry: dict[str, Any]) -> bool:
    """Whether a copy has its last file, and the machine has run ever since it was begun."""
    try:
        written = os.stat(f"{layout.pgdata}/global/pg_control").st_size > 0
    except OSError:
        return False
    # Not known is as good as another one; journals of older images know none.
    return written and entry.get("boot") is not None and bool(entry["boot"] == _boot())


def _boot() -> str | None:
    """What this run of the machine is called; None when nothing tells."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip() or None
    except (OSError, ValueError):
        return None


def clean(layout: Layout) -> None:
    """Remove what the journal names, and then the journal. The lock must be held."""
    entry = pending(layout)
    if entry is None:
        return
    waldir = entry["waldir"]
    # The second is what Patroni makes of a new cluster that failed.
    paths = [entry["directory"], f"{layout.pgdata}.failed"]
    try:
        if entry["moving"]:
            # The server has made files there as well, such as postmaster.pid.
            paths += [f"{layout.pgdata}/{name}" for name in contents(layout.pgdata)]
        if waldir and os.path.isdir(waldir):
            paths += [f"{waldir}/{name}" for name in os.listdir(waldir)]
        for path in paths:
            if os.path.isdir(path) and not os.path.islink(path):
                remove_tree(path)
            elif os.path.lexists(path):
                os.unlink(path)
        remove(layout)
    except OSError as error:
        raise Refused(
            Fault(
                "half_made",
                f"{layout.pgdata} is left from a start that was interrupted, and cannot be removed: {error.strerror} "
                f"({error.filename}). Remove it, or give this container a new volume.",
            )
        ) from error


def attempted(layout: Layout) -> bool:
    """Whether a member of a cluster has started here with nothing before, and never had anything since."""
    return os.path.exists(layout.attempt)


def note_attempt(layout: Layout, empty: bool) -> None:
    """Say, durably, whether a member of a cluster starts with nothing."""
    if empty == attempted(layout):
        return
    if empty:
        write_file(layout.attempt, b"")
    else:
        os.unlink(layout.attempt)
    sync(os.path.dirname(layout.attempt))


def write_file(path: str, data: bytes, durable: bool = True) -> None:
    """Write a file that only its owner may read.

    :param durable: whether to wait for the disk.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(directory: str) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
