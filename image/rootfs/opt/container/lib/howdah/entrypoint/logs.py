# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines of ours: one JSON object each, on standard error, written whole."""
from __future__ import annotations

import json
import os
import sys
import time
from types import TracebackType
from typing import Any

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


def line(
    level: str, component: str, event: str, message: str, fields: dict[str, Any], at: float | None = None
) -> bytes:
    """One log line, with its end.

    :param fields: more facts for machines; left out when empty.
    :param at: when it was said, in seconds since 1970; None: now.
    """
    now = time.time() if at is None else at
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    entry: dict[str, Any] = {
        "time": stamp,
        "level": level,
        "component": component,
        "event": event,
        "message": message,
    }
    if fields:
        entry["fields"] = fields
    # ASCII: what the environment holds need not be UTF-8, and a log line must be.
    return json.dumps(entry, ensure_ascii=True).encode("ascii") + b"\n"


def tell_of_crashes(component: str) -> None:
    """Have a mistake of ours, which ends the program, be one log line as well.

    Of its text only the system's part is shown: the rest may quote what the environment holds.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        places = []
        while trace is not None:
            places.append(f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}")
            trace = trace.tb_next
        said = f": {error.strerror}: {error.filename}" if isinstance(error, OSError) else ""
        message = f"This is a mistake in the image, please report it: {kind.__name__}{said}."
        put(2, line("ERROR", component, "crash", message, {"places": places}))

    sys.excepthook = hook


def put(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        pass  # nobody reads the container's log: no reason to stop a database


class Log:
    """Writes lines that are at least as grave as a level.

    :param level: one of LEVELS.
    :param component: who speaks.
    :param descriptor: where to; standard error.
    """

    def __init__(self, level: str = "INFO", component: str = "entrypoint", descriptor: int = 2) -> None:
        self.level = level
        self._component = component
        self._descriptor = descriptor

    def write(
        self,
        level: str,
        event: str,
        message: str,
        component: str | None = None,
        at: float | None = None,
        **fields: Any,
    ) -> None:
        """Write one line, unless the level hides it."""
        if LEVELS.index(level) < LEVELS.index(self.level):
            return
        data = line(level, component or self._component, event, message, fields, at)
        put(self._descriptor, data)

    def debug(self, event: str, message: str, **fields: Any) -> None:
        """For people who look for a fault."""
        self.write("DEBUG", event, message, **fields)

    def info(self, event: str, message: str, **fields: Any) -> None:
        """What happened."""
        self.write("INFO", event, message, **fields)

    def warn(self, event: str, message: str, **fields: Any) -> None:
        """What somebody should look at."""
        self.write("WARN", event, message, **fields)

    def error(self, event: str, message: str, **fields: Any) -> None:
        """What somebody must look at."""
        self.write("ERROR", event, message, **fields)
