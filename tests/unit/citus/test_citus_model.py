# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a formation lacks, how it is balanced, and who lets whom in: without Citus."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.filter.citus_groups import citus_groups
from ansible_collections.howdah.postgresql.plugins.filter.citus_hba import citus_hba
from ansible_collections.howdah.postgresql.plugins.filter.citus_nodes import citus_nodes
from ansible_collections.howdah.postgresql.plugins.filter.citus_rows import citus_rows
from ansible_collections.howdah.postgresql.plugins.module_utils._citus import model, rebalance
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import DrainRefused, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import Cluster, parse
from hypothesis import given
from hypothesis import strategies as st


def row(group: int, host: str, role: str = "primary", **other: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "nodeid": 1, "groupid": group, "nodename": host, "nodeport": 5432, "noderole": role, "isactive": True,
        "hasmetadata": True, "metadatasynced": True, "shouldhaveshards": group > 0,
    }  # fmt: skip
    return {**given, **other}


def cluster(leader: str, *followers: str, state: str = "streaming", **tags: Any) -> Cluster:
    def member(name: str, role: str, state: str) -> dict[str, Any]:
        return {
            "name": name, "role": role, "state": state, "host": name, "port": 5432, "api_url": f"https://{name}:8008/p",
            "tags": tags if role != "leader" else {},
        }  # fmt: skip

    members = [member(leader, "leader", "running")] if leader else []
    return parse({"scope": "c", "members": [*members, *(member(name, "replica", state) for name in followers)]})


ROWS = [row(0, "c1"), row(0, "c2", "secondary"), row(1, "w1"), row(1, "w2", "secondary")]
LIVE = {0: cluster("c1", "c2"), 1: cluster("w1", "w2")}


def lacks(rows: list[dict[str, Any]], live: dict[int, Any]) -> list[str]:
    return model.topology_lacks(live, model.nodes(rows))


def test_a_formation_that_is_what_lives_lacks_nothing() -> None:
    assert lacks(ROWS, LIVE) == []


@pytest.mark.parametrize(
    ("rows", "live", "phrase"),
    [
        (ROWS, {**LIVE, 1: cluster("w2", "w1")}, "w2 leads group 1, and pg_dist_node has w1:5432"),
        (ROWS[:2], LIVE, "w1 leads group 1, and pg_dist_node has nobody"),
        (ROWS, {**LIVE, 1: cluster("", "w1", "w2")}, "group 1 has no leader"),
        (ROWS, {**LIVE, 1: None}, "group 1 does not answer"),
        (ROWS, {0: LIVE[0]}, "pg_dist_node has group 1, which is not declared"),
        ([*ROWS[:2], row(1, "w1", metadatasynced=False), ROWS[3]], LIVE, "w1:5432 of group 1 lacks the metadata"),
        ([*ROWS[:2], row(1, "w1", hasmetadata=False), ROWS[3]], LIVE, "w1:5432 of group 1 lacks the metadata"),
        ([*ROWS[:2], row(1, "w1", isactive=False), ROWS[3]], LIVE, "w1:5432 of group 1 is not active"),
        (ROWS[:3], LIVE, "w2 follows in group 1, and pg_dist_node does not have it"),
        (ROWS, {**LIVE, 1: cluster("w1")}, "w2:5432 is in pg_dist_node for group 1, and nobody serves there"),
        (ROWS, {**LIVE, 1: cluster("w1", "w2", state="starting")}, "w2:5432 is in pg_dist_node"),
    ],
)
def test_what_is_lacking_is_told(rows: list[dict[str, Any]], live: dict[int, Any], phrase: str) -> None:
    told = lacks(rows, live)
    assert [one for one in told if one.startswith(phrase)], told


def test_a_follower_that_serves_no_readers_need_not_be_known() -> None:
    assert lacks(ROWS[:3], {**LIVE, 1: cluster("w1", "w2", noloadbalance=True)}) == []


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
def test_unknown_is_not_healthy(results: list[bool | None]) -> None:
    rows = [
        {"from_nodename": "a", "from_nodeport": 1, "to_nodename": "b", "to_nodeport": 2, "result": result}
        for result in results
    ]
    assert len(model.unhealthy(rows)) == sum(result is not True for result in results)


@pytest.mark.parametrize("groups", [[1, 2], [-1, 0], []])
def test_a_formation_has_a_coordinator(groups: list[int]) -> None:
    with pytest.raises((InvalidInput, IndexError)) as caught:
        model.check_groups(groups)
    assert caught.type is InvalidInput


