# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests of an area take turns: files may run side by side, and those of one area use the same names."""

from __future__ import annotations

import fcntl
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

_TRIES = 3000
_PAUSE = 0.1  # seconds


@contextmanager
def turn(area: str) -> Iterator[None]:
    """Nobody else of the area runs meanwhile; waits for at most five minutes."""
    with (Path(tempfile.gettempdir()) / f"howdah-{area}-tests.lock").open("w") as lock:
        for _try in range(_TRIES):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE)
        else:
            raise AssertionError(f"Another test of the area {area} does not come to an end.")
        yield
