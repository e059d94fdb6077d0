# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells from what members log whether waiting for a cluster is in vain. Pure.

Some causes are final the moment that they are seen. Others pass by themselves - etcd may start after Patroni - and are
final only when they have been there, look after look, for their time of grace.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Sequence

# Log lines that a message quotes.
_QUOTED = 8


@dataclass(frozen=True)
class Cause:
    """A state that does not pass.

    :param name: what playbooks find in the result.
    :param pattern: what a log line of it looks like.
    :param grace: seconds that it may last; 0 for what is final at once.
    :param advice: what it means and what to do, for the message.
    :param times: how often lines must say the very same; some are said once in a healthy member.
    """

    name: str
    pattern: re.Pattern[str]
    grace: float
    advice: str
    times: int = 1

    def is_told(self, lines: Sequence[str]) -> bool:
        """Whether a member's log lines tell of it."""
        said = Counter(found[0] for found in map(self.pattern.search, lines) if found)
        return max(said.values(), default=0) >= self.times


def _cause(name: str, pattern: str, grace: float, advice: str, times: int = 1) -> Cause:
    return Cause(name, re.compile(pattern, re.IGNORECASE), grace, advice, times)


_DIVERGED = (
    "Its data went another way than the leader's, and Patroni does not see it: the timelines have the same number,"
    " as two leaders were stopped right after each other. It has to be made anew from the leader (playbook reinit)."
)

# The first that fits counts: the more specific ones come first.
CAUSES = (
    _cause(
        "system_id_mismatch",
        r"system ID mismatch|belongs to a different cluster|has different system identifier",
        0,
        "Its volume holds the data of another cluster than the one that etcd knows: remove the volume if the data in it"
        " are not wanted, or give the cluster another name.",
    ),
    _cause(
        "name_taken",
        r"already a node named",
        10,
        "Another member of this name is alive in the cluster: two inventories, or two engines, run the same node.",
    ),
    _cause(
        "other_major_version",
        r"is not compatible with this version|was initialized by PostgreSQL version"
        r"|holds a cluster of PostgreSQL \d+, and this",
        0,
        "Its volume holds data of another major version of PostgreSQL.",
    ),
    _cause(
        "disk_full",
        r"No space left on device",
        10,
        "The disk that its volume is on is full.",
    ),
    _cause(
        "wrong_authority",
        r"certificate verify failed|unknown ca\b|unknown certificate authority|bad certificate|certificate required"
        r"|signed by unknown authority|tlsv1[0-9]* alert",
        15,
        "Its certificate and those of the others are not of one authority, or have ended: compare the authorities, and"
        " run the playbook again to renew certificates.",
    ),
    _cause(
        "hba_line_missing",
        r"no pg_hba\.conf entry for",
        15,
        "The leader does not let it in: patroni_hba replaces the lines for members, so it has to have them.",
    ),
    _cause(
        "member_password",
        r"password authentication failed for user \"?(?:replicator|rewinder)",
        15,
        "The leader knows another password of members than they have: run `rotate_password` with the right ones.",
    ),
    _cause(
        "member_refused",
        r"(?:certificate|peer) authentication failed for user \"?(?:replicator|rewinder)",
        15,
        "The leader does not take it for a member: the common name of its certificate is none of the cluster's nodes.",
    ),
    _cause(
        "diverged",
        # That a replica has come to the end of its WAL ("wanted 24, got 0") is as usual.
        r"invalid resource manager ID|record with incorrect prev-link"
        r"|invalid record length at [^:]+: (?:wanted|expected)[^,]*, got [1-9]"
        r"|requested starting point .* (?:is ahead of the WAL flush position|is not in this server's history)"
        r"|requested timeline \d+ is not a child of this server's history",
        25,  # pg_rewind mends it where Patroni sees it
        _DIVERGED,
    ),
    _cause(
        "diverged",
        # Where its own way was shorter than the leader's. What is streamed does not fit, and is looked at again twice
        # a second. In a member that waits for its leader the server says it once.
        r"invalid record length at [^:]+: (?:wanted|expected)[^,]*, got 0",
        25,
        _DIVERGED,
        times=2,
    ),
    _cause(
        "watchdog_missing",
        r"Configuration requires a? ?watchdog|because watchdog (?:activation failed|could not be activated)",
        0,  # Patroni itself gives up at once, and what it says of that explains less
        "A watchdog is required there, and none works: see that the device exists, is one, is free, and that user 999"
        " may write to it.",
    ),
    _cause(
        "bootstrap_failed",
        r"Failed to bootstrap cluster|failed attempt to bootstrap the cluster|initdb: error"
        r"|post_bootstrap.*(?:failed|error)",
        0,
        "The cluster could not be initialised there.",
    ),
    _cause(
        "start_failed",
        r"postmaster is not running|failed to start postgres|invalid value for parameter|invalid data in file"
        r"|could not bind|FATAL:? +configuration file .* contains errors|recovery aborted because",
        15,
        "PostgreSQL does not start there.",
    ),
    _cause(
        "dcs_unreachable",
        r"waiting on (?:etcd|dcs)|Error communicating with DCS|DCS is not accessible|EtcdConnectionFailed|EtcdException"
        r"|Failed to get list of machines|Etcd3?Exception|no more machines in the cluster"
        r"|Could not get the list of servers",
        30,
        "etcd does not answer it: see that the members of etcd run, and that their names and addresses are right.",
    ),
)

