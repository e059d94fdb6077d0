# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a build's progress travels: JSON lines in a file, written by the module, shown by its action plugin.

A module has no way to the terminal, and its result comes at the end; a file that both can reach is
the one channel that every connection has.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
import os
import re
import time
from typing import Any, Callable, Mapping

from .build_log import printable

_CLEAR_LINE = "\r\x1b[K"
_MOUNTS = re.compile(r"--mount=\S+\s+")
_LONGEST_HEADLINE = 100


def headline(step: str) -> str:
    """A step's name as one short line: without its mounts, which come first and say the least."""
    text = printable(" ".join(_MOUNTS.sub("", step).split()))
    return text if len(text) <= _LONGEST_HEADLINE else text[: _LONGEST_HEADLINE - 1] + "…"


class ProgressWriter:
    """Appends events to a file that the action plugin made.

    :param path: the file; None to write nothing.
    """

    def __init__(self, path: str | None) -> None:
        self._file = -1
        if path is not None:
            try:
                # Not created here: as root in another user's sticky folder, the kernel would refuse.
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
            except OSError:
                pass  # a build without a display is better than none

    def __call__(self, event: Mapping[str, Any]) -> None:
        if self._file < 0:
            return
        try:
            os.write(self._file, json.dumps(event).encode("ascii") + b"\n")
        except OSError:
            self._file = -1

    def end(self) -> None:
        """Tell that nothing will follow: who looks from afar need not wait for the process to end."""
        self({"event": "end"})


class ProgressView:
    """Turns what is in the file into lines for people.

    :param prefix: begins each line, e.g. the host's name.
    :param show: shows one line; gets the text, and whether it ends with a newline.
    :param columns: the terminal's width, to rewrite one line in place; None for a line a step.
    :param clock: seconds.

    ``ended`` tells whether the module has said that nothing will follow.
    """

    def __init__(
        self,
        prefix: str,
        show: Callable[[str, bool], None],
        columns: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ended = False
        self._prefix = prefix
        self._show = show
        self._columns = columns
        self._clock = clock
        self._rest = b""
        self._current: dict[str, Any] = {}
        self._since: dict[str, float] = {}
        self._line = ""

    def feed(self, data: bytes) -> None:
        """Take in what was appended to the file."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # torn by a full disk
            if isinstance(event, dict):
                self._hear(event)

    def tick(self) -> None:
        """Refresh the line in place; call it a few times a second."""
        if self._columns is None or not self._current:
            return
        event = self._current
        seconds = self._clock() - self._since[event["step"]]
        text = f"{self._prefix}step {event['number']} of {event['of']}, {seconds:.0f} s: {headline(event['step'])}"
        if event.get("line"):
            # Both the step and what it printed last shall be seen.
            text = f"{text[: self._columns * 6 // 10]} | {event['line']}"
        self._rewrite(printable(text)[: self._columns])

    def close(self) -> None:
        """Take the line in place away."""
        self._rewrite("")

    def _hear(self, event: dict[str, Any]) -> None:
        if event.get("event") == "end":
            self.ended = True
            return
        step = str(event.get("step"))
        self._since.setdefault(step, self._clock())
        if event.get("event") == "done":
            if self._current.get("step") == step:
                self._current = {}
            if self._columns is None:
                took = "cached" if event.get("cached") else f"{event.get('seconds', 0):.1f} s"
                took = "failed" if event.get("failed") else took
                self._show(f"{self._prefix}{headline(step)} ({took})", True)
        else:
            self._current = {"number": 0, "of": 0, "step": step, **event}

    def _rewrite(self, line: str) -> None:
        if line != self._line:
            self._show(_CLEAR_LINE + line, False)
            self._line = line
