# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moves shards: the plan of it, and how far it has come. Pure.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping, Sequence

from .._core.errors import DrainRefused, InvalidInput
from .._core.plan import Action, Plan
from .model import COORDINATOR, Node, running


def to_drain(known: Sequence[Node], groups: Sequence[int]) -> list[Node]:
    """The nodes that are to be emptied.

    :raises InvalidInput: for groups that Citus does not know, and the coordinator's.
    :raises DrainRefused: when there would be no node left to take their shards.
    """
    primaries = [node for node in known if node.role == "primary"]
    unknown = sorted(set(groups) - {node.group for node in primaries})
    if unknown:
        raise InvalidInput(f"Citus does not know of the groups {', '.join(map(str, unknown))}.")
    if COORDINATOR in groups:
        raise InvalidInput("Group 0 is the coordinator's: without it there is no formation.")
    if groups and not [node for node in primaries if node.takes_shards and node.group not in groups]:
        raise DrainRefused(
            f"No node would be left that takes the shards of {_groups(groups)}: nothing was done. Add a group first."
        )
    return [node for node in primaries if node.group in groups]


def rebalance_plan(
    known: Sequence[Node],
    held: Sequence[Mapping[str, Any]],
    moves: Sequence[Mapping[str, Any]],
    jobs: Sequence[Mapping[str, Any]],
    drained: Sequence[Node],
) -> Plan:
    """The steps; none where all is balanced, or nothing is left on what is to be drained.

    :param drained: of :func:`to_drain`.
    """
    actions = [Action("put no more shards onto", node.address) for node in drained if node.takes_shards]
    # Of one job at a time Citus takes care; another is not begun beside it.
    actions += [Action("wait for", f"job {job['job_id']}", str(job["description"])) for job in running(jobs)]
    addresses = {node.address for node in drained}
    for row in held:
        if row["node"] in addresses and row["shards"]:
            actions.append(Action("move", f"{row['shards']} shards off {row['node']}"))
    if not drained:
        actions += [
            Action(
                "move",
                f"shard {move['shardid']} of {move['table_name']}",
                f"{move['sourcename']}:{move['sourceport']} to {move['targetname']}:{move['targetport']}",
            )
            for move in moves
        ]
    before = {row["node"]: row["shards"] for row in held}
    return Plan(tuple(actions), before, {"shards": "balanced"} if actions else before)


def needs_start(plan: Plan, jobs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a job has to be begun: there is something to move, and none is at work."""
    return not running(jobs) and any(action.verb == "move" for action in plan.actions)


def removal_plan(rows: Sequence[Mapping[str, Any]], group: int) -> Plan:
    """The steps by which a group is forgotten; none when Citus does not know it.

    :param rows: of pg_dist_node, each with the number of the ``shards`` of its group.
    :raises InvalidInput: for the coordinator's group.
    :raises DrainRefused: when data would be lost.
    """
    if group == COORDINATOR:
        raise InvalidInput("Group 0 is the coordinator's: without it there is no formation.")
    here = [row for row in rows if row["groupid"] == group]
    shards = max((row["shards"] for row in here), default=0)
    if shards:
        raise DrainRefused(
            f"Group {group} has {shards} shards: nothing was removed. Drain it first, and see that all of them moved."
        )
    if any(row["shouldhaveshards"] for row in here if row["noderole"] == "primary"):
        raise DrainRefused(f"Group {group} is empty, but takes shards: nothing was removed. Drain it first.")
    names = [f"{row['nodename']}:{row['nodeport']}" for row in here]
    actions = tuple(Action("remove node", name, f"group {group}") for name in names)
    return Plan(actions, {f"group {group}": names}, {f"group {group}": []})


def removal_steps(known: Sequence[Node], group: int) -> list[tuple[str, Node]]:
    """What can be done now to have a group forgotten, for each of its nodes; an empty step is to wait.

    A leader is disabled before it is removed, for Citus would have to reach one that is active. Nothing is removed
    until all others have the metadata. Followers go first: a leader is what they are registered with.
    """
    synced = all(node.synced for node in known if node.role == "primary" and node.group != group)
    steps = []
    for node in sorted((node for node in known if node.group == group), key=lambda node: node.role == "primary"):
        active = node.role == "primary" and node.active
        steps.append(("disable_node" if active else "remove_node" if synced else "", node))
    return steps


def progress(job: Mapping[str, Any]) -> str:
    """How far a job has come, for people."""
    tasks: Mapping[str, int] = job["tasks"]
    done, total = tasks.get("done", 0), sum(tasks.values())
    return f"job {job['job_id']} is {job['state']}: {done} of {total} moves done, {tasks.get('running', 0)} at work"


def _groups(groups: Sequence[int]) -> str:
    return ("group " if len(groups) == 1 else "groups ") + ", ".join(map(str, groups))
