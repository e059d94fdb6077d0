# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build contexts: what a folder gives to a build, its digest, and its archive.

A digest must be the same wherever the same sources lie: times, owners and the umask of a checkout
do not count; paths, kinds, the executable bit, link targets and contents do.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import hashlib
import io
import os
import posixpath
import stat
import tarfile
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Iterable, Iterator, Sequence

from .._core.canonical import digest
from .._core.errors import InvalidInput
from .ignore import IgnoreRules

FILE, FOLDER, LINK = "file", "folder", "link"

_CHUNK = 1 << 20
# Longer maps are not worth their place in a label: the diff then counts files instead of naming them.
_NAMED_FILES = 200


@dataclass(frozen=True)
class Entry:
    """One path of a context.

    :param path: relative to the context, with "/".
    :param kind: FILE, FOLDER or LINK.
    :param mode: permission bits in the archive.
    :param target: of a link.
    :param sha256: of a file's content, in hexadecimal digits.
    :param source: the file that holds the content; None when ``content`` does.
    :param content: the content itself; may be secret, so never shown.
    """

    path: str
    kind: str
    mode: int
    target: str = ""
    sha256: str = ""
    source: str | None = field(default=None, compare=False)
    content: bytes | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Context:
    """All that a build is given.

    :param dockerfile: the Dockerfile's entry.
    :param dockerfile_text: its content.
    :param entries: the folder after its ignore rules, without the Dockerfile, sorted by path.
    :param extra: files that are added for this build only, sorted by path; they replace equal paths.
    """

    dockerfile: Entry
    dockerfile_text: str
    entries: tuple[Entry, ...]
    extra: tuple[Entry, ...] = ()

    def digests(self) -> dict[str, str]:
        """The digest of each part, by the name of the build input."""
        return {
            "context": _digest(self.entries),
            "dockerfile": self.dockerfile.sha256,
            "files": _digest(self.extra),
        }

    def file_digests(self) -> dict[str, str]:
        """Short digests by path, to tell later which files changed; empty when there are too many."""
        if len(self.entries) > _NAMED_FILES:
            return {}
        return {_printable(entry.path): digest(_facts(entry))[:8] for entry in self.entries if entry.kind != FOLDER}

    def write_archive(self, file: BinaryIO) -> None:
        """Write everything as a tar archive that depends on the content alone.

        :raises InvalidInput: when a file is not any more what it was when its digest was taken.
        """
        merged = {entry.path: entry for entry in (*self.entries, self.dockerfile, *self.extra)}
        with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for entry in _with_parents(merged):
                info = tarfile.TarInfo(entry.path)
                info.mode = entry.mode
                if entry.kind == FOLDER:
                    info.type = tarfile.DIRTYPE
                    archive.addfile(info)
                elif entry.kind == LINK:
                    info.type, info.linkname = tarfile.SYMTYPE, entry.target
                    archive.addfile(info)
                else:
                    with _open(entry) as source:
                        info.size = source.seek(0, os.SEEK_END)
                        source.seek(0)
                        reader = _HashingReader(source)
                        try:
                            archive.addfile(info, reader)
                        except OSError as error:
                            if error.errno is not None:
                                raise  # the archive's disk is full, or the like
                            raise _moved(entry) from error  # shorter than a moment ago
                    if reader.hexdigest() != entry.sha256:
                        raise _moved(entry)


