# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a running cluster, by playbook, while clients work. Each test leaves a whole cluster behind."""

from __future__ import annotations

import re
import secrets
import time
from typing import Sequence

import pytest
from ansible_runs import until
from fault_cluster import ETCD, NODES, PROXY, Cluster
from fault_writer import Connection
from operating_clients import clients, nothing_lost, refused
from operating_looks import identities, recaps
from operating_table import note

# The aim is 0.5 s, for a machine that has nothing else to do; docs/faults.md has what was measured.
_UNDISTURBED = 1.5


def new_password() -> str:
    return "canary-" + secrets.token_urlsafe(12)


@pytest.mark.full  # two minutes: every container is restarted
def test_passwords_are_rotated_without_anybody_noticing(cluster: Cluster) -> None:
    old, new, app = cluster.password, new_password(), new_password()
    leader = cluster.wait_whole()
    cluster.run(leader, ["psql", "-c", 'CREATE ROLE "my app" LOGIN'])
    before = identities(cluster)
    roles = ("-e", '{"rotate_roles": {"my app": "APP_PASSWORD"}}')
    environment = {"POSTGRES_PASSWORD": new, "APP_PASSWORD": app}

    foreseen = cluster.play("rotate_password", "--check", *roles, **environment)
    assert recaps(foreseen)["changed"] == 1
    assert "Would set password of role postgres: another password is stored; set password of role my app: " in foreseen
    assert refused(cluster.port, new), "check mode has set the password"

    nobody = ("-e", '{"rotate_roles": {"my app": "APP_PASSWORD", "nobody": "APP_PASSWORD"}}')
    missing = cluster.play("rotate_password", *nobody, expect=2, **environment)
    assert "There is no role 'nobody'" in missing and "No password was changed." in missing
    assert "See who leads now" not in missing, "whoever leads, nobody has it"
    assert refused(cluster.port, new)

    with clients(cluster, new) as seen:
        output = cluster.play("rotate_password", *roles, **environment)
    note("playbook `rotate_password`: two roles", seen)
    assert recaps(output)["changed"] == 1
    assert not {old, new, app} & set(re.findall(r"canary-[\w-]+", output))
    assert seen.broken == [] and seen.refused == [] and seen.logins > 10
    assert seen.gap <= _UNDISTURBED
    nothing_lost(seen)
    assert identities(cluster) == before
    cluster.password = new
    again = cluster.play("rotate_password", *roles, **environment)
    assert recaps(again)["changed"] == 0 and all(f"{node}:5432" in again for node in (*NODES, PROXY))

    for name in (*ETCD, PROXY, *NODES):
        cluster.client.restart(name, timeout=60)
        # Members of etcd need each other.
        leader = cluster.wait_whole()
    cluster.client.kill(leader)
    until(lambda: cluster.leader() not in ("", leader), f"somebody takes over from {leader}")
    cluster.client.start(leader)
    cluster.wait_whole()
    for port in (cluster.port, *map(cluster.port_of, NODES)):
        until(lambda port=port: refused(port, old), f"the old password is refused at port {port}")  # type: ignore[misc]
    last = cluster.play("rotate_password", *roles, **environment)
    assert recaps(last)["changed"] == 0


@pytest.mark.full  # waits for the limit
def test_a_rotation_that_was_broken_off_is_resumed(cluster: Cluster) -> None:
    new = new_password()
    replica = next(name for name in NODES if name != cluster.wait_whole())
    cluster.client.pause(replica)
    try:
        broken = cluster.play("rotate_password", "-e", "rotate_timeout=6", expect=2, POSTGRES_PASSWORD=new)
    finally:
        cluster.client.unpause(replica)
    assert f"postgres at {replica}:5432" in broken
    cluster.password = new
    cluster.wait_whole()
    resumed = cluster.play("rotate_password")
    assert recaps(resumed)["changed"] == 0 and f"{replica}:5432" in resumed


# --- The proxy -----------------------------------------------------------------------------------


def test_a_proxy_reads_its_configuration_anew_without_sending_anybody_astray(cluster: Cluster) -> None:
    """A replica would refuse no login, but be cut off from its client as soon as the proxy has asked it."""
    leader = cluster.wait_whole()
    ask = "SELECT pg_is_in_recovery()::int"
    with clients(cluster) as seen:
        for _turn in range(5):
            cluster.client.kill(PROXY, "SIGUSR2")
            end = time.monotonic() + 1
            while time.monotonic() < end:
                connection = Connection(cluster.port, cluster.password)
                assert connection.execute(ask) == [(0,)]
                connection.close()
    nothing_lost(seen)
    assert seen.refused == [] and seen.broken == []
    states = cluster.run(PROXY, ["cat", "/run/haproxy/servers"]).splitlines()[2:]
    up = [line.split()[3] for line in states if line.split()[1] == "read-write" and line.split()[5] == "2"]
    assert up == [leader]


def proxy_health(cluster: Cluster) -> str:
    return str(cluster.client.inspect_container(PROXY)["State"]["Health"]["Status"])


@pytest.mark.full  # a minute and a half
def test_a_configuration_that_the_proxy_cannot_take_is_told_and_clients_stay(cluster: Cluster) -> None:
    """HAProxy goes on with the former one, and would be taken for healthy."""
    cluster.wait_whole()
    only = ("-e", f"target={PROXY}")
    with clients(cluster) as seen:
        for _turn in range(2):  # what was refused is not taken for done
            told = " ".join(cluster.play("deploy", *only, "-e", "proxy_idle_timeout=forever", expect=2).split())
            assert f"Container {PROXY} was sent SIGUSR2" in told and "unexpected character 'f'" in told, told
        until(lambda: proxy_health(cluster) == "unhealthy", "the engine knows it as well")
        cluster.play("deploy", *only)
    nothing_lost(seen)
    assert seen.refused == [] and seen.broken == []
    assert recaps(cluster.play("deploy", *only))["changed"] == 0


