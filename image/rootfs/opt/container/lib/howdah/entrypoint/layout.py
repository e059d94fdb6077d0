# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the cluster is, or will be, in the volume; and whether that can work."""
from __future__ import annotations

import os
import re
from typing import Mapping, NamedTuple

from .faults import Fault, Refused

VOLUME = "/var/lib/postgresql/data"

RESTORING = ".howdah-restoring"
KEPT = ".howdah-kept"
_OURS = ".howdah"
_BESIDE = ("lock", "journal", "journal.new", "attempt", "staging")
# The first are found in fresh volumes: made by file systems and storage, not by people.
_NO_CONTENT = frozenset(("lost+found", ".snapshot", ".zfs", *(f"{_OURS}.{kind}" for kind in _BESIDE)))


class Layout(NamedTuple):
    """The place of the cluster.

    :param pgdata: its directory.
    :param staged: whether the directory is a mount (or its parent is closed to us): it can be neither
        made nor removed, so a new cluster is made in a sub-directory first, and then moved.
    """

    pgdata: str
    staged: bool

    def _beside(self, kind: str) -> str:
        if self.staged:
            return f"{self.pgdata}/{_OURS}.{kind}"
        parent, name = os.path.split(self.pgdata)
        return f"{parent}/{_OURS}-{name}.{kind}"

    @property
    def lock(self) -> str:
        """The file whose lock says that a container uses the cluster; stays."""
        return self._beside("lock")

    @property
    def journal(self) -> str:
        """The file that says that the cluster is not complete."""
        return self._beside("journal")

    @property
    def attempt(self) -> str:
        """The file that says that a member has started here with nothing: it may have begun to make the cluster."""
        return self._beside("attempt")

    @property
    def restoring(self) -> str:
        """The file that says that a restore has moved the cluster away, and has not brought another one yet."""
        return f"{self.pgdata if self.staged else os.path.dirname(self.pgdata)}/{RESTORING}"

    @property
    def kept(self) -> str:
        """The folder with what a restore has moved away."""
        return f"{self.pgdata if self.staged else os.path.dirname(self.pgdata)}/{KEPT}"

    @property
    def build(self) -> str:
        """Where initdb makes the cluster."""
        return f"{self.pgdata}/{_OURS}.staging" if self.staged else self.pgdata


class Volume(NamedTuple):
    """What was found where the cluster may be.

    :param root: the volume's mount, or PGDATA when the user named one.
    :param own: the default directory in the volume; None when the user named PGDATA.
    :param major: of this image.
    :param versions: PG_VERSION by directory: of the root, of its sub-directories.
    """

    root: str
    own: str | None
    major: str
    versions: Mapping[str, str]


def observe(pgdata: str | None, major: str, volume: str = VOLUME) -> Volume:
    """Look for clusters, old and new.

    :param pgdata: as set by the user, if at all.
    :param major: of this image.
    """
    own: str | None = f"{volume}/{major}"
    root = volume
    if pgdata is not None and pgdata != own:
        root, own = pgdata, None
    versions = {}
    candidates = [root]
    try:
        # What Patroni could not finish is nobody's cluster.
        entries = [
            entry
            for entry in os.scandir(root)
            if entry.is_dir() and not entry.name.startswith(".") and entry.name != f"{major}.failed"
        ]
        candidates += sorted(entry.path for entry in entries)
    except OSError:
        pass  # missing, or closed to us: said later, by whoever needs it
    for directory in candidates:
        try:
            with open(f"{directory}/PG_VERSION", encoding="ascii", errors="replace") as file:
                version = file.read(16).strip()
        except OSError:
            continue
        if version:
            versions[directory] = version
    return Volume(root=root, own=own, major=major, versions=versions)


def choose(volume: Volume) -> str:
    """The directory of the cluster. Pure.

    :raises Refused: when there is a cluster that this image cannot run, or more than one.
    """
    versions = dict(volume.versions)
    wanted = volume.own or volume.root
    wrong = {directory: version for directory, version in versions.items() if version != volume.major}
    if volume.own and versions.get(volume.root) == volume.major:
        if volume.own in versions:
            raise Refused(
                Fault(
                    "two_clusters",
                    f"The volume holds two clusters of PostgreSQL {volume.major}: in {volume.root} and in "
                    f"{volume.own}. Set PGDATA to the one that is meant, or remove the other.",
                )
            )
        return volume.root
    if wanted in versions and wanted not in wrong and volume.root not in wrong:
        return wanted
    if wrong:
        directory, version = next(iter(wrong.items()))
        raise Refused(
            Fault(
                "wrong_major",
                f"{directory} holds a cluster of PostgreSQL {version}, and this image has PostgreSQL {volume.major}, "
                f"which cannot run it. Use an image of PostgreSQL {version}, or move the data with pg_upgrade or "
                "pg_dump, or give this container a new volume.",
            )
        )
    elsewhere = [directory for directory in versions if directory != wanted]
    if elsewhere:
        raise Refused(
            Fault(
                "cluster_elsewhere",
                f"{elsewhere[0]} holds a cluster of PostgreSQL {volume.major}, but PGDATA is {wanted}, which is empty. "
                f"Set PGDATA={elsewhere[0]} to use it, or give this container a new volume.",
            )
        )
    return wanted


