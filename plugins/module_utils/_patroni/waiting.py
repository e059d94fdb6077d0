# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for a cluster, and looks at its containers meanwhile.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable, Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    ClusterFailed,
    ContainerFailed,
    ContainerNotFound,
    DeadlineExceeded,
    HowdahError,
    PatroniRefused,
    RestUnreachable,
)
from .._docker import container_facts, container_logs, observe, values
from .cluster import Cluster, not_ready
from .judge import Judge, Sight, Verdict
from .rest import Rest

_PAUSE = 0.3
# With less time left nobody is asked any more: a limit hit in a question would hide what is lacking.
_LAST_ASK_SECONDS = 1.0
# A machine that has just come up, or a firewall that is being opened, is given so long.
_REACH_SECONDS = 15.0
# Patroni repeats itself in each of its loops, a few seconds long; what is older is over.
_RECENT_SECONDS = 15
_LINES = 100


def wait(
    rest: Rest,
    members: Sequence[str],
    watched: Sequence[str],
    deadline: Deadline,
    once: bool,
    further: Callable[[Cluster], list[str]] = lambda _cluster: [],
    doing: str = "waiting for the cluster",
) -> tuple[Cluster | None, bool]:
    """The cluster, once it is whole.

    :param members: names of all its members.
    :param watched: further containers that must not end meanwhile.
    :param once: look once and do not wait.
    :param further: what else a cluster lacks, where all members serve.
    :param doing: completes "while …", for the error.
    :return: the cluster, if anybody knows it, and whether it is whole; it is unless ``once``.
    :raises ClusterFailed: when waiting is in vain.
    :raises DeadlineExceeded: when it takes too long; the message tells what is lacking.
    """
    judge = Judge()
    containers = list(rest.containers)
    cluster: Cluster | None = None
    lost_since: float | None = None
    while True:
        lost: dict[str, str] = {}
        try:
            cluster = rest.cluster()
            lacking = not_ready(cluster, members) or further(cluster) or _ended(rest, containers, members, deadline)
            if not lacking and not once:
                lost = _unreached(rest, cluster, members, containers)
                lacking = list(lost.values())
        except (ContainerFailed, ContainerNotFound, RestUnreachable, PatroniRefused) as error:
            lacking = [error.message]
        if not lacking or once:
            return cluster, not lacking
        lost_since = (deadline.elapsed() if lost_since is None else lost_since) if lost else None
        if lost_since is not None and deadline.elapsed() - lost_since >= _REACH_SECONDS:
            raise ClusterFailed(" ".join(lacking), cause="member_unreached", member=next(iter(lost)), logs=[])
        sights = [_sight(rest, name, cluster, deadline) for name in containers]
        sights += [replace(_sight(rest, name, cluster, deadline), watched=True) for name in watched]
        verdict = judge.look(sights, deadline.elapsed())
        if verdict is not None:
            raise _failure(verdict)
        if deadline.left() <= _LAST_ASK_SECONDS + _PAUSE:
            raise DeadlineExceeded(
                f"The time limit of {deadline.seconds:g} s was reached while {doing}: {'; '.join(lacking)}.",
                lacking=lacking,
            )
        time.sleep(_PAUSE)


def _unreached(rest: Rest, cluster: Cluster, members: Sequence[str], here: Sequence[str]) -> dict[str, str]:
    """Members of other machines whom nobody reaches where the cluster knows them, and what to say of each.

    They follow the leader, for it is they who connect, and would seem well until one of them is to lead.
    """
    lost = {}
    for member in cluster.members:
        if member.name not in members or member.name in here:
            continue
        try:
            _status, body = rest.ask("GET", "/patroni", member.rest)
            told = (body.get("patroni") or {}).get("name", member.name) if isinstance(body, dict) else member.name
            why = "" if told == member.name else f"{told} answers there"
        except HowdahError as error:
            why = error.message.split(". ")[0].rstrip(".")  # what it asks next is answered here
        if why:
            lost[member.name] = (
                f"The cluster knows {member.name} at {member.rest}, and it is not reached there from {here[0]}: {why}."
                " Correct its patroni_address, or have the port let through; until then it cannot come to lead."
            )
    return lost


def _ended(rest: Rest, containers: Sequence[str], members: Sequence[str], deadline: Deadline) -> list[str]:
    """Members whose containers do not run; what has died is listed as serving until its lease ends."""
    found = {name: observe.container(rest.client, name, deadline) for name in containers if name in members}
    return [
        f"the container {name} is {one.status if one else 'missing'}"
        for name, one in found.items()
        if one is None or one.status != "running"
    ]


def _sight(rest: Rest, name: str, cluster: Cluster | None, deadline: Deadline) -> Sight:
    found = observe.container(rest.client, name, deadline)
    if found is None:
        return Sight(name, "missing")
    member = cluster.member(name) if cluster else None
    if member is not None and member.serves and found.status == "running":
        return Sight(name, found.status, (), True)
    secrets = container_facts.secret_values(found)
    lines = container_logs.read(rest.client, found.id, secrets, deadline, _LINES, _since(found, time.time()))
    return Sight(name, found.status, tuple(lines))


def _since(found: observe.Container, now: float) -> int:
    """From which second of the epoch on what it says counts: what it said before its last start is over, too."""
    started = values.nanoseconds(found.started_at) // 10**9
    # What has ended says no more: its last words count, however old.
    return max(started, int(now) - _RECENT_SECONDS) if found.status == "running" else started


def _failure(verdict: Verdict) -> ClusterFailed:
    return ClusterFailed(
        verdict.message, cause=verdict.cause.name, member=verdict.member, logs=list(verdict.lines)
    )
