# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build tells while it runs: its steps, their output, and which of them failed.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .trace import STDERR, Status

# The last lines of a failed step's output that the error shows.
TAIL = 15
# Of these, at least as many from standard error, if there are: a step's two streams come in any
# order, and the reason of a failure must not be pushed out by what was printed before it.
_TAIL_STDERR = 5
_LONGEST_LINE = 500
# No Dockerfile has that many; what comes beyond is not followed.
_MOST_STEPS = 10_000

_EXIT_CODE = re.compile(r"exit code: (\d+)")
# Colours, cursor movements and other control characters would play with the reader's terminal.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(line: str) -> str:
    """The line without control characters, and not endless."""
    return _CONTROL.sub("", line.replace("\t", " ")).rstrip()[:_LONGEST_LINE]


@dataclass
class _Step:
    name: str
    begun: bool = False
    ended: bool = False
    seconds: float = 0.0
    cached: bool = False
    error: str = ""
    heard: int = 0
    partial: dict[int, bytes] = field(default_factory=dict)
    lines: dict[int, deque[tuple[int, str]]] = field(default_factory=dict)

    @property
    def shown(self) -> bool:
        """Whether the step is one of the Dockerfile's, e.g. ``[2/5] RUN …``, and not BuildKit's own."""
        return self.name.startswith("[") and not self.name.startswith("[internal]")

    def hear(self, stream: int, data: bytes) -> str:
        """Take in output; the last line that is now complete, else empty."""
        stream = STDERR if stream == STDERR else 0
        *complete, rest = (self.partial.get(stream, b"") + data).replace(b"\r\n", b"\n").split(b"\n")
        self.partial[stream] = rest[-4 * _LONGEST_LINE :]
        last = ""
        for raw in complete:
            # A carriage return begins a line anew: of a progress bar, only the last state counts.
            line = printable(raw.rpartition(b"\r")[2].decode("utf-8", "replace"))
            if line:
                self.heard += 1
                self.lines.setdefault(stream, deque(maxlen=TAIL)).append((self.heard, line))
                last = line
        return last

    def tail(self) -> tuple[str, ...]:
        """The last lines, the unfinished ones included."""
        for stream in [stream for stream, rest in self.partial.items() if rest]:
            self.hear(stream, b"\n")
        errors = list(self.lines.get(STDERR, ()))
        newest = sorted((line for lines in self.lines.values() for line in lines), reverse=True)
        chosen = dict.fromkeys(errors[-_TAIL_STDERR:] + newest)  # each once, in order of importance
        return tuple(text for _number, text in sorted(list(chosen)[:TAIL]))


@dataclass(frozen=True)
class Failure:
    """Why a build failed.

    :param step: the failing step's name; empty when the build failed outside a step.
    :param exit_code: of the step's command; None when it has none.
    :param output: the step's last lines.
    """

    step: str
    exit_code: int | None
    output: tuple[str, ...]


class BuildLog:
    """Follows a build's trace. ``feed`` returns events for a progress display, as JSON-able dicts.

    Events have ``event``: ``start``, ``log`` or ``done``; ``step``: its name; ``number`` and ``of``:
    how many steps have begun, of how many known by now. ``log`` has ``line``; ``done`` has
    ``seconds``, ``cached`` and ``failed``.
    """

    def __init__(self) -> None:
        self._steps: dict[str, _Step] = {}
        self._shown = 0
        self._begun = 0

    def feed(self, status: Status) -> list[dict[str, Any]]:
        """Take in a message of the trace."""
        events: list[dict[str, Any]] = []
        for vertex in status.vertexes:
            if vertex.digest not in self._steps and len(self._steps) < _MOST_STEPS:
                step = self._steps[vertex.digest] = _Step(printable(vertex.name))
                self._shown += step.shown
        known = [vertex for vertex in status.vertexes if vertex.digest in self._steps]
        for vertex in known:
            step = self._steps[vertex.digest]
            if vertex.started is not None and not step.begun:
                step.begun = True
                self._begun += step.shown
                events += self._event("start", step)
            if vertex.completed is None:
                continue
            step.cached = step.cached or vertex.cached
            step.error = vertex.error or step.error
            # BuildKit reports a look into the cache as a run of its own: the longest is the step's.
            step.seconds = max(step.seconds, round(vertex.completed - (vertex.started or vertex.completed), 3))
        for output in status.outputs:
            speaker = self._steps.get(output.vertex)
            line = speaker.hear(output.stream, output.data) if speaker else ""
            if speaker and line:
                events += self._event("log", speaker, line=line)
        for vertex in known:
            step = self._steps[vertex.digest]
            if vertex.completed is not None and not step.ended:
                step.ended = True
                events += self._event(
                    "done", step, seconds=step.seconds, cached=step.cached, failed=bool(step.error)
                )
        return events

    def steps(self) -> list[dict[str, Any]]:
        """The Dockerfile's steps that ended: ``name``, ``seconds``, ``cached``."""
        return [
            {"name": step.name, "seconds": step.seconds, "cached": step.cached}
            for step in self._steps.values()
            if step.shown and step.ended
        ]

    def running(self) -> str:
        """The name of a step that has begun and not ended; empty when there is none."""
        running = [step for step in self._steps.values() if step.begun and not step.ended]
        return next((step.name for step in running if step.shown), running[0].name if running else "")

    def failure(self, message: str) -> Failure:
        """Find the step that failed.

        :param message: the build's final error. Steps that ran beside the failed one are cancelled
            and have errors too; the final error quotes the one that counts.
        """
        failed = [step for step in self._steps.values() if step.error]
        culprits = [step for step in failed if step.error in message] or failed
        if not culprits:
            return Failure("", None, ())
        step = culprits[0]
        code = _EXIT_CODE.search(step.error)
        return Failure(step.name, int(code.group(1)) if code else None, step.tail())

    def _event(self, event: str, step: _Step, **more: Any) -> list[dict[str, Any]]:
        if not step.shown:
            return []
        return [{"event": event, "step": step.name, "number": self._begun, "of": self._shown, **more}]