def held(*sizes: int, shards: int = 4) -> list[dict[str, Any]]:
    known = model.nodes([row(number + 1, f"w{number + 1}") for number in range(len(sizes))])
    rows = [
        {"nodename": node.host, "nodeport": 5432, "shards": shards, "size_bytes": size}
        for node, size in zip(known, sizes)
        if size or shards
    ]
    return model.placements(known, rows)


def test_the_fullest_node_is_compared_with_the_mean() -> None:
    assert model.imbalance(held(100, 100)) == 0.0
    assert model.imbalance(held(300, 100)) == 0.5
    assert model.imbalance(held(200, 100, 0)) == 1.0
    assert model.imbalance(held(0, 0)) == 0.0  # nothing is in them yet, and they are spread
    assert model.imbalance(held(0, 0, shards=0)) is None


def test_a_new_node_counts_although_it_holds_nothing() -> None:
    known = model.nodes([row(1, "w1"), row(2, "w2"), row(0, "c1")])
    told = model.placements(known, [{"nodename": "w1", "nodeport": 5432, "shards": 8, "size_bytes": 80}])
    assert [(one["node"], one["shards"]) for one in told] == [("w1:5432", 8), ("w2:5432", 0)]
    assert model.imbalance(told) == 1.0


def test_a_node_that_is_to_be_emptied_counts_as_long_as_it_holds_something() -> None:
    known = model.nodes([row(1, "w1"), row(2, "w2", shouldhaveshards=False)])
    told = model.placements(known, [{"nodename": "w2", "nodeport": 5432, "shards": 1, "size_bytes": 1}])
    assert [one["takes_shards"] for one in told] == [True, False]


def test_jobs_that_ended_do_not_run() -> None:
    jobs = [{"state": state} for state in ("finished", "running", "failed", "cancelled", "scheduled", "failing")]
    assert [job["state"] for job in model.running(jobs)] == ["running", "scheduled", "failing"]


# --- Filters -------------------------------------------------------------------------------------

HOSTS: dict[str, dict[str, Any]] = {
    "c1": {"citus_group": 0},
    "w1": {"citus_group": "1", "patroni_address": "10.0.0.7"},
    "w2": {"citus_group": 1, "citus_addresses": ["10.1.0.0/16", "w2.example.net", "fd00::7"]},
}


def test_groups_are_told_apart_and_without_any_there_is_one() -> None:
    assert citus_nodes(HOSTS, HOSTS) == ["c1"]
    assert citus_nodes(HOSTS, HOSTS, "1") == ["w1", "w2"]
    assert citus_nodes(["a", "b"], {"a": {}, "b": {}}) == ["a", "b"]
    assert citus_groups(HOSTS, HOSTS) == {"0": ["c1:8008"], "1": ["10.0.0.7:8008", "w2:8008"]}


@pytest.mark.parametrize("group", [-1, "x", None, True, 1.5, ""])
def test_a_group_is_a_number(group: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="citus_group of a must be a number"):
        citus_nodes(["a"], {"a": {"citus_group": group}})


def test_nodes_are_let_in_by_certificate_from_their_addresses_and_nobody_else() -> None:
    lines = citus_hba(HOSTS, HOSTS, 'my "db"', ["net"])
    certificate = "trust clientcert=verify-ca"
    assert lines == [
        "hostssl all all 127.0.0.1/32 scram-sha-256",
        "hostssl all all ::1/128 scram-sha-256",
        f'hostssl "my ""db""" all samehost {certificate}',
        *(
            f'hostssl "my ""db""" all {address} {certificate}'
            for address in ("c1", "c1.net", "10.0.0.7/32", "10.1.0.0/16", "w2.example.net", "fd00::7/128")
        ),
    ]
    (by_name,) = [line for line in citus_hba(HOSTS, HOSTS, "citus", ["net"]) if " c1.net " in line]
    assert by_name == f'hostssl "citus" all c1.net {certificate}'


def test_where_nodes_have_passwords_they_are_asked_for_them_as_clients_are() -> None:
    lines = citus_hba(HOSTS, HOSTS, "citus", ["net"], "password")
    assert len(lines) == 9 and {line.split(maxsplit=4)[4] for line in lines} == {"scram-sha-256"}


def test_a_row_for_each_node() -> None:
    nodes = [node.told() for node in model.nodes(ROWS)]
    placements = [{"node": "w1:5432", "shards": 3, "size_bytes": 3 << 20}]
    rows = citus_rows({"nodes": nodes, "placements": placements})
    assert [(one["node"], one["role"], one["shards"], one["MiB"]) for one in rows] == [
        ("c1:5432", "primary", "", ""),
        ("c2:5432", "secondary", "", ""),
        ("w1:5432", "primary", 3, 3.0),
        ("w2:5432", "secondary", "", ""),
    ]
    assert citus_rows({"msg": "it does not answer"}) == []


