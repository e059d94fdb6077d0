# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a container's log lines count, and that a cluster with a dead container is not whole."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    ClusterFailed,
    DeadlineExceeded,
    RestUnreachable,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_logs, observe
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import waiting
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import Cluster, Member, still_listed

STARTED = "2026-01-31T12:00:00.25Z"
STARTED_SECOND = 1769860800
MISMATCH = "CRITICAL: system ID mismatch, node pg2 belongs to a different cluster: 7 != 8"


def container(status: str, started: str = STARTED) -> observe.Container:
    return observe.from_inspection(
        {
            "Id": "1" * 64,
            "Name": "/pg2",
            "Image": "sha256:1",
            "State": {"Status": status, "ExitCode": 137, "StartedAt": started},
            "Config": {},
            "HostConfig": {},
        }
    )


def member(name: str, role: str, state: str) -> Member:
    return Member(name, role, state, name, 5432, f"{name}:8008", 1, 0, False)


class Rest:
    """A cluster that takes both members for alive, whatever their containers do."""

    containers = ["pg1", "pg2"]
    client = None

    def cluster(self) -> Cluster:
        return Cluster("c", (member("pg1", "leader", "running"), member("pg2", "replica", "streaming")))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Containers by name, and a log from before the last start."""
    found: dict[str, Any] = {"pg1": container("running"), "pg2": container("running")}
    monkeypatch.setattr(observe, "container", lambda _client, name, _deadline: found[name])

    def read(*arguments: Any) -> list[str]:
        return [] if arguments[-1] >= STARTED_SECOND else [MISMATCH]

    monkeypatch.setattr(container_logs, "read", read)
    return found


def wait() -> tuple[Cluster | None, bool]:
    return waiting.wait(Rest(), ["pg1", "pg2"], [], Deadline(5), once=False)  # type: ignore[arg-type]


def test_a_cluster_is_whole_when_all_serve_and_all_containers_run(engine: dict[str, Any]) -> None:
    assert wait()[1]


def test_what_else_it_lacks_is_waited_for(engine: dict[str, Any]) -> None:
    answers = [["it has no configuration yet"], []]
    found = waiting.wait(
        Rest(), ["pg1", "pg2"], [], Deadline(5), once=False, further=lambda _cluster: answers.pop(0)  # type: ignore[arg-type]
    )
    assert found[1] and answers == []


def test_former_members_are_waited_for_until_they_are_forgotten(engine: dict[str, Any]) -> None:
    def gone(*names: str) -> tuple[Cluster | None, bool]:
        return waiting.wait(
            Rest(), ["pg1"], [], Deadline(1.5), once=False, further=lambda found: still_listed(found, names)  # type: ignore[arg-type]
        )

    assert gone("pg3")[1]
    with pytest.raises(DeadlineExceeded, match="pg2 is still listed, until its lease ends"):
        gone("pg2", "pg3")


def test_a_member_whose_container_died_a_moment_ago_is_missed_although_etcd_lists_it(engine: dict[str, Any]) -> None:
    engine["pg2"] = container("exited")
    with pytest.raises(ClusterFailed) as failure:
        wait()
    # Not what it said before its last start.
    assert failure.value.details["cause"] == "container_stopped"
    assert failure.value.details["member"] == "pg2"


def test_a_container_that_is_gone_is_missed(engine: dict[str, Any]) -> None:
    engine["pg2"] = None
    with pytest.raises(ClusterFailed) as failure:
        wait()
    assert failure.value.details["cause"] == "container_missing"


@pytest.mark.parametrize(
    ("status", "later", "since"), [("running", 3, 0), ("running", 100, 85), ("exited", 100, 0), ("restarting", 100, 0)]
)
def test_only_the_last_life_counts_and_of_that_what_is_recent(status: str, later: int, since: int) -> None:
    found = waiting._since(container(status), STARTED_SECOND + later)
    assert found == STARTED_SECOND + since


class Apart(Rest):
    """One member is on another machine."""

    containers = ["pg1"]

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def ask(self, _method: str, _path: str, host: str) -> tuple[int, object]:
        assert host == "pg2:8008", "nobody else is asked"
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return 200, answer


def test_a_member_that_is_not_reached_where_the_cluster_knows_it_is_no_member(
    engine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows, as it is who connects, and all looks well until it is to lead."""
    lost = RestUnreachable("No route to host.")
    for answers in (({"patroni": {"name": "pg2"}},), ({"patroni": {}},), (lost, {"patroni": {"name": "pg2"}})):
        assert waiting.wait(Apart(*answers), ["pg1", "pg2"], [], Deadline(5), once=False)[1]  # type: ignore[arg-type]
    monkeypatch.setattr(waiting, "_REACH_SECONDS", 0.2)
    for answer, why in ((lost, "No route to host"), ({"patroni": {"name": "pg3"}}, "pg3 answers there")):
        with pytest.raises(ClusterFailed, match=f"knows pg2 at pg2:8008, .* from pg1: {why}. Correct its patroni_addr"):
            waiting.wait(Apart(answer), ["pg1", "pg2"], [], Deadline(5), once=False)  # type: ignore[arg-type]