def place(pgdata: str) -> Layout:
    """How a cluster gets to its directory: made there, or moved there."""
    parent = os.path.dirname(pgdata)
    exists = os.path.isdir(pgdata)
    # Whatever the mode of the parent says, the directory cannot be removed from it while it is a mount.
    staged = exists and (_is_mount(pgdata) or not os.access(parent, os.W_OK | os.X_OK))
    return Layout(pgdata, staged)


def _is_mount(path: str) -> bool:
    """Whether something is mounted there; os.path.ismount overlooks mounts from the same file system."""
    wanted = os.path.realpath(path)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = (line.split(" ")[4] for line in file)
        return any(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point) == wanted for point in points)


def is_cluster(pgdata: str) -> bool:
    """Whether there is a cluster; its first file is PG_VERSION."""
    try:
        return os.path.getsize(f"{pgdata}/PG_VERSION") > 0
    except OSError:
        return False


def check_restored(place: Layout) -> None:
    """Whether what is there is what a restore has completed, if there was one. Without this check, a server would begin
    with an empty cluster where the former one was moved away.

    :raises Refused: when one was cut off.
    """
    if os.path.exists(place.restoring):
        # Where nothing is kept, what is there may be the only data that there are: nobody is told to remove it.
        back = (
            f" Or take the former data back, from a container in the mode maintenance: remove {place.pgdata}, rename "
            f"what is in {place.kept} to it, and remove {place.restoring}."
            if os.path.isdir(place.kept) and os.listdir(place.kept)
            else ""
        )
        raise Refused(
            Fault(
                "restore_cut_off",
                f"A restore into {place.pgdata} was cut off, so it may be no whole cluster. Restore again.{back}",
            )
        )


def check_cluster(pgdata: str) -> None:
    """Whether the server will accept the directory; its mode is mended.

    :raises Refused: when it will not.
    """
    status = os.stat(pgdata)
    user = os.geteuid()
    if status.st_uid != user:
        raise Refused(
            Fault(
                "wrong_owner",
                f"{pgdata} belongs to user {status.st_uid}, but the container runs as user {user}. "
                f"Run it with --user {status.st_uid}, or run chown -R {user} on the volume.",
            )
        )
    if not os.path.exists(f"{pgdata}/global/pg_control"):
        raise Refused(
            Fault(
                "incomplete_cluster",
                f"{pgdata} has a PG_VERSION but no global/pg_control: it is no complete cluster. "
                "Restore it from a backup, or remove it to begin with an empty one.",
            )
        )
    if status.st_mode & 0o027:
        # Kubernetes' fsGroup, say, opens the directory to a group, which the server refuses.
        os.chmod(pgdata, 0o700)


def contents(directory: str) -> list[str]:
    """The names in a directory that are neither ours nor the file system's.

    :raises OSError: when it cannot be read.
    """
    return sorted(name for name in os.listdir(directory) if name not in _NO_CONTENT)


def check_empty(layout: Layout, waldir: str | None) -> None:
    """Whether a cluster can be made.

    :raises Refused: when files are in the way, or the directory cannot be written.
    """
    for variable, directory in (("PGDATA", layout.pgdata), ("POSTGRES_INITDB_WALDIR", waldir)):
        if directory is None:
            continue
        try:
            names = contents(directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unusable(directory, error) from error
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise Refused(
                Fault(
                    "not_empty",
                    f"{variable} is {directory}, which holds files ({shown}) but no cluster. "
                    "Empty it, or choose another directory.",
                )
            )
    if layout.staged:
        status = os.stat(layout.pgdata)
        if status.st_uid != os.geteuid():
            raise Refused(
                Fault(
                    "wrong_owner",
                    f"{layout.pgdata} belongs to user {status.st_uid}, but the container runs as user "
                    f"{os.geteuid()}, who must own it. Run chown {os.geteuid()} on the volume, or set PGDATA to a "
                    "sub-directory.",
                )
            )


def check_removable(layout: Layout) -> None:
    """Whether Patroni can make the cluster's directory, and remove it before it copies another member.

    :raises Refused: when it cannot.
    """
    if layout.staged:
        raise Refused(
            Fault(
                "pgdata_is_mount",
                f"PGDATA is {layout.pgdata}, which is a mount: Patroni must be able to remove the directory. "
                "Leave PGDATA unset, or set it to a sub-directory of the volume.",
            )
        )


def unusable(path: str, error: OSError) -> Refused:
    """The refusal for a directory or file that cannot be used."""
    import errno

    user = f"user {os.geteuid()}, group {os.getegid()}"
    reasons = {
        errno.EROFS: "it is mounted read-only. Mount it read-write.",
        errno.ENOSPC: "its file system is full. Make room.",
        errno.EDQUOT: "its quota is used up. Make room.",
        errno.EACCES: f"the container ({user}) may not. Run chown {os.geteuid()}:{os.getegid()} on the volume, or "
        "run the container with --user and the number of the volume's owner.",
    }
    number = errno.EACCES if error.errno == errno.EPERM else error.errno
    reason = reasons.get(number or 0, f"{error.strerror}.")
    return Refused(Fault("volume_unusable", f"{path} cannot be written: {reason}"))
