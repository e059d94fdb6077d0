# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wall-clock budget that is handed through every layer of a call.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Callable

from .basic_errors import DeadlineExceeded, InvalidInput


class Deadline:
    """A point in time after which a call must have returned.

    :param seconds: the budget in seconds, counted from now; more than 0.
    :param clock: a monotonic clock in seconds; only tests give another one.
    :param spent: seconds of the budget that an earlier part of the same call has used.
    :raises InvalidInput: when the budget is not more than 0.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic, spent: float = 0.0) -> None:
        if not seconds > 0:
            raise InvalidInput(f"A timeout must be more than 0 seconds; got {seconds:g}.")
        self.seconds = seconds
        self._clock = clock
        self._start = clock() - spent

    def elapsed(self) -> float:
        """Seconds since the budget was given."""
        return self._clock() - self._start

    def left(self) -> float:
        """Seconds that are left; 0.0 once the deadline has passed, never negative."""
        return max(0.0, self.seconds - self.elapsed())

    def expired(self) -> bool:
        """Whether nothing is left."""
        return self.left() <= 0.0

    def check(self, doing: str) -> float:
        """The seconds that are left.

        :param doing: what the call is about to do, or waits for, as it completes "while …".
        :raises DeadlineExceeded: when nothing is left.
        """
        left = self.left()
        if left <= 0.0:
            end = "" if doing.endswith(("?", ".")) else "."
            raise DeadlineExceeded(f"The time limit of {self.seconds:g} s was reached while {doing}{end}", doing=doing)
        return left