def test_status_tells_of_etcd_and_the_proxies(cluster: Cluster) -> None:
    cluster.wait_whole()
    parts = {name: rf"^{name} +(?:etcd|proxy) +running (?:healthy|starting)" for name in (*ETCD, PROXY)}
    told = cluster.play("status")
    assert [name for name, line in parts.items() if not re.search(line, told, re.MULTILINE)] == [], told
    cluster.client.stop(PROXY, timeout=60)
    try:
        told = " ".join(cluster.play("status", "-e", "fail_on_problem=true", expect=2).split())
        assert f"{PROXY}: its container is exited" in told
    finally:
        cluster.client.start(PROXY)
    cluster.wait_whole()


# --- Pause, restart, reinit ----------------------------------------------------------------------


def paused(cluster: Cluster) -> bool:
    _status, body = cluster.rest(cluster.wait_whole(), "GET", "/cluster")
    return bool(body.get("pause"))


def started(cluster: Cluster, node: str) -> str:
    """When its server was started."""
    return cluster.run(node, ["psql", "-Atc", "SELECT pg_postmaster_start_time()"]).strip()


def test_a_paused_cluster_has_no_failover_until_it_is_resumed(cluster: Cluster) -> None:
    assert "Would pause the cluster" in cluster.play("pause", "--check") and not paused(cluster)
    try:
        assert "Done: pause the cluster" in cluster.play("pause") and paused(cluster)
        assert "is paused already" in cluster.play("pause")
        told = " ".join(cluster.play("status", "-e", "fail_on_problem=true", expect=2).split())
        assert "PAUSED: no automatic failover" in told
        assert "resume it first" in cluster.play("switchover", expect=2)
    finally:
        output = cluster.play("resume")
    assert "Done: resume the cluster" in output and not paused(cluster)
    assert "is not paused" in cluster.play("resume")


def test_a_candidate_that_is_none_is_all_that_a_switchover_fails_for(cluster: Cluster) -> None:
    leader = cluster.wait_whole()
    output = cluster.play("switchover", "-e", "candidate=nobody", expect=2)
    assert "nobody" in output and recaps(output)["failed"] == 1 and "has no attribute" not in output
    assert cluster.wait_whole() == leader


def writable(cluster: Cluster, nodes: Sequence[str]) -> str:
    """The one of these nodes whose server takes writes; empty without one."""
    ask = ["psql", "-Atc", "SELECT pg_is_in_recovery()"]
    return next((node for node in nodes if cluster.run(node, ask).strip() == "f"), "")


def test_leaders_may_be_stopped_one_right_after_the_other(cluster: Cluster) -> None:
    """Whoever leads is restarted the moment that it does; only who was restarted just before may follow it.

    If it went at once, the next leader would begin a timeline of the same number, and it could follow no more.
    """
    away = next(node for node in NODES if node != cluster.wait_whole())
    two = [node for node in NODES if node != away]
    with clients(cluster) as seen:
        cluster.client.stop(away, timeout=60)
        try:
            for _turn in range(4):
                cluster.client.restart(str(until(lambda: writable(cluster, two), "there is a leader")), timeout=60)
        finally:
            cluster.client.start(away)
        cluster.wait_whole()
    nothing_lost(seen)


@pytest.mark.full  # half a minute
def test_servers_are_restarted_one_after_another(cluster: Cluster) -> None:
    leader = cluster.wait_whole()
    before, containers = {node: started(cluster, node) for node in NODES}, identities(cluster)
    assert "No server waits for a restart" in cluster.play("restart")
    foreseen = cluster.play("restart", "--check", "-e", "members=all")
    assert all(f"restart {node}" in foreseen for node in NODES)
    assert "; the leader hands over before its own" in foreseen
    assert {node: started(cluster, node) for node in NODES} == before
    with clients(cluster) as seen:
        cluster.play("restart", "-e", "members=all")
    nothing_lost(seen)
    assert cluster.wait_whole() != leader, "the leader hands over before its restart"
    after = {node: started(cluster, node) for node in NODES}
    assert all(after[node] > before[node] for node in NODES)
    assert identities(cluster) == containers


def test_a_replica_is_made_anew(cluster: Cluster) -> None:
    leader = cluster.wait_whole()
    replica = next(name for name in NODES if name != leader)
    mark = ["sh", "-c", "ls /var/lib/postgresql/data/*/howdah.mark"]
    cluster.run(replica, ["sh", "-c", "touch $(dirname /var/lib/postgresql/data/*/PG_VERSION)/howdah.mark"])
    assert cluster.run(replica, mark)
    assert f"make {replica} anew: from {leader}" in cluster.play("reinit", "--check", "-e", f"member={replica}")
    assert cluster.run(replica, mark), "check mode has thrown data away"
    assert "there is nobody to copy from" in cluster.play("reinit", "-e", f"member={leader}", expect=2)
    assert "Name the replica" in cluster.play("reinit", expect=2)
    with clients(cluster) as seen:
        cluster.play("reinit", "-e", f"member={replica}")
        following = ["psql", "-Atc", "SELECT status FROM pg_stat_wal_receiver"]
        assert cluster.run(replica, following).strip() == "streaming", "it returns once the replica follows"
    nothing_lost(seen)
    assert not cluster.run(replica, mark)
    assert seen.gap <= _UNDISTURBED and cluster.wait_whole() == leader
