# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes a cluster: switchover and rolling restart.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Callable, Sequence

from .._core.deadline import Deadline
from .._core.errors import PatroniRefused
from .._core.plan import Action, Plan
from .cluster import Cluster, Handover, Member, next_restart
from .rest import Rest

# Patroni itself answers after the handover, at the latest after its ttl.
_HANDOVER_SECONDS = 60.0
_RESTART_SECONDS = 300.0
# Nobody is fit; nobody took over in time, and the old leader leads on.
_NOT_YET = (412, 503)
_TRIES = 4
_NOTHING_WAITS = 503
_PAUSE = 5.0
# A member that still waits after that many restarts waits for something else.
_MOST_ROUNDS = 3


def switchover_plan(handover: Handover | None, leads: str | None = None) -> Plan:
    """The one step, or none.

    :param leads: who has become the leader, once that is known.
    """
    if handover is None:
        return Plan()
    to = leads or handover.to
    action = Action("hand the leadership over to", to, f"from {handover.leader.name}")
    return Plan((action,), {"leader": handover.leader.name}, {"leader": to})


def switchover(
    rest: Rest, cluster: Cluster, handover: Handover, deadline: Deadline, leaving: bool = False
) -> tuple[Cluster, str, dict[str, float]]:
    """Hand over, and wait until the cluster is whole again.

    :param leaving: whether it is whole without the former leader.
    :return: the cluster afterwards; who leads it; seconds until there was the new leader, and until all members were
        back.
    :raises PatroniRefused: when Patroni does not do it, or somebody else leads afterwards than should.
    :raises ClusterFailed: when waiting for its members is in vain.
    """
    start = deadline.elapsed()
    everybody = [member.name for member in cluster.members]
    for tries in range(_TRIES):
        try:
            rest.must(
                "POST", "/switchover", handover.leader.rest, handover.request(), _HANDOVER_SECONDS,
                f"hand over to {handover.to}",
            )  # fmt: skip
            break
        except PatroniRefused as error:
            if error.details.get("status") not in _NOT_YET or tries == _TRIES - 1:
                raise
        # A standby that was restarted a moment ago may lead only once Patroni counts it, which takes two of its rounds.
        time.sleep(min(_PAUSE, max(0.01, deadline.left())))
        seen = rest.settle(everybody, deadline, "waiting for the cluster to be whole before another try")
        if seen.need_leader().name != handover.leader.name:
            break
    handed = deadline.elapsed() - start
    expected = [name for name in everybody if not leaving or name != handover.leader.name]
    seen = rest.settle(expected, deadline, "waiting for the cluster to be whole again")
    leads = seen.need_leader().name
    # Patroni chooses a moment later than we did: a standby that was restarted just before may count again by then.
    if leads == handover.leader.name or (handover.named and leads != handover.to):
        raise PatroniRefused(f"After the switchover {leads} leads, not {handover.to}.")
    return seen, leads, {"leader": round(handed, 2), "whole": round(deadline.elapsed() - start, 2)}


def restart_plan(due: Sequence[Member]) -> Plan:
    """The restarts, replicas first."""
    ordered = sorted(due, key=lambda member: (member.leads, member.name))
    return Plan(
        tuple(Action("restart", member.name, ", ".join(sorted(member.pending))) for member in ordered),
        {member.name: "to be restarted" for member in ordered},
        {member.name: "restarted" for member in ordered},
    )


def rolling_restart(
    rest: Rest, cluster: Cluster, due: Sequence[Member], pending: bool, deadline: Deadline, note: Callable[[str], None],
    passed_over: Sequence[str] = (),
) -> Cluster:  # fmt: skip
    """Restart the servers one after another; between two of them the cluster is whole.

    :param pending: whether members are restarted because settings wait for it, so it can be seen whether it helped.
    :param note: is told each step that was done.
    :param passed_over: names of members that are not to take over.
    :raises PatroniRefused: when a member still waits after several restarts.
    :raises ClusterFailed: when a member does not come back.
    """
    everybody = [member.name for member in cluster.members]
    cluster = rest.settle(everybody, deadline, "waiting for the cluster to be whole before a restart")
    names = {member.name for member in due}
    rounds = 0
    while names:
        step = next_restart(cluster, frozenset(names), passed_over)
        if step is None:
            break
        if step.verb == "switchover" and step.handover is not None:
            cluster, leads, _seconds = switchover(rest, cluster, step.handover, deadline)
            note(f"switchover from {step.member.name} to {leads}")
            continue
        body = {"restart_pending": True} if pending else {}
        doing = f"restart {step.member.name}"
        try:
            rest.must("POST", "/restart", step.member.rest, body, _RESTART_SECONDS, doing)
            note(doing)
        except PatroniRefused as error:
            # A leader that has handed over was started anew by that: nothing waits there any more.
            if not pending or error.details.get("status") != _NOTHING_WAITS:
                raise
        names.discard(step.member.name)
        cluster = rest.settle(everybody, deadline, f"waiting for the cluster after the restart of {step.member.name}")
        if pending and not names:
            names = {member.name for member in cluster.members if member.pending_restart}
            rounds += 1
            if names and rounds >= _MOST_ROUNDS:
                waiting = {member.name: ", ".join(sorted(member.pending)) for member in cluster.members}
                where = "; ".join(f"{name} ({waiting[name]})" for name in sorted(names))
                raise PatroniRefused(
                    f"After {rounds} restarts, settings still wait at {where}. Something else sets them: a library, or"
                    " the server's command. Declare the value that the server really has."
                )
    return cluster
