# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as Patroni tells it, who may lead it, and in which order it is restarted."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.filter.cluster_rows import cluster_rows
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    InvalidInput,
    NoLeader,
    PatroniRefused,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import (
    Cluster,
    choose,
    next_restart,
    not_ready,
    parse,
    undeclared,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.steps import (
    rolling_restart,
    switchover,
    switchover_plan,
)


def member(name: str, role: str = "quorum_standby", state: str = "streaming", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "role": role, "state": state, "host": name, "port": 5432, "timeline": 2,
        "api_url": f"https://{name}:8008/patroni", **more,
    }


def cluster(*members: dict[str, Any], **more: Any) -> Cluster:
    return parse({"scope": "c", "members": list(members), **more})


LEADER = member("pg1", "leader", "running")


def test_what_a_cluster_lacks() -> None:
    assert not_ready(cluster(LEADER, member("pg2")), ["pg1", "pg2"]) == []
    seen = cluster(member("pg2", state="creating replica"))
    assert not_ready(seen, ["pg1", "pg2"]) == ["there is no leader", "pg1 has not joined", "pg2 is creating replica"]
    with pytest.raises(NoLeader, match="pg2 creating replica"):
        seen.need_leader()


def test_members_that_nobody_has_declared() -> None:
    seen = cluster(LEADER, member("pg2"), member("pg3", state="stopped"))
    assert undeclared(seen, ["pg1", "pg2", "pg3", "pg4"]) == []
    assert undeclared(seen, ["pg2"]) == ["pg1", "pg3"]


def test_an_answer_that_is_none() -> None:
    with pytest.raises(PatroniRefused, match="is none"):
        parse({"members": [{"role": "leader"}]})


def test_the_synchronous_one_that_lags_least_takes_over() -> None:
    chosen = choose(
        cluster(LEADER, member("pg2", "replica", lag=0), member("pg3", lag=5), member("pg4", lag="unknown")), None
    )
    assert chosen is not None and (chosen.leader.name, chosen.to) == ("pg1", "pg3 or pg4")
    assert chosen.request() == {"leader": "pg1"}  # Patroni knows better than an answer of a moment ago


def test_who_waits_for_no_restart_is_named() -> None:
    chosen = choose(cluster(LEADER, member("pg2", lag=0, pending_restart=True), member("pg3", lag=5)), None)
    assert chosen is not None and chosen.to == "pg3"
    assert chosen.request() == {"leader": "pg1", "candidate": "pg3"}


def test_who_is_to_be_passed_over_does_not_take_over() -> None:
    seen = cluster(LEADER, member("pg2", lag=0), member("pg3", lag=5), member("pg4", lag=9))
    chosen = choose(seen, None, passed_over=["pg2", "pg9"])
    assert chosen is not None and chosen.request() == {"leader": "pg1", "candidate": "pg3"}
    with pytest.raises(PatroniRefused, match="Nobody but pg2, pg3, pg4 could take over, and is not to"):
        choose(seen, None, passed_over=["pg2", "pg3", "pg4"])
    leaders = next_restart(seen, frozenset({"pg1"}), ["pg2"])
    assert leaders is not None and leaders.handover is not None and leaders.handover.to == "pg3"
    alone = next_restart(seen, frozenset({"pg1"}), ["pg2", "pg3", "pg4"])
    assert alone is not None and alone.verb == "restart", "in place, as nobody may take over"


def test_what_is_told_of_a_handover() -> None:
    chosen = choose(cluster(LEADER, member("pg2"), member("pg3")), None)
    assert switchover_plan(chosen).result()["actions"] == ["hand the leadership over to pg2 or pg3: from pg1"]
    assert switchover_plan(chosen, "pg3").result()["actions"] == ["hand the leadership over to pg3: from pg1"]
    assert switchover_plan(choose(cluster(LEADER, member("pg2")), "pg1")).result()["changed"] is False


def test_who_leads_already_needs_nothing() -> None:
    assert choose(cluster(LEADER, member("pg2")), "pg1") is None


@pytest.mark.parametrize(
    ("seen", "candidate", "leader", "why"),
    [
        (cluster(LEADER, member("pg2"), member("pg3", "replica")), "pg3", None, "not synchronous"),
        (cluster(LEADER, member("pg2", tags={"nofailover": True})), "pg2", None, "its tags forbid it"),
        (cluster(LEADER, member("pg2", state="stopped")), None, None, "it is stopped, not streaming"),
        (cluster(LEADER), None, None, "there is no other one"),
        (cluster(LEADER, member("pg2")), None, "pg2", "pg1 leads the cluster c, and not pg2"),
        (cluster(LEADER, member("pg2"), pause=True), None, None, "is paused"),
    ],
)
def test_who_cannot_take_over(seen: Cluster, candidate: str | None, leader: str | None, why: str) -> None:
    with pytest.raises(PatroniRefused, match=why):
        choose(seen, candidate, leader)


def test_a_candidate_that_does_not_exist() -> None:
    with pytest.raises(InvalidInput, match="has no member pg9; it has pg1, pg2"):
        choose(cluster(LEADER, member("pg2")), "pg9")


def step(seen: Cluster, *names: str) -> str:
    found = next_restart(seen, frozenset(names))
    assert found is not None
    return f"{found.verb} {found.member.name}" + (f" to {found.handover.to}" if found.handover else "")


def test_replicas_are_restarted_first_and_the_leader_hands_over() -> None:
    waiting = {"pending_restart": True, "pending_restart_reason": {"max_connections": {}}}
    leader = member("pg1", "leader", "running", **waiting)
    everybody = cluster(leader, member("pg2", **waiting), member("pg3", **waiting))
    assert step(everybody, "pg1", "pg2", "pg3") == "restart pg2"
    assert step(cluster(leader, member("pg2"), member("pg3", **waiting)), "pg1", "pg3") == "restart pg3"
    assert step(cluster(leader, member("pg2"), member("pg3")), "pg1") == "switchover pg1 to pg2 or pg3"
    assert next_restart(cluster(leader, member("pg2")), frozenset()) is None


def test_a_leader_is_restarted_in_place_when_nobody_else_is_ready_for_it() -> None:
    waiting = {"pending_restart": True}
    assert step(cluster(member("pg1", "leader", "running", **waiting)), "pg1") == "restart pg1"
    # max_connections became smaller: the replicas wait until the leader has it.
    seen = cluster(member("pg1", "leader", "running", **waiting), member("pg2", **waiting))
    assert step(seen, "pg1") == "restart pg1"


@pytest.mark.parametrize(("new", "first"), [("83", "pg1"), ("157", "pg2")])
def test_the_leader_is_first_where_a_setting_becomes_smaller(new: str, first: str) -> None:
    changes = {"old_value": "100", "new_value": new}
    other = {"old_value": "9", "new_value": "1"}
    waiting = {"pending_restart": True, "pending_restart_reason": {"max_connections": changes, "max_files": other}}
    seen = cluster(member("pg1", "leader", "running", **waiting), member("pg2", **waiting))
    assert step(seen, "pg1", "pg2") == f"restart {first}"


def test_rows_of_the_table() -> None:
    told = {**cluster(LEADER, member("pg2", lag=20 * 2**20, pending_restart=True)).told()}
    told["members"] = [{**one, "version": 150020, "problem": ""} for one in told["members"]]
    containers = [
        {"name": "pg1", "state": "running", "health": "healthy", "image_created": "2026-01-01T00:00:00.123456789Z"},
        {"name": "pg3", "exists": False},
        {"name": "pg4", "state": "running", "health": "healthy"},
    ]
    rows = cluster_rows(told, containers, 1767225600 + 3 * 86400)
    assert [row["member"] for row in rows] == ["pg1", "pg3", "pg4", "pg2"]
    assert rows[0] | {"image_age": "3 d", "version": "15.20", "container": "running healthy", "lag": ""} == rows[0]
    assert rows[1]["problem"] == "its container is missing" and rows[1]["container"] == "missing"
    assert rows[2]["problem"] == "Patroni does not know it"
    assert rows[3] | {"lag": "20 MB", "pending_restart": "yes", "role": "quorum standby"} == rows[3]


def test_who_could_not_ask_patroni_tells_nothing_of_what_it_knows() -> None:
    containers = [
        {"name": "pg1", "state": "running", "health": "starting"},
        {"name": "pg2", "state": "running", "health": "unhealthy"},
        {"name": "pg3", "exists": False},
    ]
    problems = [row["problem"] for row in cluster_rows({"msg": "no answer"}, containers, 0)]
    assert problems == ["Patroni could not be asked", "its container is unhealthy", "its container is missing"]


def test_what_patroni_remembers_of_a_dead_member_does_not_pass_for_its_state() -> None:
    told = cluster(LEADER, member("pg2", lag=0)).told()
    dead = {"name": "pg2", "state": "exited", "health": "unhealthy", "exit_code": 137}
    frozen = {"name": "pg1", "state": "paused", "health": "healthy", "exit_code": 0}
    rows = {row["member"]: row for row in cluster_rows(told, [frozen, dead], 0)}
    assert rows["pg2"] | {"state": "down", "lag": "", "container": "exited"} == rows["pg2"]
    assert rows["pg2"]["problem"] == "its container is exited (exit code 137)"
    assert rows["pg1"] | {"role": "leader", "state": "down", "problem": "its container is paused"} == rows["pg1"]
    (gone, _other) = cluster_rows(told, [{"name": "pg2", "exists": False}], 0)
    assert gone | {"state": "down", "problem": "its container is missing"} == gone


def test_a_machine_that_ansible_does_not_reach_has_a_row_with_a_problem() -> None:
    """Patroni may still know its member, as somebody who serves, or not any more."""
    told = cluster(LEADER, member("pg2", lag=0)).told()
    rows = cluster_rows(told, [{"name": "pg1", "state": "running", "health": "healthy"}], 0, ["pg3", "pg2"])
    assert [(row["member"], row["role"], row["problem"]) for row in rows] == [
        ("pg1", "leader", ""),
        ("pg2", "quorum standby", "its machine could not be asked"),
        ("pg3", "", "its machine could not be asked"),
    ]


class _Rest:
    """Answers requests for a switchover one after another."""

    def __init__(self, seen: Cluster, statuses: list[int]) -> None:
        self.seen = seen
        self.statuses = statuses

    def must(self, *_request: Any) -> None:
        status = self.statuses.pop(0)
        if status != 200:
            raise PatroniRefused("no", status=status)

    def settle(self, *_expected: Any) -> Cluster:
        leader = "pg1" if self.statuses else "pg2"
        return cluster(*(member(n, "leader", "running") if n == leader else member(n) for n in ("pg1", "pg2")))


@pytest.mark.parametrize(
    ("statuses", "works"), [([200], True), ([503, 412, 200], True), ([503] * 4, False), ([409], False)], ids=str
)
def test_a_handover_is_tried_again_while_nobody_is_fit(
    statuses: list[int], works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    seen = cluster(LEADER, member("pg2"))
    chosen = choose(seen, None)
    assert chosen is not None
    rest: Any = _Rest(seen, list(statuses))
    if works:
        assert switchover(rest, seen, chosen, Deadline(60))[1] == "pg2"
    else:
        with pytest.raises(PatroniRefused):
            switchover(rest, seen, chosen, Deadline(60))
    assert rest.statuses == []


@pytest.mark.parametrize(
    ("wanted", "leads", "right"),
    [(None, "pg3", True), (None, "pg1", False), ("pg2", "pg2", True), ("pg2", "pg3", False)],
)
def test_patroni_chooses_unless_somebody_is_named(wanted: str | None, leads: str, right: bool) -> None:
    """A standby that was restarted just before may count again by the time that Patroni chooses."""
    seen = cluster(LEADER, member("pg2"), member("pg3", "replica"))
    chosen = choose(seen, wanted)
    assert chosen is not None and [one.name for one in chosen.fit] == ["pg2"]

    class Rest(_Rest):
        def settle(self, *_expected: Any) -> Cluster:
            return cluster(member(leads, "leader", "running"))

    rest: Any = Rest(seen, [200])
    if right:
        assert switchover(rest, seen, chosen, Deadline(60))[1] == leads
    else:
        with pytest.raises(PatroniRefused, match=f"After the switchover {leads} leads, not pg2"):
            switchover(rest, seen, chosen, Deadline(60))


@pytest.mark.parametrize(("leaving", "awaited"), [(False, ["pg1", "pg2"]), (True, ["pg2"])])
def test_a_leader_that_is_to_be_removed_is_not_waited_for(leaving: bool, awaited: list[str]) -> None:
    seen = cluster(LEADER, member("pg2"))
    chosen = choose(seen, None)
    assert chosen is not None
    waits: list[Any] = []

    class Rest(_Rest):
        def settle(self, *expected: Any) -> Cluster:
            waits.append(expected[0])
            return super().settle()

    rest: Any = Rest(seen, [200])
    switchover(rest, seen, chosen, Deadline(60), leaving)
    assert waits == [awaited]


def test_who_was_started_anew_by_handing_over_needs_no_restart() -> None:
    waiting, answers = {"pending_restart": True}, [200, 200, 503]
    before = cluster(member("pg1", "leader", "running", **waiting), member("pg2", **waiting))
    looks = [
        before,
        cluster(member("pg1", "leader", "running", **waiting), member("pg2")),
        # Patroni itself tells it a round later.
        cluster(member("pg1", **waiting), member("pg2", "leader", "running")),
        cluster(member("pg1"), member("pg2", "leader", "running")),
    ]

    class Rest:
        def must(self, *_request: Any) -> None:
            status = answers.pop(0)
            if status != 200:
                raise PatroniRefused("restart conditions are not satisfied", status=status)

        def settle(self, *_expected: Any) -> Cluster:
            return looks.pop(0)

    rest: Any = Rest()
    done: list[str] = []
    rolling_restart(rest, before, before.members, True, Deadline(60), done.append)
    assert done == ["restart pg2", "switchover from pg1 to pg2"]
    assert (answers, looks) == ([], [])
