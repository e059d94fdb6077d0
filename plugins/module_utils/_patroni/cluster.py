# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as Patroni tells it, and who in it may do what: pure.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Collection, Mapping, Sequence
from urllib.parse import urlsplit

from .._core.errors import InvalidInput, NoLeader, PatroniRefused

LEADERS = frozenset({"leader", "standby_leader"})
SYNCHRONOUS = frozenset({"sync_standby", "quorum_standby"})


@dataclass(frozen=True)
class Member:
    """A member as ``GET /cluster`` tells it.

    :param lag: bytes behind the leader; None when unknown, and for the leader itself.
    :param rest: host:port of its REST interface.
    :param pending: settings that wait for a restart, each with its old and new value; may be empty although pending.
    """

    name: str
    role: str
    state: str
    host: str
    port: int | None
    rest: str
    timeline: int | None
    lag: int | None
    pending_restart: bool
    pending: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)

    @property
    def leads(self) -> bool:
        """Whether it holds the leader's lock."""
        return self.role in LEADERS

    @property
    def serves(self) -> bool:
        """Whether it is a running leader, or a replica that follows one."""
        return self.state == "running" if self.leads else self.state == "streaming"

    def told(self) -> dict[str, Any]:
        """As a return value of a module."""
        return {
            "name": self.name,
            "role": self.role,
            "state": self.state,
            "host": self.host,
            "port": self.port,
            "rest": self.rest,
            "timeline": self.timeline,
            "lag": self.lag,
            "pending_restart": self.pending_restart,
            "pending": dict(self.pending),
            "tags": dict(self.tags),
        }


@dataclass(frozen=True)
class Cluster:
    """What ``GET /cluster`` tells.

    :param paused: whether automatic failover is switched off.
    :param scheduled: a switchover that is yet to come, as Patroni has it.
    """

    scope: str
    members: tuple[Member, ...]
    paused: bool = False
    scheduled: Mapping[str, Any] | None = None

    @property
    def leader(self) -> Member | None:
        """The member that holds the lock; None while nobody does."""
        return next((member for member in self.members if member.leads), None)

    def need_leader(self) -> Member:
        """The leader.

        :raises NoLeader: when there is none.
        """
        if self.leader is None:
            states = ", ".join(f"{member.name} {member.state}" for member in self.members) or "no members"
            raise NoLeader(f"The cluster {self.scope} has no leader ({states}). The log of each member tells why.")
        return self.leader

    def member(self, name: str) -> Member | None:
        """The member of that name."""
        return next((member for member in self.members if member.name == name), None)

    def told(self) -> dict[str, Any]:
        """As return values of a module."""
        return {
            "scope": self.scope,
            "leader": self.leader.name if self.leader else None,
            "paused": self.paused,
            "scheduled": dict(self.scheduled) if self.scheduled else None,
            "members": [member.told() for member in self.members],
        }


