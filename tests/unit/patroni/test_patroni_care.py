# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas made anew, and clusters that are paused: who may be, and until when it is waited."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    DeadlineExceeded,
    InvalidInput,
    NoLeader,
    RestUnreachable,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import care
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import Cluster, parse


def member(name: str, role: str = "quorum_standby", state: str = "streaming") -> dict[str, Any]:
    return {"name": name, "role": role, "state": state, "api_url": f"https://{name}:8008/patroni"}


def cluster(*members: dict[str, Any], **more: Any) -> Cluster:
    return parse({"scope": "c", "members": list(members), **more})


LEADER = member("pg1", "leader", "running")


def test_a_replica_may_be_made_anew_whatever_its_state() -> None:
    seen = cluster(LEADER, member("pg2", "replica", "start failed"))
    plan = care.reinit_plan(seen, care.replica(seen, "pg2"))
    assert plan.result()["actions"] == ["make pg2 anew: from pg1, was start failed"]


@pytest.mark.parametrize(
    ("seen", "name", "error", "why"),
    [
        (cluster(LEADER, member("pg2")), "pg1", InvalidInput, "pg1 leads"),
        (cluster(LEADER, member("pg2")), "pg9", InvalidInput, "has no member pg9; it has pg1, pg2"),
        (cluster(member("pg1", "replica"), member("pg2")), "pg2", NoLeader, "has no leader"),
    ],
)
def test_who_must_not_be_made_anew(seen: Cluster, name: str, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        care.replica(seen, name)


class Rest:
    """Patroni, whose members hear of a change one after another."""

    def __init__(self, deaf: tuple[str, ...] = ()) -> None:
        self.asked = 0
        self.deaf = deaf
        self.patched: list[Any] = []

    def must(self, method: str, path: str, _host: Any, body: Any, *_more: Any) -> None:
        self.patched.append((method, path, body))

    def cluster(self) -> Cluster:
        pause = bool(self.patched[-1][2]["pause"])
        return cluster(LEADER, member("pg2"), member("pg3", "replica", "stopped"), pause=pause)

    def ask(self, _method: str, _path: str, host: str) -> tuple[int, Any]:
        self.asked += 1
        name = host.split(":")[0]
        if name in self.deaf:
            raise RestUnreachable("silent")
        # The second member takes notice at the second look.
        return 200, {"pause": bool(self.patched[-1][2]["pause"]) if name == "pg1" or self.asked > 2 else None}


def test_a_pause_holds_once_everybody_who_serves_has_taken_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "_PAUSE", 0.0)
    rest = Rest()
    assert care.pause(rest, True, Deadline(5)).paused  # type: ignore[arg-type]
    assert rest.patched == [("PATCH", "/config", {"pause": True})]
    assert rest.asked == 4  # twice both, and never the one that is stopped
    assert not care.pause(rest, False, Deadline(5)).paused  # type: ignore[arg-type]
    assert rest.patched[-1] == ("PATCH", "/config", {"pause": None})


def test_who_takes_no_notice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "_PAUSE", 0.0)
    with pytest.raises(DeadlineExceeded, match="not all have taken notice: pg2"):
        care.pause(Rest(deaf=("pg2",)), True, Deadline(1.05))  # type: ignore[arg-type]


def test_nothing_is_done_twice() -> None:
    assert not care.pause_plan(cluster(LEADER, pause=True), True).changed
    plan = care.pause_plan(cluster(LEADER, pause=True), False)
    assert plan.result()["actions"] == ["resume the cluster c: pg1 leads"]
