# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an engine holds containers to their limits. Of memory, one that cannot only warns, and goes on without.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Mapping

from .._core.deadline import Deadline
from .._core.errors import LimitDiscarded
from .direct import fetch

if TYPE_CHECKING:
    from .direct import Engine
    from .reconcile import ContainerPlan

# "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded." Of swap
# it says "Memory limited without swap", which is as good as one gets there.
_DISCARDED = re.compile(r"memory limit capabilities.*discarded", re.IGNORECASE)


def discarded(name: str) -> LimitDiscarded:
    """The error of container ``name`` that would run without its limit."""
    return LimitDiscarded(
        f"Container {name} cannot be held to its limit of memory: the kernel of the engine's host has no memory cgroup,"
        " and the engine would run it without a limit. Boot that kernel with cgroup_enable=memory, or declare no limit."
    )


def check(name: str, answer: Mapping[str, Any]) -> None:
    """Whether the engine has taken the limits of container ``name``; else each run would find them missing.

    :param answer: to the request that declared them.
    :raises LimitDiscarded: when it has not.
    """
    if any(_DISCARDED.search(warning) for warning in answer.get("Warnings") or ()):
        raise discarded(name)


def forecast(engine: Engine, name: str, decided: ContainerPlan, deadline: Deadline) -> LimitDiscarded | None:
    """The error that a plan would fail with; None if it sets no limit, or the engine can hold the container to it."""
    if not decided.plan.after.get("memory"):
        return None
    told = fetch(engine, "/info", deadline, "asking the engine for what it can limit") or {}
    return None if told.get("MemoryLimit", True) else discarded(name)
