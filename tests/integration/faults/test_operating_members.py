# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster whose members log in to each other by password: deployed, rotated while clients work, restarted."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Iterator

import docker
import psycopg2
import pytest
from ansible_runs import until
from fault_cluster import ETCD, NODES, Cluster
from leaks import Scan
from operating_clients import clients, nothing_lost
from operating_looks import identities, recaps
from operating_table import note

pytestmark = pytest.mark.full  # five minutes
_UNDISTURBED = 1.5  # the aim is 0.5 s, for a machine that has nothing else to do; docs/faults.md has what was measured
_HOSTILE = ' it\'s "$HOME" `id` \\: {{ 7 * 7 }} {% raw %} #:'
MEMBERS = ("replicator", "rewinder")
CANARY = 23  # characters that no quoting changes
ALLOWED = {"file /etc/howdah/members.yml", "file /run/postgresql/howdah/pgpass"}


Passwords = tuple[dict[str, str], dict[str, str]]


def given() -> dict[str, str]:
    """New passwords of members, with what breaks others' quoting."""
    names = ("PATRONI_REPLICATION_PASSWORD", "PATRONI_REWIND_PASSWORD")
    return {name: f"canary-{secrets.token_urlsafe(12)}{_HOSTILE}" for name in names}


@pytest.fixture(name="members", scope="module")
def _members(docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose members have passwords; not deployed yet."""
    folder: Path = tmp_path_factory.mktemp("members")
    made = Cluster(docker_client, folder)
    made.variables = {"patroni_member_authentication": "password"}
    made.remove()  # what an interrupted run has left
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(name="passwords", scope="module")
def _passwords() -> Passwords:
    """Those of the beginning, and those after the rotation."""
    return given(), given()


@pytest.fixture(name="scan", scope="module")
def _scan(passwords: Passwords) -> Scan:
    """Looks for all of them."""
    return Scan(password[:CANARY] for every in passwords for password in every.values())


def login(cluster: Cluster, node: str, role: str, password: str) -> str:
    """What a server says to a login by password alone; empty when it lets one in."""
    try:
        psycopg2.connect(
            host="127.0.0.1", port=cluster.port_of(node), user=role, password=password, dbname="postgres",
            sslmode="require", connect_timeout=10,
        ).close()  # fmt: skip
    except psycopg2.Error as error:
        return str(error)
    return ""


def streams(cluster: Cluster) -> int:
    """How many replicas follow the leader, as its server sees it."""
    query = "SELECT count(*) FROM pg_stat_replication WHERE usename = 'replicator' AND state = 'streaming'"
    return int(cluster.run(cluster.leader(), ["psql", "-Atc", query]).strip() or 0)


def test_nothing_is_deployed_without_both_passwords(members: Cluster) -> None:
    refused = members.play("deploy", expect=2, PATRONI_REPLICATION_PASSWORD="only one")
    assert "Export PATRONI_REPLICATION_PASSWORD and PATRONI_REWIND_PASSWORD" in refused
    assert not members.client.containers(all=True, filters={"name": f"^/{ETCD[0]}$"})


def test_a_running_cluster_is_changed_over_while_clients_work(
    members: Cluster, passwords: Passwords, scan: Scan
) -> None:
    old, _new = passwords
    by_password = members.variables
    members.variables = {}
    members.play("site")
    members.wait_whole()
    before = identities(members)
    with clients(members) as seen:
        # As the handbook says: the roles have passwords first, which nobody asks them for yet.
        said = members.play("rotate_password", "-e", json.dumps({"rotate_roles": dict(zip(MEMBERS, old))}), **old)
        assert "NOT seen, for they are asked for a certificate: rewinder" in said
        members.variables = by_password
        scan.text("site", members.play("site", "-vvv", "--diff", **old))
    note("playbook `site`: members change over from certificates to passwords", seen)
    nothing_lost(seen)
    assert seen.broken == [] and seen.refused == [] and seen.gap <= _UNDISTURBED
    assert identities(members) == before


def test_members_log_in_to_each_other_by_password(members: Cluster, passwords: Passwords) -> None:
    old, _new = passwords
    leader = members.wait_whole()
    members.run(leader, ["psql", "-c", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"])
    until(lambda: streams(members) == 2, "replicas log in anew")
    assert streams(members) == 2
    query = "SELECT array_to_string(user_name, ','), auth_method FROM pg_hba_file_rules"
    lines = members.run(leader, ["psql", "-Atc", query]).split()
    assert {f"{role}|scram-sha-256" for role in MEMBERS} <= set(lines)
    assert "cert" not in {line.partition("|")[2] for line in lines}
    assert "no password supplied" in login(members, leader, "rewinder", "")
    for options in ((), ("--check",)):
        assert recaps(members.play("site", *options, **old))["changed"] == 0


def test_passwords_of_members_are_rotated_without_anybody_noticing(
    members: Cluster, passwords: Passwords, scan: Scan
) -> None:
    old, new = passwords
    leader, before = members.wait_whole(), identities(members)
    assert recaps(members.play("rotate_password", "--check", **new))["changed"] > 0
    assert login(members, leader, "rewinder", old["PATRONI_REWIND_PASSWORD"]) == ""
    with clients(members) as seen:
        scan.text("rotate_password", members.play("rotate_password", "-vvv", "--diff", **new))
    note("playbook `rotate_password`: passwords of members", seen)
    assert seen.broken == [] and seen.refused == []
    assert seen.gap <= _UNDISTURBED
    nothing_lost(seen)
    assert identities(members) == before
    assert recaps(members.play("rotate_password", **new))["changed"] == 0


def test_new_passwords_hold_after_restarts_and_a_failover(members: Cluster, passwords: Passwords, scan: Scan) -> None:
    old, new = passwords
    for name in NODES:
        members.client.stop(name, timeout=60)
    for name in NODES:
        members.client.start(name)
    leader = members.wait_whole()
    members.client.kill(leader)
    until(lambda: members.leader() not in ("", leader), f"somebody takes over from {leader}")
    members.client.start(leader)
    members.wait_whole()
    until(lambda: streams(members) == 2, "replicas stream after the failover")
    for node in NODES:
        assert login(members, node, "rewinder", new["PATRONI_REWIND_PASSWORD"]) == ""
        for role, password in zip(MEMBERS, old.values()):
            assert "password authentication failed" in login(members, node, role, password)
    for name in NODES:
        scan.container(members.client, members.client.inspect_container(name)["Id"])
    # Where they must be: the member's file, and what Patroni writes for libpq, both for the container's user only.
    assert set(scan.places()) <= ALLOWED
    for path in ALLOWED:
        told = members.run(members.leader(), ["stat", "-Lc", "%a %u", path.removeprefix("file ")]).strip()
        assert told in ("600 999", "")  # whoever leads has no need of the other file


def test_a_rotation_is_resumed_where_it_was_broken_off(members: Cluster) -> None:
    """The nodes have the new passwords, the leader does not, and all of them log in anew."""
    cluster, new = members, given()
    leader = cluster.wait_whole()
    for role in MEMBERS:
        cluster.run(leader, ["psql", "-c", f"ALTER ROLE {role} PASSWORD 'other'"])
    cluster.run(leader, ["psql", "-c", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"])
    until(lambda: streams(cluster) == 0, "nobody can follow the leader")
    assert recaps(cluster.play("site", **new))["changed"] > 0
    cluster.wait_whole()
    until(lambda: streams(cluster) == 2, "replicas stream again")
    assert recaps(cluster.play("rotate_password", **new))["changed"] == 0
