# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A formation of two groups of workers, while clients write and count: what fails, and what is done to it.

Each test leaves a whole formation behind, and a line in docs/citus.md.
"""

from __future__ import annotations

import re
import secrets
from typing import Iterator

import pytest
from ansible_runs import until
from citus_bed import NAME, PREFIX, Formation
from citus_clients import clients, nothing_lost, prepare
from citus_table import note

pytestmark = pytest.mark.full  # seven containers and half an hour
GROUPS = {0: 2, 1: 2, 2: 2}
# What Patroni takes at most to notice that a leader has vanished and to make another one, and what a busy machine adds.
FAILOVER = 45.0


@pytest.fixture(scope="module", autouse=True)
def _tables(formation: Formation) -> None:
    formation.wait_whole()
    prepare(formation)


@pytest.fixture(autouse=True)
def _whole(formation: Formation) -> Iterator[None]:
    formation.wait_whole()
    yield


@pytest.mark.parametrize("group", [1, 0], ids=["worker", "coordinator"])
def test_a_leader_is_killed(formation: Formation, group: int) -> None:
    old = formation.leader(group)
    with clients(formation) as seen:
        formation.client.kill(old)
        until(lambda: formation.leader(group) != old, f"somebody takes over from {old}")
    note(f"leader of {'a group of workers' if group else 'the coordinator'} killed", seen)
    nothing_lost(seen)
    assert seen.gap < FAILOVER
    formation.client.start(old)
    formation.wait_whole()


def test_a_worker_is_lost_with_its_volumes_and_made_anew(formation: Formation) -> None:
    old = formation.leader(1)
    with clients(formation) as seen:
        formation.client.remove_container(old, force=True, v=True)
        for volume in ("data", "etc"):
            formation.client.remove_volume(f"{old}-{volume}")
        until(lambda: formation.leader(1) != old, f"somebody takes over from {old}")
        formation.play("deploy")
    note("leader of a group of workers lost with its volumes, made anew by `site`", seen)
    nothing_lost(seen)
    assert seen.gap < FAILOVER
    formation.wait_whole()


@pytest.mark.parametrize("group", [0, 1, 2])
def test_a_group_switches_over(formation: Formation, group: int) -> None:
    old = formation.leader(group)
    with clients(formation) as seen:
        said = formation.play("switchover", "-e", f"group={group}")
    note(f"playbook `switchover` in group {group}", seen)
    assert f"from {old}" in said
    nothing_lost(seen)
    assert formation.leader(group) != old and seen.gap < FAILOVER


def test_a_switchover_wants_to_know_in_which_group(formation: Formation) -> None:
    leaders = {group: formation.leader(group) for group in GROUPS}
    assert "formation of several groups" in formation.play("switchover", expect=2)
    assert {group: formation.leader(group) for group in GROUPS} == leaders


def test_passwords_are_rotated_and_every_query_goes_on(formation: Formation) -> None:
    formation.sql(formation.leader(0), "CREATE ROLE my_app LOGIN")
    new, app = ("canary-" + secrets.token_urlsafe(12) for _turn in range(2))
    before = formation.identity()
    roles = ("-e", '{"rotate_roles": {"my_app": "APP_PASSWORD"}}')
    environment = {"POSTGRES_PASSWORD": new, "APP_PASSWORD": app}
    old = formation.password
    with clients(formation, new_password=new) as seen:
        said = formation.play("rotate_password", *roles, **environment)
        formation.password = new
    note("playbook `rotate_password`: two roles", seen)
    assert not {old, new, app} & set(re.findall(r"canary-[\w-]+", said))
    nothing_lost(seen)
    assert seen.errors == [] and formation.identity() == before
    again = formation.play("rotate_password", *roles, **environment)
    assert "changed=0" in again and "changed=1" not in again
    verifiers = {
        group: formation.sql(formation.leader(group), "SELECT rolpassword FROM pg_authid WHERE rolname = 'my_app'")
        for group in GROUPS
    }
    assert verifiers[0] == verifiers[1] == verifiers[2] != [[""]]


def test_a_group_is_added_filled_emptied_and_taken_out(formation: Formation) -> None:
    formation.groups[3] = 1
    held = "SELECT count(*) FROM citus_shards WHERE citus_table_type = 'distributed' AND nodename LIKE '%g3n1'"
    with clients(formation) as seen:
        formation.play("deploy")
    note("group of workers added by `site`", seen)
    nothing_lost(seen)
    assert formation.sql(formation.leader(0), held) == [["0"]]
    assert "Would move shard" in formation.play("rebalance", "--check")
    assert formation.sql(formation.leader(0), held) == [["0"]]
    with clients(formation) as seen:
        said = formation.play("rebalance")
    note("playbook `rebalance` onto the new group", seen)
    assert "Done: move shard" in said
    nothing_lost(seen)
    assert formation.sql(formation.leader(0), held) == [["4"]]
    again = formation.play("rebalance")
    assert "All is balanced." in again and "changed=0" in again and "changed=1" not in again
    refused = formation.play("rebalance", "-e", '{"drain": [1, 2, 3]}', expect=2)
    assert "No node would be left" in refused
    assert formation.sql(formation.leader(0), held) == [["4"]]
    assert "Group 3 has 4 shards: nothing was removed." in formation.play("remove_group", "-e", "group=3", expect=2)
    with clients(formation) as seen:
        formation.play("rebalance", "-e", '{"drain": [3]}')
    note("playbook `rebalance`, which empties that group", seen)
    nothing_lost(seen)
    assert formation.sql(formation.leader(0), held) == [["0"]]
    again = formation.play("rebalance", "-e", '{"drain": [3]}')
    assert "All is balanced." in again and "changed=1" not in again
    (gone,) = formation.nodes(3)
    assert f"Would remove node {gone}:5432" in formation.play("remove_group", "-e", "group=3", "--check")
    # Somebody has stopped it before, so that Patroni of the coordinator waits for it, and holds the lock on the nodes.
    formation.client.stop(gone)
    with clients(formation) as seen:
        said = formation.play("remove_group", "-e", "group=3", "-e", f"remove_data={NAME}")
    note("emptied group taken out by playbook `remove_group`", seen)
    assert f"Done: remove node {gone}:5432" in said
    nothing_lost(seen)
    assert "The formation knows no group 3." in formation.play("remove_group", "-e", "group=3")
    assert formation.client.containers(all=True, filters={"name": f"^/{gone}"}) == []
    del formation.groups[3]
    formation.wait_whole()


def test_every_node_is_replaced_one_after_another(formation: Formation) -> None:
    before = formation.identity()
    formation.variables["patroni_labels"] = {"howdah.test.round": "2"}
    with clients(formation) as seen:
        formation.play("deploy")
    note("every node replaced (rolling update)", seen)
    nothing_lost(seen)
    after = formation.identity()
    assert all(after[name][0] != before[name][0] for name in formation.everybody())
    assert all(after[name] == before[name] for name in before if name not in formation.everybody())
    assert all(name.startswith(PREFIX) for name in after)
    again = formation.play("deploy")
    assert "changed=0" in again and "changed=1" not in again
