# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni, and the programs that it starts, print: turned into log lines of our form."""
from __future__ import annotations

import json
import re
from typing import Any

from .lines import LEVELS_OF_SERVER, Cutter, classify
from .logs import Log, put

# Python's names of levels → ours.
_LEVELS = {"DEBUG": "DEBUG", "INFO": "INFO", "WARNING": "WARN", "ERROR": "ERROR", "CRITICAL": "ERROR"}
# Patroni itself, before it has read how it is to log.
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]+): (.*)", re.DOTALL)
# PostgreSQL's programs.
_PROGRAM = re.compile(r"(initdb|pg_[a-z]+): (error|fatal|warning|detail|hint): +(.*)", re.DOTALL)
_TRACEBACK = "Traceback (most recent call last):"


class PatroniLines(Cutter):
    """Cuts one stream into lines and logs them.

    :param level: of lines that do not tell theirs.
    """

    def __init__(self, log: Log, level: str) -> None:
        super().__init__()
        self._log = log
        self._plain = level
        self._level = level
        self._traceback: list[str] = []

    def end(self) -> None:
        """The stream has ended."""
        super().end()
        if self._traceback:
            self._failed(self._traceback[-1])

    def write(self, raw: bytes) -> None:
        """Log one line."""
        text = raw.decode("utf-8", "replace").rstrip()
        if self._traceback or text == _TRACEBACK:
            self._collect(text)
        elif text.startswith("{") and self._own(text):
            return
        elif text.strip():
            self._foreign(text.strip())

    def _own(self, text: str) -> bool:
        """Whether it is a line of Patroni's logger, or one of ours already."""
        try:
            entry: dict[str, Any] = json.loads(text)
            if "component" in entry:
                put(2, text.encode("utf-8") + b"\n")
                return True
            level = _LEVELS[entry.pop("levelname")]
            message, event, created = entry.pop("message"), entry.pop("module"), float(entry.pop("created"))
        except (ValueError, KeyError, TypeError):
            return False
        self._log.write(level, event, message, component="patroni", at=created, **entry)
        return True

    def _foreign(self, text: str) -> None:
        plain, program = _PLAIN.fullmatch(text), _PROGRAM.fullmatch(text)
        if plain is not None:
            self._level = _LEVELS.get(plain.group(1), self._plain)
            self._log.write(self._level, "raw", plain.group(2), component="patroni")
        elif program is not None:
            name, word, message = program.groups()
            told = LEVELS_OF_SERVER.get(word.upper())
            self._level = told or self._level
            message = message if told else f"{word.upper()}: {message}"
            self._log.write(self._level, "raw", message, component=name)
        else:
            self._level, message = classify(text, self._level, self._plain)
            self._log.write(self._level, "raw", message, component="patroni")

    def _collect(self, text: str) -> None:
        """The lines of a traceback are one event; the first line that is not indented ends it."""
        if not self._traceback or text.startswith(" "):
            self._traceback.append(text)
        elif text:
            self._failed(text)

    def _failed(self, cause: str) -> None:
        lines, self._traceback = self._traceback, []
        self._log.write(
            "ERROR", "failed", f"Patroni failed: {cause}", component="patroni", traceback="\n".join([*lines, cause])
        )
