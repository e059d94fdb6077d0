# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw text on its way to the log: cut into lines, given a level, wrapped in JSON."""
from __future__ import annotations

import re

from .logs import Log, put

_LONGEST = 65536
_WORDS = r"DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION|BACKTRACE"
_STAMPED = re.compile(
    rf"(?:\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \S+ \[\d+\] )?({_WORDS}): +(.*)", re.DOTALL
)
# What psql passes on of a file, with the place in it; its own complaints are in small letters.
_PLACED = re.compile(rf"(psql:.+?:\d+: )((?i:{_WORDS})): +(.*)", re.DOTALL)
LEVELS_OF_SERVER = {
    "LOG": "INFO",
    "INFO": "INFO",
    "NOTICE": "INFO",
    "WARNING": "WARN",
    "ERROR": "ERROR",
    "FATAL": "ERROR",
    "PANIC": "ERROR",
}
# What the server says when its collector takes over: true, and of no use to anybody.
_HANDOVER = re.compile("redirecting log output to logging collector|ending log output to stderr|Future log output ")


def classify(text: str, previous: str, plain: str) -> tuple[str, str]:
    """The level and the message of a raw line. Pure.

    :param previous: the level of the line before, which a DETAIL or a HINT belongs to.
    :param plain: the level of a line that does not tell its own.
    """
    placed = _PLACED.fullmatch(text)
    if placed is not None:
        place, word, said = placed.groups()
        level, message = classify(f"{word.upper()}: {said}", previous, plain)
        return level, place + message
    match = _STAMPED.fullmatch(text)
    if match is None:
        return plain, text
    word, message = match.groups()
    if _HANDOVER.match(message) or word.startswith("DEBUG"):
        return "DEBUG", message
    return (LEVELS_OF_SERVER[word], message) if word in LEVELS_OF_SERVER else (previous, f"{word}: {message}")


class Sieve:
    """Passes JSON lines of the server on, but for its news: messages of the severity LOG.

    :param descriptor: where to.
    """

    # Between quotes of a string it would read \"error_severity\".
    _NEWS = b'"error_severity":"LOG"'

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._shown: bool | None = None

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._pass(line + b"\n")
            self._shown = None
        if len(self._rest) > _LONGEST:
            self._pass(self._rest)  # the severity comes before anything that is long
            self._rest = b""

    def end(self) -> None:
        """The stream has ended."""
        self._pass(self._rest)
        self._rest = b""

    def _pass(self, piece: bytes) -> None:
        if self._shown is None:
            self._shown = self._NEWS not in piece
        if self._shown:
            put(self._descriptor, piece)


class Cutter:
    """Cuts one stream into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self.write(line)

    def end(self) -> None:
        """The stream has ended."""
        self.write(self._rest)
        self._rest = b""

    def write(self, raw: bytes) -> None:
        """Take one line, without its end."""
        raise NotImplementedError


class Wrapper(Cutter):
    """Cuts one stream into lines and logs them.

    :param component: who speaks.
    :param level: of lines that do not tell theirs.
    """

    def __init__(self, log: Log, component: str, level: str) -> None:
        super().__init__()
        self._log = log
        self._component = component
        self._plain = level
        self._level = level

    def write(self, raw: bytes) -> None:
        """Log one line."""
        text = raw.decode("utf-8", "replace").strip()
        if text:
            self._level, message = classify(text, self._level, self._plain)
            self._log.write(self._level, "raw", message, component=self._component)
