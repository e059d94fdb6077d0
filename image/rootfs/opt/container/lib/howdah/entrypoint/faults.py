# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a container does not start: in words, all at once."""
from __future__ import annotations

from typing import NamedTuple

# EX_CONFIG of sysexits.h: starting again with the same settings cannot help.
STATUS_REFUSED = 78
STATUS_FAILED = 1


class Fault(NamedTuple):
    """One thing that cannot work.

    :param event: its name, for machines.
    :param message: what it is, why, and what to do; no secrets.
    """

    event: str
    message: str


class Refused(Exception):
    """The container cannot start as it was asked to."""

    def __init__(self, *faults: Fault, status: int = STATUS_REFUSED) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults
        self.status = status


class Stopped(Exception):
    """The container was asked to stop before the server ran."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
