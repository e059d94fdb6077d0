# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest tells of a stanza, understood. Pure.

Its exit code is 0 whether or not a stanza exists and has backups: only the statuses in its JSON count.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Mapping, Sequence

from .._core.errors import InvalidInput, NoBackup, PgbackrestFailed, RepositoryUnusable

# Numbers of pgBackRest's statuses.
OK = 0
NO_PATH = 1
NO_BACKUP = 2
NO_DATA = 3
MIXED = 4
# Errors of pgBackRest's that a wrong passphrase leads to.
_UNREADABLE = ("CryptoError", "FormatError")
MISMATCH = 5
# Types by what they hold: a backup that holds more serves for one that holds less.
RANK = {"full": 0, "diff": 1, "incr": 2}
# Seconds by which clocks may differ: a backup of the future says that one of them was wrong, and nothing of its age.
_SKEW = 300
_DATE = re.compile(r"[0-9-]+")
_POINT = re.compile(r".+-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_COMPLAINT = re.compile(r"WARN: configuration file contains (.*)")
TARGETS = ("default", "immediate", "time", "lsn", "name", "xid")


@dataclass(frozen=True)
class Backup:
    """A backup in a repository.

    :param label: its name.
    :param kind: ``full``, ``diff`` or ``incr``.
    :param repository: number of the repository.
    :param start: seconds since 1970; so is ``stop``.
    :param lsn_start: position in the log at its start, as PostgreSQL writes it; so is ``lsn_stop``.
    :param wal_start: first segment that it needs; ``wal_stop`` is the last one.
    :param size: bytes of the cluster; ``repository_size`` is what it takes in the repository, ``delta`` what was
        copied.
    :param error: whether pages with wrong checksums were found; None when unknown.
    """

    label: str
    kind: str
    repository: int
    start: float
    stop: float
    lsn_start: str
    lsn_stop: str
    wal_start: str
    wal_stop: str
    size: int
    delta: int
    repository_size: int
    error: bool | None
    reference: tuple[str, ...] = ()

    def told(self, now: float) -> dict[str, Any]:
        """As modules return it."""
        return {
            "label": self.label,
            "type": self.kind,
            "repository": self.repository,
            "start": stamp(self.start),
            "stop": stamp(self.stop),
            "age": round(max(0.0, now - self.stop), 1),
            "lsn_start": self.lsn_start,
            "lsn_stop": self.lsn_stop,
            "wal_start": self.wal_start,
            "wal_stop": self.wal_stop,
            "size": self.size,
            "delta": self.delta,
            "repository_size": self.repository_size,
            "error": self.error,
            "reference": list(self.reference),
        }


@dataclass(frozen=True)
class Stanza:
    """A stanza.

    :param status: the number of its status; ``message`` says it in words.
    :param repositories: number and status of each repository.
    :param backups: oldest first.
    :param archives: what is archived, by repository and system.
    :param locked: whether a backup runs.
    :param complaints: what pgBackRest finds wrong with its configuration file, and passes over.
    :param systems: identifiers of the systems that it is of, one for each that was upgraded to.
    """

    name: str
    status: int
    message: str
    repositories: tuple[Mapping[str, Any], ...] = ()
    backups: tuple[Backup, ...] = ()
    archives: tuple[Mapping[str, Any], ...] = ()
    locked: bool = False
    cipher: str = "none"
    complaints: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether the stanza is there, in every repository."""
        states = [one["status"] for one in self.repositories] or [self.status]
        return not any(state in (NO_PATH, NO_DATA) for state in states)

    def told(self, now: float) -> dict[str, Any]:
        """As modules return it."""
        return {
            "stanza": self.name,
            "exists": self.exists,
            "status": self.status,
            "message": self.message,
            "backup_running": self.locked,
            "repositories": [dict(one) for one in self.repositories],
            "archives": [dict(one) for one in self.archives],
            "complaints": list(self.complaints),
            "system_identifiers": list(self.systems),
            "backups": [backup.told(now) for backup in self.backups],
        }


@dataclass(frozen=True)
class Wish:
    """Where a restore is to end.

    :param kind: one of TARGETS.
    :param target: a time (ISO 8601), an LSN, a restore point's name, a transaction; None for the others.
    :param label: the backup to start from; None: the best one.
    :param repository: only from this one; None: whichever has it.
    :param written: how far the cluster's leader has written; None if nobody can tell.
    """

    kind: str = "default"
    target: str | None = None
    label: str | None = None
    repository: int | None = None
    written: str | None = None


def parse(text: str, name: str) -> Stanza:
    """The stanza of that name.

    :param text: what ``info --output=json`` printed.
    :raises PgbackrestFailed: when it is not that.
    """
    try:
        # Its messages may have line ends in them as they are.
        content = json.loads(text, strict=False)
        if not isinstance(content, list):
            raise TypeError("no list")
        found = [one for one in content if one["name"] == name]
        return _stanza(found[0]) if found else Stanza(name, NO_PATH, "there is no such stanza")
    except (ValueError, KeyError, TypeError) as error:
        raise PgbackrestFailed(f"pgBackRest's information cannot be understood ({error!r}): {text[:200]!r}") from error


def _stanza(content: Mapping[str, Any]) -> Stanza:
    repositories = [
        {
            "number": one["key"],
            "cipher": one.get("cipher", "none"),
            "status": one["status"]["code"],
            "message": one["status"]["message"],
        }
        for one in content.get("repo", [])
    ]
    archives = [
        {
            "repository": one["database"].get("repo-key", 1),
            "id": one["id"],
            "min": one.get("min"),
            "max": one.get("max"),
        }
        for one in content.get("archive", [])
    ]
    lock = content["status"].get("lock", {}).get("backup", {})
    return Stanza(
        name=content["name"],
        status=content["status"]["code"],
        message=content["status"]["message"],
        repositories=tuple(repositories),
        backups=tuple(sorted(map(_backup, content.get("backup", [])), key=lambda one: one.stop)),
        archives=tuple(archives),
        locked=bool(lock.get("held", False)),
        cipher=content.get("cipher", "none"),
        systems=tuple(dict.fromkeys(str(one["system-id"]) for one in content.get("db", []))),
    )


def _backup(content: Mapping[str, Any]) -> Backup:
    info = content["info"]
    return Backup(
        label=content["label"],
        kind=content["type"],
        repository=content["database"].get("repo-key", 1),
        start=content["timestamp"]["start"],
        stop=content["timestamp"]["stop"],
        lsn_start=content.get("lsn", {}).get("start", ""),
        lsn_stop=content.get("lsn", {}).get("stop", ""),
        wal_start=content["archive"]["start"] or "",
        wal_stop=content["archive"]["stop"] or "",
        size=info["size"],
        delta=info["delta"],
        repository_size=info.get("repository", {}).get("delta", 0),
        error=content.get("error"),
        reference=tuple(content.get("reference") or ()),
    )


def complaints(errors: str) -> tuple[str, ...]:
    """What pgBackRest says of its configuration file, to which it does not hold then.

    :param errors: what it has printed to its standard error.
    """
    return tuple(dict.fromkeys(match[1] for match in _COMPLAINT.finditer(errors)))


def clear(text: str) -> str:
    """A message of pgBackRest's, which is ASCII, up to where it repeats what it could not decrypt. Pure."""
    return re.split(r"[^\n -~]", text)[0].replace("\n", " ").strip()


def usable(stanza: Stanza) -> None:
    """Whether the repositories can be read.

    :raises RepositoryUnusable: when not; says which, and why.
    """
    bad = [one for one in stanza.repositories if one["status"] not in (OK, NO_PATH, NO_BACKUP, NO_DATA)]
    if bad or stanza.status == 99:
        which = bad[0] if bad else {"number": "?", "message": stanza.message}
        # What it could not decrypt is in its message.
        said = clear(which["message"])
        if any(word in said for word in _UNREADABLE):
            said = re.split(r" at line \d+:", said)[0].rstrip(".") + (
                ". Most likely its passphrase (cipher-pass) or its cipher-type is not what it was made with."
            )
        raise RepositoryUnusable(
            f"Repository {which['number']} of stanza {stanza.name} cannot be used: {said}",
            status=stanza.status,
            repositories=[{**one, "message": clear(one["message"])} for one in stanza.repositories],
        )


def fresh(stanza: Stanza, kind: str, max_age: float, now: float, repository: int | None) -> Backup | None:
    """The newest backup that is young enough and holds enough; None without one.

    :param kind: what was asked for; a full one serves for all.
    :param max_age: seconds.
    """
    good = [
        one for one in stanza.backups
        if RANK[one.kind] <= RANK[kind] and -_SKEW <= now - one.stop <= max_age and not one.error
        and repository in (None, one.repository)
    ]
    return good[-1] if good else None


def without_backup(stanza: Stanza, now: float) -> list[int]:
    """Numbers of the repositories that have no full backup, of whatever age. Pure."""
    numbers = [one["number"] for one in stanza.repositories]
    return [number for number in numbers if fresh(stanza, "full", math.inf, now, number) is None]


def choose(stanza: Stanza, wish: Wish, now: float) -> Backup:
    """The backup that a restore starts from.

    :param now: seconds since 1970.
    :raises NoBackup: when none serves.
    :raises InvalidInput: for a target that cannot be understood.
    """
    if wish.kind not in TARGETS:
        raise InvalidInput(f"There is no target of the type {wish.kind!r}: use {', '.join(TARGETS)}.")
    complete(wish)
    if wish.kind == "time" and moment(wish.target or "") > now + _SKEW:
        raise InvalidInput(f"{wish.target} is in the future: nothing is archived of it. It is {stamp(now)}.")
    if wish.kind == "lsn" and wish.written and position(wish.target or "") > position(wish.written):
        raise InvalidInput(f"Nothing is written up to {wish.target} yet: the leader is at {wish.written}.")
    numbers = [one["number"] for one in stanza.repositories]
    if wish.repository is not None and numbers and wish.repository not in numbers:
        raise InvalidInput(
            f"There is no repository {wish.repository}: stanza {stanza.name} has {', '.join(map(str, numbers))}."
        )
    candidates = [one for one in stanza.backups if wish.repository in (None, one.repository)]
    if not candidates:
        raise NoBackup(f"Stanza {stanza.name} has no backup ({stanza.message}): make one with the playbook backup.")
    if wish.label is not None:
        found = [one for one in candidates if one.label == wish.label]
        if not found:
            raise NoBackup(
                f"Stanza {stanza.name} has no backup {wish.label}, only {', '.join(one.label for one in candidates)}."
            )
        return _preferred(found)
    if wish.kind == "time":
        until = moment(wish.target or "")
        candidates = [one for one in candidates if one.stop <= until]
        word = f"before {wish.target}"
    elif wish.kind == "lsn":
        place = position(wish.target or "")
        candidates = [one for one in candidates if one.lsn_stop and position(one.lsn_stop) <= place]
        word = f"before the position {wish.target}"
    elif wish.kind == "name" and (made := made_at(wish.target or "")) is not None:
        candidates = [one for one in candidates if one.stop <= made]
        word = f"before the restore point {wish.target}"
    else:
        word = ""
    if not candidates:
        oldest = stanza.backups[0]
        raise NoBackup(
            f"Stanza {stanza.name} has no backup {word}: the oldest one, {oldest.label}, ended at {stamp(oldest.stop)}"
            f" ({oldest.lsn_stop})."
        )
    newest = max(one.stop for one in candidates)
    return _preferred([one for one in candidates if one.stop == newest])


def complete(wish: Wish) -> None:
    """Whether there is a target, where one is needed, and only there. Pure.

    :raises InvalidInput: when not.
    """
    if wish.kind in ("default", "immediate"):
        if wish.target:
            raise InvalidInput(
                f"The type {wish.kind} needs no target. If one is meant, say of which type it is: time, lsn, name or"
                " xid."
            )
    elif not wish.target:
        raise InvalidInput(f"The type {wish.kind} needs a target.")


def _preferred(candidates: Sequence[Backup]) -> Backup:
    return min(candidates, key=lambda one: one.repository)


def made_at(name: str) -> float | None:
    """When a restore point was made, in seconds since 1970, if its name tells, as those of the collection do. Pure."""
    found = _POINT.fullmatch(name)
    try:
        return moment(f"{found[1]}-{found[2]}-{found[3]} {found[4]}:{found[5]}:{found[6]}+00:00") if found else None
    except InvalidInput:
        return None  # it only looks like it


def moment(text: str) -> float:
    """A time as seconds since 1970.

    :raises InvalidInput: without a time zone, as it would be the server's in one place and the controller's in another.
    """
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        found = None
    # Older Pythons want the minutes of the offset.
    if found is None:
        try:
            found = datetime.fromisoformat(text.strip() + ":00")
        except ValueError as error:
            raise InvalidInput(
                f"The time {text!r} cannot be understood: write it as 2026-01-31 12:00:00+00:00."
            ) from error
    if _DATE.fullmatch(text.strip()):
        raise InvalidInput(
            f"The time {text!r} is only a date. Write it as 2026-01-31 12:00:00+00:00; behind -e, which ends at a"
            """ blank, as '{"restore_target": "2026-01-31 12:00:00+00:00"}'."""
        )
    if found.tzinfo is None:
        raise InvalidInput(f"The time {text!r} has no time zone: write it as 2026-01-31 12:00:00+00:00.")
    return found.timestamp()


def position(text: str) -> int:
    """A position in the log as a number.

    :raises InvalidInput: when it is none.
    """
    high, slash, low = text.strip().partition("/")
    try:
        if not slash:
            raise ValueError
        return (int(high, 16) << 32) + int(low, 16)
    except ValueError as error:
        raise InvalidInput(f"The position {text!r} cannot be understood: write it as 0/3000110.") from error


def stamp(seconds: float) -> str:
    """A time for people and machines: ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


@dataclass(frozen=True)
class Said:
    """An error of pgBackRest's.

    :param number: its own number, which is its exit code too; None when it gave none.
    """

    number: int | None
    text: str
    lines: tuple[str, ...] = field(default=())
