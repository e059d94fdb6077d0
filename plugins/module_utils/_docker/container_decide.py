# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observing and planning: all that check mode, and a container with nothing to do, need.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.deadline import Deadline
from . import observe, reconcile
from .observe import Observed
from .reconcile import ContainerPlan
from .spec import Wish

if TYPE_CHECKING:
    from .direct import Engine


def decide(client: Engine, wish: Wish, deadline: Deadline) -> tuple[Observed, ContainerPlan]:
    """What there is, and what is to be done; changes nothing.

    :raises HowdahError: when the wish cannot be granted; see :func:`.reconcile.plan`.
    """
    observed = observe.observe(client, wish, deadline)
    if reconcile.needs_surroundings(wish, observed):
        observed = observe.look_around(client, wish, observed, deadline)
    return observed, reconcile.plan(wish, observed)
