# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who belongs to a cluster of etcd, and what it takes to have one more or one less: pure.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Sequence

from .._core.errors import EtcdRefused, InvalidInput
from .._core.plan import Action, Plan


@dataclass(frozen=True)
class Member:
    """One member.

    :param identity: its number, as commands take it: hexadecimal.
    :param name: empty until it has started for the first time.
    :param peers: where other members reach it.
    """

    identity: str
    name: str
    peers: tuple[str, ...]


def parse(output: str) -> tuple[Member, ...]:
    """The members, as ``etcdctl member list`` writes them as JSON.

    :raises EtcdRefused: when this is no such list.
    """
    try:
        return tuple(
            Member(f"{given['ID']:x}", given.get("name", ""), tuple(given.get("peerURLs", ())))
            for given in json.loads(output)["members"]
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EtcdRefused(f"This is no list of members of etcd ({type(error).__name__}: {error}).") from error


def _find(members: Sequence[Member], name: str, peer: str | None) -> Member | None:
    """A member by its name, or one that was announced and has not started yet, by its address."""
    named = next((member for member in members if member.name == name), None)
    return named or next((member for member in members if not member.name and peer in member.peers), None)


def addition(members: Sequence[Member], name: str, peer: str) -> Plan:
    """The step that announces a member; none when it belongs to the cluster already.

    :raises InvalidInput: when a member of that name is reached elsewhere.
    """
    found = _find(members, name, peer)
    if found is None:
        return _plan(Action("announce", f"the member {name}", f"at {peer}"), members, [*_names(members), name])
    if peer not in found.peers:
        raise InvalidInput(
            f"{name} is a member of etcd at {', '.join(found.peers)}, and not at {peer}. Have it leave under its old"
            " address (state: absent), and join again."
        )
    return Plan()


def removal(members: Sequence[Member], name: str, peer: str | None = None) -> tuple[Plan, Member | None]:
    """The step that removes a member, and which one it is; none when it does not belong to the cluster.

    :raises InvalidInput: when it is the only one.
    """
    found = _find(members, name, peer)
    if found is None:
        return Plan(), None
    if len(members) == 1:
        raise InvalidInput(f"{name} is the only member of etcd: without it, there is none.")
    rest = [one for one in _names(members) if one != name]
    return _plan(Action("remove", f"the member {name}", f"{len(rest)} stay"), members, rest), found


def initial_cluster(members: Sequence[Member], name: str, peer: str) -> str:
    """What a member that joins has to be told: everybody's name and address.

    :param name: the one that joins, which tells its own name only when it starts.
    """
    return ",".join(
        f"{member.name or (name if peer in member.peers else member.identity)}={url}"
        for member in members
        for url in member.peers
    )


def _names(members: Sequence[Member]) -> list[str]:
    return sorted(member.name or member.identity for member in members)


def _plan(action: Action, members: Sequence[Member], after: Sequence[str]) -> Plan:
    return Plan((action,), {"members": _names(members)}, {"members": sorted(after)})
