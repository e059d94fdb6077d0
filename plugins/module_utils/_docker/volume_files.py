# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files a named volume is to hold: parsed and decided here, without an engine.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
import time
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from .._core.errors import InvalidInput
from .._core.plan import Action, Plan

# A file of ours in the volume: whether the container still has to be told of the last change. An archive can only
# be put into a volume, nothing can be taken out of it, so the mark has two contents.
MARK = ".howdah-signal"
PENDING, SENT = b"pending\n", b"sent\n"

_SIGNAL = re.compile(r"SIG[A-Z0-9]+")
_MODE = re.compile(r"0?[0-7]{3}")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@dataclass(frozen=True)
class File:
    """A file as it is to be.

    :param path: relative to the volume, normalised.
    :param secret: whether its content must never be shown.
    """

    path: str
    data: bytes = field(repr=False)
    mode: int
    secret: bool


@dataclass(frozen=True)
class Wish:
    """What is asked of one volume.

    :param container: name of the container that has the volume, once there is one.
    :param signal: is sent to that container after a change, while it runs.
    :param contents: paths whose content is to be returned.
    :param healthy_after: whether the signal counts as sent only once the container's health check passes after it.
    """

    volume: str
    container: str | None
    files: tuple[File, ...]
    signal: str | None
    contents: tuple[str, ...]
    uid: int
    gid: int
    healthy_after: bool = False


@dataclass(frozen=True)
class Found:
    """A file as it is."""

    data: bytes = field(repr=False)
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class Observed:
    """What there is of a volume.

    :param exists: whether the volume does.
    :param files: those below it, by path.
    :param running: whether the container that has it runs.
    """

    exists: bool = False
    files: Mapping[str, Found] = field(default_factory=dict)
    running: bool = False


@dataclass(frozen=True)
class VolumePlan:
    """What is to be done to one volume.

    :param write: the files to write.
    :param signals: whether the container is to be sent the signal.
    """

    plan: Plan
    write: tuple[File, ...] = ()
    signals: bool = False


def parse(options: Mapping[str, Any], uid: int, gid: int) -> Wish:
    """What is asked of a volume.

    :raises InvalidInput: for a path that leaves the volume, a mode or a signal that is none.
    """
    volume = options["volume"]
    if not _NAME.fullmatch(volume):
        raise InvalidInput(f"{volume!r} cannot be the name of a volume.")
    signal = options["signal"]
    if signal is not None and not _SIGNAL.fullmatch(signal):
        raise InvalidInput(f"{volume}: {signal!r} is no signal: write its name, for example SIGHUP.")
    files = tuple(_file(volume, given) for given in options["files"] or ())
    paths = [file.path for file in files]
    for path in paths:
        if paths.count(path) > 1:
            raise InvalidInput(f"{volume}: the file {path} is given twice.")
    contents = tuple(_path(volume, path) for path in options["contents"] or ())
    return Wish(volume, options["container"], files, signal, contents, uid, gid, options["healthy_after"])


def _file(volume: str, given: Mapping[str, Any]) -> File:
    path = _path(volume, given["path"])
    if (given["content"] is None) == (given["secret_content"] is None):
        raise InvalidInput(f"{volume}: the file {path} needs exactly one of content and secret_content.")
    if not _MODE.fullmatch(given["mode"]):
        raise InvalidInput(f"{volume}: the mode {given['mode']!r} of {path} is none: write it as '0600', quoted.")
    secret = given["content"] is None
    text: str = given["secret_content"] if secret else given["content"]
    return File(path, text.encode("utf-8", "surrogateescape"), int(given["mode"], 8), secret)


def _path(volume: str, path: str) -> str:
    normal = posixpath.normpath(path)
    if path.startswith("/") or normal in (".", "..") or normal.startswith("../") or "\0" in path or normal == MARK:
        raise InvalidInput(f"{volume}: {path!r} must be a path below the volume, for example tls/node.crt.")
    return normal


def plan(wish: Wish, observed: Observed) -> VolumePlan:
    """The steps from what there is to what is wished for."""
    reasons = {file.path: _reason(wish, file, observed.files.get(file.path)) for file in wish.files}
    write = tuple(file for file in wish.files if reasons[file.path])
    actions = [] if observed.exists or not write else [Action("create volume", wish.volume)]
    actions += [Action("write file", f"{wish.volume}:{file.path}", reasons[file.path]) for file in write]
    mark = observed.files.get(MARK)
    owed = bool(write) or (mark is not None and mark.data == PENDING)
    signals = wish.signal is not None and observed.running and owed
    if signals:
        actions.append(Action("signal container", str(wish.container), str(wish.signal)))
    shown = Plan(
        tuple(actions),
        {file.path: _shown(file, observed.files.get(file.path)) for file in write},
        {file.path: _shown(file, Found(file.data, file.mode, wish.uid, wish.gid)) for file in write},
    )
    return VolumePlan(shown, write, signals)


def combined(plans: Sequence[tuple[Wish, VolumePlan]]) -> Plan:
    """The plans of all volumes as one."""
    changed = [(wish.volume, one.plan) for wish, one in plans if one.plan.changed]
    return Plan(
        tuple(action for _volume, one in changed for action in one.actions),
        {volume: one.before for volume, one in changed},
        {volume: one.after for volume, one in changed},
    )


def _reason(wish: Wish, file: File, found: Found | None) -> str:
    if found is None:
        return "it is missing"
    differs = [
        name
        for name, differing in (
            ("content", found.data != file.data),
            ("mode", found.mode != file.mode),
            ("owner", (found.uid, found.gid) != (wish.uid, wish.gid)),
        )
        if differing
    ]
    return ", ".join(differs)


def _shown(file: File, found: Found | None) -> Any:
    """A file as ``--diff`` shows it."""
    if found is None:
        return None
    return {
        "content": "<hidden>" if file.secret else _readable(found.data.decode("utf-8", "replace")),
        "mode": f"{found.mode:04o}",
        "owner": f"{found.uid}:{found.gid}",
    }


def _readable(text: str) -> Any:
    """A text such that a comparison of two shows what differs, which Ansible does not do within a long line."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.split("\n") if "\n" in text else text
    # Only where equal values have equal texts: a file that is written is not shown as the same.
    return value if json.dumps(value, sort_keys=True) == text else text


# --- Archives ------------------------------------------------------------------------------------


def archive(files: Iterable[File], uid: int, gid: int, below: str = "") -> bytes:
    """A tar archive with these files, and the folders that they are in.

    :param below: a folder that all is put into; it belongs to the same owner.
    """
    buffer = io.BytesIO()
    known: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            path = posixpath.join(below, file.path)
            for folder in _folders(path):
                if folder not in known:
                    known.add(folder)
                    tar.addfile(_header(folder, tarfile.DIRTYPE, 0o700, uid, gid))
            header = _header(path, tarfile.REGTYPE, file.mode, uid, gid)
            header.size = len(file.data)
            tar.addfile(header, io.BytesIO(file.data))
    return buffer.getvalue()


def _folders(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _header(path: str, kind: bytes, mode: int, uid: int, gid: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.type, header.mode, header.uid, header.gid = kind, mode, uid, gid
    header.mtime = int(time.time())
    return header


def unpack(data: bytes) -> dict[str, Found]:
    """The regular files of the engine's archive of a folder, by path below that folder."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            path = member.name.partition("/")[2]
            if content is not None and path:
                found[path] = Found(content.read(), member.mode & 0o7777, member.uid, member.gid)
    return found


def fingerprint(data: bytes) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
