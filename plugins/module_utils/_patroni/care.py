# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a cluster to take care of it: a replica made anew, automatic failover switched off and on.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Any, Sequence

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, InvalidInput, PatroniRefused, RestUnreachable
from .._core.plan import Action, Plan
from .cluster import Cluster, Member
from .rest import Rest

_PAUSE = 0.3
_REINIT_SECONDS = 60.0
# None: Patroni does not tell.
_FOLLOWS = ("streaming", None)
# With less time left nobody is asked any more: a limit hit in a question would hide what is lacking.
_LAST_ASK_SECONDS = 1.0


# --- A replica made anew -------------------------------------------------------------------------


def replica(cluster: Cluster, name: str) -> Member:
    """The replica of that name, which may be made anew.

    :raises InvalidInput: when there is no such member, or it leads.
    :raises NoLeader: when there is nobody to copy from.
    """
    member = cluster.member(name)
    if member is None:
        names = ", ".join(member.name for member in cluster.members)
        raise InvalidInput(f"The cluster {cluster.scope} has no member {name}; it has {names}.")
    if cluster.need_leader() == member:
        raise InvalidInput(
            f"{name} leads the cluster {cluster.scope}: there is nobody to copy from. Switch over first."
        )
    return member


def reinit_plan(cluster: Cluster, member: Member) -> Plan:
    """The one step."""
    leader = cluster.need_leader().name
    action = Action("make", f"{member.name} anew", f"from {leader}, was {member.state}")
    return Plan((action,), {member.name: "its data"}, {member.name: f"a copy of {leader}"})


def reinit(rest: Rest, member: Member, deadline: Deadline) -> Cluster:
    """Have it copied, and wait until it follows the leader.

    :raises PatroniRefused: when Patroni does not do it.
    :raises ClusterFailed: when waiting is in vain.
    """
    from .waiting import wait

    before = _started(rest, member)
    body = {"force": True, "from-leader": True}
    rest.must("POST", "/reinitialize", member.rest, body, _REINIT_SECONDS, f"make {member.name} anew")

    def lacking(cluster: Cluster) -> list[str]:
        # Until the old server is stopped, it looks as if nothing were to be waited for.
        seen = cluster.member(member.name)
        since = _started(rest, seen) if seen is not None and seen.serves else None
        return [] if since not in (None, before) else [f"{member.name} is not a new copy yet"]

    cluster, _whole = wait(rest, [member.name], (), deadline, False, lacking)
    return cluster or rest.cluster()


def _started(rest: Rest, member: Member) -> Any:
    """When its server was started; None when it cannot be asked, or has none that serves.

    It is asked itself: of what it tells the others, they hear a round later.
    """
    try:
        _status, body = rest.ask("GET", "/patroni", member.rest)
    except RestUnreachable:
        return None
    if not isinstance(body, dict) or body.get("state") != "running" or body.get("replication_state") not in _FOLLOWS:
        return None
    return body.get("postmaster_start_time")


# --- Automatic failover --------------------------------------------------------------------------


def pause_plan(cluster: Cluster, paused: bool) -> Plan:
    """The one step, or none."""
    if cluster.paused == paused:
        return Plan()
    leader = f"{cluster.leader.name} leads" if cluster.leader else "nobody leads"
    action = Action("pause" if paused else "resume", f"the cluster {cluster.scope}", leader)
    return Plan((action,), {"paused": cluster.paused}, {"paused": paused})


def pause(rest: Rest, paused: bool, deadline: Deadline) -> Cluster:
    """Switch it, and wait until everybody who serves has taken notice.

    :raises PatroniRefused: when Patroni does not do it.
    :raises DeadlineExceeded: when somebody takes no notice in time.
    """
    doing = "pause the cluster" if paused else "resume the cluster"
    rest.must("PATCH", "/config", None, {"pause": True if paused else None}, _REINIT_SECONDS, doing)
    late: Sequence[str] = ()
    while True:
        cluster = rest.cluster()
        late = [member.name for member in cluster.members if member.serves and not _heard(rest, member, paused)]
        if cluster.paused == paused and not late:
            return cluster
        if deadline.left() <= _LAST_ASK_SECONDS + _PAUSE:
            raise DeadlineExceeded(
                f"The time limit of {deadline.seconds:g} s was reached; the cluster is told to be"
                f" {'paused' if paused else 'resumed'}, but not all have taken notice: {', '.join(late) or 'etcd'}.",
                lacking=list(late),
            )
        time.sleep(_PAUSE)


def _heard(rest: Rest, member: Member, paused: bool) -> bool:
    try:
        _status, body = rest.ask("GET", "/patroni", member.rest)
    except (RestUnreachable, PatroniRefused):
        return False
    return isinstance(body, dict) and bool(body.get("pause")) == paused
