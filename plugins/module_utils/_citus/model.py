# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Citus formation: what it is to be, as its groups' Patroni tells it, and what Citus says that it is. Pure.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from .._core.errors import InvalidInput
from .._patroni.cluster import Cluster

COORDINATOR = 0


@dataclass(frozen=True)
class Node:
    """A row of pg_dist_node.

    :param role: ``primary`` or ``secondary``.
    :param synced: whether it has the metadata, as Citus believes.
    """

    number: int
    group: int
    host: str
    port: int
    role: str
    active: bool
    synced: bool
    takes_shards: bool

    @property
    def address(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"

    def told(self) -> dict[str, Any]:
        """As a return value of a module."""
        return {
            "id": self.number,
            "group": self.group,
            "host": self.host,
            "port": self.port,
            "role": self.role,
            "active": self.active,
            "synced": self.synced,
            "takes_shards": self.takes_shards,
        }


def nodes(rows: Iterable[Mapping[str, Any]]) -> list[Node]:
    """The nodes that Citus knows."""
    return [
        Node(
            number=row["nodeid"],
            group=row["groupid"],
            host=row["nodename"],
            port=row["nodeport"],
            role=row["noderole"],
            active=bool(row["isactive"]),
            synced=bool(row["hasmetadata"]) and bool(row["metadatasynced"]),
            takes_shards=bool(row["shouldhaveshards"]),
        )
        for row in rows
    ]


def check_groups(groups: Iterable[int]) -> None:
    """Refuse groups that cannot be a formation.

    :raises InvalidInput: without a coordinator, or with numbers that Citus does not take.
    """
    numbers = sorted(groups)
    if COORDINATOR not in numbers:
        raise InvalidInput(f"There is no group 0, the coordinator's, among the groups {numbers}.")
    if numbers[0] < COORDINATOR:
        raise InvalidInput(f"Groups are numbered from 0 on; got {numbers[0]}.")


# --- Whether it is true --------------------------------------------------------------------------


def topology_lacks(groups: Mapping[int, Cluster | None], known: Sequence[Node]) -> list[str]:
    """In what pg_dist_node differs from who lives, a phrase each; nothing when it is the truth.

    :param groups: each group as its Patroni tells it; None for one that does not answer.
    """
    lacking: list[str] = []
    for group, cluster in sorted(groups.items()):
        if cluster is None or cluster.leader is None:
            lacking.append(f"group {group} has no leader" if cluster else f"group {group} does not answer")
            continue
        leader = cluster.leader
        here = [node for node in known if node.group == group]
        primaries = [node for node in here if node.role == "primary"]
        if [node.address for node in primaries] != [f"{leader.host}:{leader.port}"]:
            has = ", ".join(node.address for node in primaries) or "nobody"
            lacking.append(f"{leader.name} leads group {group}, and pg_dist_node has {has}")
        lacking += [f"{node.address} of group {group} is not active" for node in primaries if not node.active]
        lacking += [f"{node.address} of group {group} lacks the metadata" for node in primaries if not node.synced]
        followers = {
            f"{member.host}:{member.port}": member.name
            for member in cluster.members
            if not member.leads and member.serves and not member.tags.get("noloadbalance")
        }
        secondaries = {node.address for node in here if node.role == "secondary"}
        lacking += [
            f"{name} follows in group {group}, and pg_dist_node does not have it"
            for address, name in sorted(followers.items())
            if address not in secondaries
        ]
        lacking += [
            f"{address} is in pg_dist_node for group {group}, and nobody serves there"
            for address in sorted(secondaries - followers.keys())
        ]
    gone = sorted({node.group for node in known} - groups.keys())
    lacking += [f"pg_dist_node has group {group}, which is not declared" for group in gone]
    return lacking


def unhealthy(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Pairs of nodes that do not reach each other, a phrase each. Unknown is not healthy."""
    return [
        f"{row['from_nodename']}:{row['from_nodeport']} does not reach {row['to_nodename']}:{row['to_nodeport']}"
        if row["result"] is False
        else f"{row['from_nodename']}:{row['from_nodeport']} cannot be asked whether it reaches"
        f" {row['to_nodename']}:{row['to_nodeport']}"
        for row in rows
        if row["result"] is not True
    ]


# --- Balance -------------------------------------------------------------------------------------


def placements(known: Sequence[Node], rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each primary that takes shards holds; those that hold none included, and those that should not."""
    held = {(row["nodename"], row["nodeport"]): row for row in rows}
    told = []
    for node in known:
        if node.role != "primary":
            continue
        row = held.get((node.host, node.port))
        if row is None and not node.takes_shards:
            continue
        told.append(
            {
                "group": node.group,
                "node": node.address,
                "takes_shards": node.takes_shards,
                "shards": row["shards"] if row else 0,
                "size_bytes": row["size_bytes"] if row else 0,
            }
        )
    return told


def imbalance(held: Iterable[Mapping[str, Any]]) -> float | None:
    """By how much the fullest node exceeds the mean, as a fraction of the mean; 0.0 where all is even.

    By size, or by number of shards as long as they are all empty. None where nothing is distributed.
    """
    rows = [row for row in held if row["takes_shards"] or row["shards"]]
    for measure in ("size_bytes", "shards"):
        values = [row[measure] for row in rows]
        if sum(values):
            mean = sum(values) / len(values)
            return float(round(max(values) / mean - 1, 3))
    return None


def running(jobs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The background jobs that have not ended."""
    return [job for job in jobs if job["state"] not in ("finished", "cancelled", "failed")]