NOT_RUNNING = Cause("container_stopped", re.compile(r"(?!)"), 0, "Its container has ended.")
RESTARTING = Cause("container_restarts", re.compile(r"(?!)"), 10, "Its container ends and is started again and again.")
MISSING = Cause("container_missing", re.compile(r"(?!)"), 0, "Its container does not exist.")
NO_BOOTSTRAP = Cause(
    "no_bootstrap",
    re.compile(r"waiting for leader to bootstrap", re.IGNORECASE),
    45,
    "All members wait for a leader, and none becomes it: etcd remembers a cluster of this name whose data are not here."
    " Bring the volumes back, or remove what etcd keeps (destroy, with the name of the cluster typed; in an etcd of"
    " your own: etcdctl del --prefix /service/<name of the cluster>/), or take another name.",
)


@dataclass(frozen=True)
class Sight:
    """What is seen of one container in one look.

    :param container: ``running``, ``restarting``, ``exited``, ``missing`` …
    :param lines: its log lines since the look before last, readable, oldest first.
    :param healthy: whether the cluster counts it as a serving member.
    :param watched: whether it is no member, but a container that they need.
    """

    member: str
    container: str
    lines: tuple[str, ...] = ()
    healthy: bool = False
    watched: bool = False


@dataclass(frozen=True)
class Verdict:
    """Why waiting is in vain."""

    cause: Cause
    member: str
    lines: tuple[str, ...]

    @property
    def message(self) -> str:
        """For people: member, cause, advice, and the last log lines."""
        said = "".join(f"\n  {line}" for line in self.lines) or "\n  (nothing)"
        return f"{self.member}: {self.cause.advice} Its last log lines:{said}"


class Judge:
    """Remembers how long each member has been in a state."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}

    def look(self, sights: Sequence[Sight], now: float) -> Verdict | None:
        """The verdict after one more look; None when there is still hope.

        :param now: seconds of a monotonic clock.
        """
        found = [(sight, cause) for sight in sights for cause in _causes(sight, sights)]
        present = {(sight.member, cause.name) for sight, cause in found}
        self._since = {key: self._since.get(key, now) for key in present}
        for sight, cause in found:
            if now - self._since[sight.member, cause.name] >= cause.grace:
                return Verdict(cause, sight.member, _quoted(sight, cause))
        return None


def _causes(sight: Sight, sights: Sequence[Sight]) -> list[Cause]:
    """The causes that are seen at one member, the one that explains most first."""
    if sight.healthy:
        return []
    told = [cause for cause in CAUSES if cause.is_told(sight.lines)]
    if sight.container == "missing":
        return [MISSING]
    if sight.container in ("exited", "dead"):
        return [*(replace(cause, grace=0) for cause in told), NOT_RUNNING]
    if sight.container == "restarting":
        return [*told, RESTARTING]
    members = [other for other in sights if not other.watched]
    waiting = [other for other in members if any(NO_BOOTSTRAP.pattern.search(line) for line in other.lines)]
    if len(waiting) == len(members):
        told.append(NO_BOOTSTRAP)
    return told


def _quoted(sight: Sight, cause: Cause) -> tuple[str, ...]:
    """The last lines, and the telling one even if it is older."""
    last = sight.lines[-_QUOTED:]
    telling = [line for line in sight.lines[:-_QUOTED] if cause.pattern.search(line)][-1:]
    if any(cause.pattern.search(line) for line in last):
        telling = []
    return (*telling, *last)
