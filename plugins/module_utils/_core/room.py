# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much room a restore takes.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

_FACTOR = 1.1  # times the size of the backup: recovery writes as well


def needed(size: int) -> int:
    """Bytes that must be free for a backup of that size to be restored. Pure."""
    return int(size * _FACTOR)
