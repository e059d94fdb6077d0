# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that any call may end on: apart from the others, which a module that succeeds need not load.

Import them from errors.py, unless the time of an import matters.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, ClassVar


class HowdahError(Exception):
    """Base of all expected failures: something a user can act upon.

    :param message: what happened, why, and what to do, in one or a few sentences; no secrets.
    :param details: further machine-readable facts, returned next to the message; no secrets.
    """

    code: ClassVar[str] = "internal"
    number: ClassVar[int] = 1000

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


# --- 1001-1099: anywhere -------------------------------------------------------------------------


class InvalidInput(HowdahError):
    """An option has a value that cannot work."""

    code = "invalid_input"
    number = 1001


class DeadlineExceeded(HowdahError):
    """The wall-clock budget of the call is used up."""

    code = "timeout"
    number = 1002


class MissingLibrary(HowdahError):
    """A Python library that the module needs is not installed where the module runs."""

    code = "missing_library"
    number = 1003