def parse(body: Mapping[str, Any]) -> Cluster:
    """The cluster in the answer to ``GET /cluster``.

    :raises PatroniRefused: when this is no such answer.
    """
    try:
        members = tuple(sorted((_member(given) for given in body["members"]), key=lambda member: member.name))
        return Cluster(
            str(body.get("scope", "")), members, bool(body.get("pause")), body.get("scheduled_switchover") or None
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise PatroniRefused(f"Patroni's answer about the cluster is none ({what}).") from error


def _member(given: Mapping[str, Any]) -> Member:
    lag = given.get("lag")
    return Member(
        name=given["name"],
        role=given["role"],
        state=given["state"],
        host=given.get("host", ""),
        port=given.get("port"),
        rest=urlsplit(given.get("api_url", "")).netloc,
        timeline=given.get("timeline"),
        lag=lag if isinstance(lag, int) else None,  # Patroni says "unknown" in words
        pending_restart=bool(given.get("pending_restart")),
        pending=given.get("pending_restart_reason") or {},
        tags=given.get("tags") or {},
    )


def not_ready(cluster: Cluster, expected: Sequence[str]) -> list[str]:
    """What a cluster lacks to be whole, a phrase each; nothing when it is.

    :param expected: names of the members that it is to have.
    """
    lacking = [] if cluster.leader else ["there is no leader"]
    for name in expected:
        member = cluster.member(name)
        if member is None:
            lacking.append(f"{name} has not joined")
        elif not member.serves:
            lacking.append(f"{name} is {member.state}")
    return lacking


def still_listed(cluster: Cluster, gone: Sequence[str]) -> list[str]:
    """Which former members a cluster has not forgotten yet, a phrase each; nothing when it has.

    :param gone: their names.
    """
    return [f"{name} is still listed, until its lease ends" for name in gone if cluster.member(name)]


def undeclared(cluster: Cluster, declared: Sequence[str]) -> list[str]:
    """Names of members that nobody has declared."""
    return [member.name for member in cluster.members if member.name not in declared]


# --- Switchover ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Handover:
    """From whom to whom the leadership is to go.

    :param fit: who may take over, the best one first.
    :param named: whether Patroni is to be told whom. Otherwise it takes the one of them that is first, which is faster:
        to a named one, all the others let two seconds pass before they follow it.
    """

    leader: Member
    fit: tuple[Member, ...]
    named: bool

    @property
    def to(self) -> str:
        """Who will lead, as far as that is known beforehand."""
        return self.fit[0].name if self.named else " or ".join(member.name for member in self.fit)

    def request(self) -> dict[str, str]:
        """The body of the request."""
        return {"leader": self.leader.name, **({"candidate": self.fit[0].name} if self.named else {})}


def choose(
    cluster: Cluster, candidate: str | None, leader: str | None = None, passed_over: Collection[str] = ()
) -> Handover | None:
    """From whom to whom the leadership is to go; None when the candidate has it already.

    :param candidate: the wanted one; without it any that may take over.
    :param leader: the one that is expected to lead; without it whoever does.
    :param passed_over: names of members that are not to take over, unless one is the candidate.
    :raises InvalidInput: when there is no member of that name.
    :raises PatroniRefused: when the candidate cannot lead, or another one leads than expected.
    """
    current = cluster.need_leader()
    if candidate is not None:
        wanted = cluster.member(candidate)
        if wanted is None:
            names = ", ".join(member.name for member in cluster.members)
            raise InvalidInput(f"The cluster {cluster.scope} has no member {candidate}; it has {names}.")
        if wanted == current:
            return None
    if leader is not None and leader != current.name:
        raise PatroniRefused(f"{current.name} leads the cluster {cluster.scope}, and not {leader}: nothing was done.")
    if cluster.paused:
        raise PatroniRefused(f"The cluster {cluster.scope} is paused: resume it first.")
    if candidate is not None and wanted is not None:
        why = _unfit(cluster, wanted)
        if why:
            raise PatroniRefused(f"{wanted.name} cannot take over: {why}.", member=wanted.name)
        return Handover(current, (wanted,), True)
    able = [member for member in cluster.members if member != current and not _unfit(cluster, member)]
    fit = [member for member in able if member.name not in passed_over]
    if able and not fit:
        raise PatroniRefused(f"Nobody but {', '.join(member.name for member in able)} could take over, and is not to.")
    if not fit:
        whys = "; ".join(f"{member.name}: {_unfit(cluster, member)}" for member in cluster.members if member != current)
        raise PatroniRefused(f"No member of {cluster.scope} can take over ({whys or 'there is no other one'}).")
    # Patroni does not look at whether one waits for a restart, and knows of none that is to be passed over; who is not
    # fit now may be when it chooses.
    differ = len({member.pending_restart for member in fit}) > 1 or bool(passed_over)
    ordered = tuple(sorted(fit, key=_preference))
    return Handover(current, ordered[:1] if differ else ordered, differ)


def _preference(member: Member) -> tuple[bool, int, int, str]:
    """Small for who should lead: nothing to restart, then least lag, then the user's priority, then the name."""
    lag = member.lag if member.lag is not None else 1 << 62
    return member.pending_restart, lag, -int(member.tags.get("failover_priority", 1)), member.name


def _unfit(cluster: Cluster, member: Member) -> str:
    """Why a member must not lead; empty if it may."""
    if member.state != "streaming":
        return f"it is {member.state}, not streaming"
    if member.tags.get("nofailover") or member.tags.get("failover_priority") == 0:
        return "its tags forbid it"
    if any(other.role in SYNCHRONOUS for other in cluster.members) and member.role not in SYNCHRONOUS:
        return "it is not synchronous, so it may lack transactions"
    return ""


# --- Restarts ------------------------------------------------------------------------------------


_NEVER_LESS_THAN_THE_LEADER = frozenset(
    {
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_wal_senders",
        "max_worker_processes",
    }
)


@dataclass(frozen=True)
class Step:
    """One step of a rolling restart: ``restart`` a member, or ``switchover`` from it to another."""

    verb: str
    member: Member
    handover: Handover | None = None


def next_restart(cluster: Cluster, names: frozenset[str], passed_over: Collection[str] = ()) -> Step | None:
    """The next step to restart these members: replicas first; a leader hands over before, if anybody can take over.

    Where a setting becomes smaller that replicas need at least as large as the leader, the leader is first, in place.

    :param names: those that are still to be restarted.
    :param passed_over: names of members that are not to take over.
    """
    todo = [member for member in cluster.members if member.name in names]
    for member in todo:
        if member.leads and _shrinks(member):
            return Step("restart", member)
    for member in todo:
        if not member.leads:
            return Step("restart", member)
    for member in todo:
        try:
            chosen = choose(cluster, None, passed_over=passed_over)
        except PatroniRefused:
            return Step("restart", member)  # alone, or nobody is fit
        if chosen is None or chosen.fit[0].pending_restart:
            return Step("restart", member)
        return Step("switchover", member, chosen)
    return None


def _shrinks(member: Member) -> bool:
    """Whether a setting becomes smaller that a replica can have smaller only after its leader has."""
    return any(
        str(change.get("new_value")).isdigit()
        and str(change.get("old_value")).isdigit()
        and int(change["new_value"]) < int(change["old_value"])
        for name, change in member.pending.items()
        if name in _NEVER_LESS_THAN_THE_LEADER and isinstance(change, Mapping)
    )
