# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom passwords of a formation are set on, and how what was set is told. Pure.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping, Sequence

from .._core.errors import FormationUnsettled
from .._core.plan import Action, Plan
from .._patroni.cluster import Cluster
from .model import COORDINATOR


def leaders(groups: Mapping[int, Cluster | None], some: bool = False) -> dict[int, str]:
    """``host:port`` of the leaders of all groups but the coordinator's.

    :param some: whether groups without one are left out.
    :raises FormationUnsettled: when a group has none: its password could not be changed with the others'.
    """
    lacking = [
        f"group {number} has no leader" if cluster else f"group {number} does not answer"
        for number, cluster in sorted(groups.items())
        if cluster is None or cluster.leader is None
    ]
    if lacking and not some:
        raise FormationUnsettled(
            f"Passwords are changed in all groups or in none, and {'; '.join(lacking)}: nothing was changed.",
            lacking=lacking,
        )
    return {
        number: f"{cluster.leader.host}:{cluster.leader.port}"
        for number, cluster in groups.items()
        if number != COORDINATOR and cluster and cluster.leader
    }


def plan_of(changes: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan that the agent's answer tells of."""
    subjects = [(_subject(change), str(change["reason"])) for change in changes]
    return Plan(
        tuple(Action("set", subject, reason) for subject, reason in subjects),
        dict(subjects),
        {subject: "as declared" for subject, _reason in subjects},
    )


def _subject(change: Mapping[str, Any]) -> str:
    if change["what"] == "password":
        return f"password of role {change['name']} in group {change['group']}"
    return f"password that group {change['group']} logs in with as role {change['name']}"
