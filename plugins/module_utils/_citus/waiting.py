# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a formation is what its groups are.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Any

from .._core.deadline import Deadline
from .._core.errors import CitusMissing, DeadlineExceeded, FormationUnsettled, HowdahError, NotTheCoordinator
from .model import Node, nodes, topology_lacks, unhealthy
from .observe import Formation

_PAUSE = 0.5
# Checking the connections of a formation with a dead node takes as long as connecting to it may.
_LOOK_SECONDS = 15.0
_HOPEFUL_SECONDS = 5.0
# With less time left nobody is asked any more: a limit hit in a question would hide what is lacking.
_LAST_ASK_SECONDS = 2.0


def wait(formation: Formation, deadline: Deadline, once: bool) -> tuple[dict[str, Any], list[Node], list[str]]:
    """What Citus tells once it is the truth: all of it, the nodes, and what is lacking, which is nothing.

    :param once: look once and do not wait; then something may be lacking.
    :raises CitusMissing: when the database has no Citus: nobody will make it now.
    :raises NotTheCoordinator: when the container does not lead any more.
    :raises FormationUnsettled: when it takes too long; the message tells what is lacking.
    """
    lacking: list[str] = []
    hopeful = not once
    while True:
        before = lacking
        facts: dict[str, Any] = {"version": None, "nodes": []}
        known: list[Node] = []
        try:
            # Mostly all is well, and one question tells. Where it is not, connecting every node with every other one
            # takes its time: then that comes last, and only where it may succeed.
            parts, seconds = (["health"], _HOPEFUL_SECONDS) if hopeful else ([], _LOOK_SECONDS)
            facts = formation.facts(parts, seconds, groups=True)
            known = nodes(facts["nodes"])
            lacking = topology_lacks(facts["live"], known)
            if not lacking:
                asked = facts if hopeful else formation.facts(["health"], _LOOK_SECONDS)
                lacking = unhealthy(asked["health"])
        except (CitusMissing, NotTheCoordinator):
            raise
        except DeadlineExceeded as error:
            if deadline.expired() and not before:
                raise
            # What was lacking a moment ago tells more than that there was no time to look again.
            lacking = before if deadline.expired() else [error.message]
        except HowdahError as error:
            lacking = [error.message]
        if not lacking or once:
            return facts, known, lacking
        if hopeful:
            hopeful = False
            continue
        if deadline.left() <= _LAST_ASK_SECONDS + _PAUSE:
            raise FormationUnsettled(
                f"The time limit of {deadline.seconds:g} s was reached while waiting for the formation:"
                f" {'; '.join(lacking)}.",
                lacking=lacking,
            )
        time.sleep(_PAUSE)
