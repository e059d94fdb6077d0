# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old an image is, in what counts for security updates.

The time at which an image was made says little: when nothing but its last file has changed, everything below it, the
packages first of all, comes from the build cache. What counts is when the oldest of its own steps really ran.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from .._core.deadline import Deadline
from .direct import fetch
from .image_marks import INPUTS_LABEL
from .values import nanoseconds

if TYPE_CHECKING:
    from .direct import Engine

_DAY = 86400.0
History = Sequence[Mapping[str, Any]]


def oldest_step(history: History, bases: Sequence[History]) -> float | None:
    """When the oldest step ran that the image does not have from a base; seconds since 1970. Pure.

    :param history: of the image, newest first, as the engine tells it.
    :param bases: histories of what it may be built upon.
    """
    steps = list(reversed(history))
    inherited = max((_common(steps, list(reversed(base))) for base in bases), default=0)
    return min((step["Created"] for step in steps[inherited:] if step["Created"] > 0), default=None)


def built_at(engine: Engine, deadline: Deadline, image: Mapping[str, Any]) -> float:
    """The same for an image as the engine describes it; its creation where the bases are not on the engine."""
    created: float = nanoseconds(image["Created"]) / 1e9
    bases = [base for base in _bases(image) if base]
    histories = [_history(engine, deadline, base) for base in bases]
    if bases and not any(histories):
        return created
    oldest = oldest_step(_history(engine, deadline, image["Id"]), histories)
    return created if oldest is None else min(oldest, created)


def days(since: float) -> float:
    """Days from a point in time until now, never negative."""
    return max(0.0, time.time() - since) / _DAY


def _common(steps: History, base: History) -> int:
    """How many steps the base gave."""
    if len(base) > len(steps):
        return 0
    alike = all(mine[key] == its[key] for mine, its in zip(steps, base) for key in ("Created", "CreatedBy"))
    return len(base) if alike else 0


def _bases(image: Mapping[str, Any]) -> list[str]:
    labels = (image.get("Config") or {}).get("Labels") or {}
    try:
        return [str(base) for base in (json.loads(labels.get(INPUTS_LABEL, "")).get("bases") or {}).values() if base]
    except (ValueError, AttributeError):
        return []


def _history(engine: Engine, deadline: Deadline, image: str) -> History:
    found: History | None = fetch(engine, f"/images/{image}/history", deadline, "reading the history of an image")
    return found or []