# --- Moving shards -------------------------------------------------------------------------------

WORKERS = model.nodes([row(0, "c1"), row(1, "w1"), row(2, "w2"), row(2, "w2b", "secondary")])
MOVE = {
    "table_name": "events", "shardid": 7, "shard_size": 1,
    "sourcename": "w1", "sourceport": 5432, "targetname": "w2", "targetport": 5432,
}  # fmt: skip
TASKS = {"done": 2, "running": 1, "blocked": 1}
JOB = {"job_id": 3, "state": "running", "description": "Rebalance all", "tasks": TASKS}
HELD = [
    {"node": "w1:5432", "group": 1, "takes_shards": True, "shards": 4, "size_bytes": 4},
    {"node": "w2:5432", "group": 2, "takes_shards": True, "shards": 2, "size_bytes": 2},
]


def planned(moves: list[Any], jobs: list[Any], drain: list[int]) -> tuple[list[str], bool]:
    drained = rebalance.to_drain(WORKERS, drain)
    plan = rebalance.rebalance_plan(WORKERS, HELD, moves, jobs, drained)
    return [str(action) for action in plan.actions], rebalance.needs_start(plan, jobs)


def test_nothing_is_done_when_all_is_balanced() -> None:
    assert planned([], [{**JOB, "state": "finished"}], []) == ([], False)


def test_shards_move_by_one_job_and_a_job_that_runs_is_waited_for() -> None:
    assert planned([MOVE], [], []) == (["move shard 7 of events: w1:5432 to w2:5432"], True)
    assert planned([], [JOB], []) == (["wait for job 3: Rebalance all"], False)
    assert planned([MOVE], [JOB], [])[1] is False
    assert rebalance.progress(JOB) == "job 3 is running: 2 of 4 moves done, 1 at work"


def test_what_is_to_go_takes_no_more_shards_and_gives_its_own_away() -> None:
    steps = ["put no more shards onto w2:5432", "move 2 shards off w2:5432"]
    assert planned([MOVE], [], [2]) == (steps, True)


@pytest.mark.parametrize(
    ("drain", "kind"), [([1, 2], DrainRefused), ([0], InvalidInput), ([9], InvalidInput), ([1, 9], InvalidInput)]
)
def test_shards_that_nobody_would_take_stay(drain: list[int], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        rebalance.to_drain(WORKERS, drain)


def test_a_node_that_takes_none_itself_is_no_place_for_others() -> None:
    known = model.nodes([row(1, "w1"), row(2, "w2", shouldhaveshards=False)])
    with pytest.raises(DrainRefused):
        rebalance.to_drain(known, [1])


def test_a_group_that_has_shards_stays() -> None:
    drained = {"shards": 0, "shouldhaveshards": False}
    rows = [row(2, "w2", **drained), row(2, "w2b", "secondary", shards=0), row(1, "w1", shards=4)]
    rows.append(row(3, "w3", shards=0))
    steps = ["remove node w2:5432: group 2", "remove node w2b:5432: group 2"]
    assert [str(action) for action in rebalance.removal_plan(rows, 2).actions] == steps
    assert rebalance.removal_plan(rows, 7).actions == ()
    with pytest.raises(DrainRefused, match="Group 1 has 4 shards"):
        rebalance.removal_plan(rows, 1)
    # Somebody might distribute a table just now.
    with pytest.raises(DrainRefused, match="Group 3 is empty, but takes shards"):
        rebalance.removal_plan(rows, 3)
    with pytest.raises(InvalidInput):
        rebalance.removal_plan(rows, 0)


def test_a_leader_is_disabled_first_and_removed_once_the_others_know() -> None:
    def steps(**other: Any) -> list[tuple[str, str]]:
        others = [row(0, "c1"), row(1, "w1", **other), row(1, "w1b", "secondary", metadatasynced=False)]
        gone = [row(2, "w2", isactive=active), row(2, "w2b", "secondary", metadatasynced=False)]
        return [(what, node.host) for what, node in rebalance.removal_steps(model.nodes([*others, *gone]), 2)]

    active = True
    assert steps() == [("remove_node", "w2b"), ("disable_node", "w2")]
    active = False
    assert steps() == [("remove_node", "w2b"), ("remove_node", "w2")]
    assert steps(metadatasynced=False) == [("", "w2b"), ("", "w2")]