def read_context(root: str, dockerfile: str, extra: Sequence[Entry] = ()) -> Context:
    """Read a folder as ``docker build`` would.

    :param root: the folder.
    :param dockerfile: path of the Dockerfile, relative to it. The ignore file is
        ``<dockerfile>.dockerignore``, or else ``.dockerignore``.
    :param extra: files to add, see :func:`extra_file`.
    :raises InvalidInput: when something is missing or cannot be read.
    """
    if not os.path.isdir(root):
        raise InvalidInput(f"The build context {root} is not a folder on the controller; set path to one.")
    name = posixpath.normpath(dockerfile)
    if name.startswith(("/", "../")) or name in (".", ".."):
        raise InvalidInput(f"dockerfile {dockerfile!r} must be a path inside the build context, relative to it.")
    added = {entry.path: entry for entry in extra}
    try:
        recipe = added.pop(name, None) or _file(name, os.path.join(root, name))
        with _open(recipe) as file:
            text = file.read().decode("utf-8")
        rules = _ignore_rules(root, name)
        entries = sorted((entry for entry in _walk(root, "", rules) if entry.path != name), key=_by_path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InvalidInput(
            f"{error.filename} is not a file: {name} must lie in the build context {root}, which must not change"
            " while it is read."
        ) from error
    except OSError as error:
        raise InvalidInput(f"The build context cannot be read: {error.filename}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{os.path.join(root, name)}, or its ignore file, is not UTF-8 text: {error}.") from error
    return Context(recipe, text, tuple(entries), tuple(sorted(added.values(), key=_by_path)))


def extra_file(path: str, content: bytes | str, mode: int) -> Entry:
    """A file to add to a context.

    :param path: relative to the context.
    :param content: the content, or the path of a file that holds it.
    :raises InvalidInput: when the path leaves the context.
    :raises OSError: when the file cannot be read.
    """
    name = posixpath.normpath(path)
    if name.startswith(("/", "../")) or name in (".", ".."):
        raise InvalidInput(f"files: the path {path!r} must be inside the build context, relative to it.")
    if isinstance(content, str):
        return replace(_file(name, content), mode=mode)
    return Entry(name, FILE, mode, sha256=hashlib.sha256(content).hexdigest(), content=content)


def _ignore_rules(root: str, dockerfile: str) -> IgnoreRules:
    for name in (dockerfile + ".dockerignore", ".dockerignore"):
        try:
            with open(os.path.join(root, name), encoding="utf-8") as file:
                return IgnoreRules(file.read(), name)
        except FileNotFoundError:
            continue
    return IgnoreRules("")


def _walk(root: str, folder: str, rules: IgnoreRules) -> Iterator[Entry]:
    with os.scandir(os.path.join(root, folder)) as found:
        items = list(found)
    for item in items:
        path = folder + "/" + item.name if folder else item.name
        ignored = rules.ignores(path)
        if item.is_symlink():
            if not ignored:
                yield Entry(path, LINK, 0o777, target=os.readlink(item.path))
        elif item.is_dir():
            if not ignored:
                yield Entry(path, FOLDER, 0o755)
            if not (ignored and rules.prunes(path)):
                yield from _walk(root, path, rules)
        elif item.is_file() and not ignored:
            # Sockets, pipes and devices have no content that a build could use.
            yield _file(path, item.path)


def _file(path: str, source: str) -> Entry:
    sha = hashlib.sha256()
    with open(source, "rb") as file:
        executable = os.fstat(file.fileno()).st_mode & stat.S_IXUSR
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            sha.update(chunk)
    return Entry(path, FILE, 0o755 if executable else 0o644, sha256=sha.hexdigest(), source=source)


def _open(entry: Entry) -> BinaryIO:
    if entry.source is None:
        return io.BytesIO(entry.content or b"")
    return open(entry.source, "rb")


def _moved(entry: Entry) -> InvalidInput:
    return InvalidInput(f"{entry.path} changed while the build context was read. Run the task again.")


def _by_path(entry: Entry) -> str:
    return entry.path


def _facts(entry: Entry) -> list[str]:
    return [entry.path, entry.kind, f"{entry.mode:o}", entry.target, entry.sha256]


def _digest(entries: Iterable[Entry]) -> str:
    return digest([_facts(entry) for entry in entries])


def _with_parents(entries: dict[str, Entry]) -> list[Entry]:
    """The entries in the order of their paths, each after the folders that it lies in."""
    complete = dict(entries)
    for path in entries:
        parent = posixpath.dirname(path)
        while parent and parent not in complete:
            complete[parent] = Entry(parent, FOLDER, 0o755)
            parent = posixpath.dirname(parent)
    return sorted(complete.values(), key=_by_path)


def _printable(path: str) -> str:
    """The path with bytes that are not UTF-8 spelled out: labels and results hold text."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _HashingReader(io.RawIOBase):
    """Passes a file through to the archive, and takes its digest on the way."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._sha = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._sha.update(data)
        return data

    def hexdigest(self) -> str:
        return self._sha.hexdigest()
