# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster on three machines, each with an engine of its own: reached by `docker_host`, and by SSH."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import docker
import pytest
from ansible_runs import until
from fault_writer import Connection
from machine_bed import NETWORK, Bed
from operating_clients import clients, nothing_lost
from spread_cluster import NAME, Spread

pytestmark = pytest.mark.full  # three engines get the image: minutes


def test_every_machine_has_its_part(spread: Spread, bed: Bed) -> None:
    for machine in bed.machines:
        names = {entry["Names"][0].lstrip("/") for entry in machine.client().containers()}
        assert {f"{machine.name}-pg", f"{machine.name}-etcd"} <= names
    built = {spread.engines_image(machine, "howdah/postgresql:15-bookworm") for machine in bed.machines}
    assert len(built) == 1 and "" not in built, "the image is built once, and delivered"
    assert not re.findall(r"changed=[1-9]", spread.play("site"))
    assert not re.findall(r"changed=[1-9]", spread.play("site", "--check"))
    table = spread.play("status")
    assert len(re.findall(r"^howdah\d-pg +(?:leader|quorum standby) ", table, re.MULTILINE)) == 3


def test_passwords_are_rotated_on_all_machines(spread: Spread) -> None:
    new = spread.password + "-new"
    with clients(spread, new) as seen:
        output = spread.play("rotate_password", POSTGRES_PASSWORD=new)
    spread.password = new
    nothing_lost(seen)
    assert all(f"{machine.address}:5432" in output for machine in spread.bed.machines)
    assert f"{spread.host}:{spread.port}" in output, "the proxy was not asked"
    assert seen.refused == [] and seen.broken == []
    Connection(spread.port, new, host=spread.host).close()


def test_members_have_passwords_on_all_machines_and_certificates_again(spread: Spread) -> None:
    def given() -> dict[str, str]:
        names = ("PATRONI_REPLICATION_PASSWORD", "PATRONI_REWIND_PASSWORD")
        return {name: f"canary-{secrets.token_urlsafe(12)}" for name in names}

    first, second = given(), given()
    with clients(spread) as seen:
        spread.play("rotate_password", "-e", "patroni_member_authentication=password", **first)
        spread.variables = {"patroni_member_authentication": "password"}
        spread.play("site", **first)
        told = spread.play("rotate_password", **second)
        assert not re.findall(r"changed=[1-9]", spread.play("site", **second))
        assert "Done: hand the leadership over" in spread.play("switchover")
        spread.wait_whole()
        spread.variables = {}
        spread.play("site")
    nothing_lost(seen)
    assert "canary-" not in told and "rewinder: fresh logins taken" in told
    spread.wait_whole()
    assert not re.findall(r"changed=[1-9]", spread.play("site"))


def test_another_machine_leads(spread: Spread) -> None:
    before = spread.wait_whole()
    assert "Done: hand the leadership over" in spread.play("switchover")
    assert spread.wait_whole() != before


def test_a_member_that_the_others_do_not_reach_is_no_member(spread: Spread, bed: Bed) -> None:
    """It follows the leader, as it is who connects, and all would look well until it is to lead."""
    lost = bed.machines[-1].name
    right, spread.addresses[lost] = spread.addresses[lost], f"{NETWORK}.99"
    try:
        told = " ".join(spread.play("deploy", expect=2).split())
        assert f"The cluster knows {lost}-pg at {NETWORK}.99:8008, and it is not reached there" in told, told
        assert "Correct its patroni_address" in told and "member_unreached" in told
    finally:
        spread.addresses[lost] = right
        spread.play("deploy")
    assert not re.findall(r"changed=[1-9]", spread.play("deploy"))


def test_a_cluster_is_asked_although_the_container_of_its_first_node_is_down(spread: Spread, bed: Bed) -> None:
    """Which is when people ask."""
    spread.wait_whole()
    node, engine = f"{bed.machines[0].name}-pg", bed.machines[0].client()
    engine.stop(node, timeout=60)
    try:
        until(lambda: re.search(r"^Cluster \S+: leader ", spread.play("status"), re.MULTILINE), "somebody leads")
        assert re.search(rf"^{node} .* its container is exited$", spread.play("status"), re.MULTILINE)
        assert "Would hand the leadership over" in spread.play("switchover", "--check")
        assert "Done: pause the cluster" in spread.play("pause")
        assert "Done: resume the cluster" in spread.play("resume")
        assert "fresh logins taken" in spread.play("rotate_password")
    finally:
        engine.start(node)
    spread.wait_whole()


def test_machines_are_reached_by_ssh(
    spread: Spread, bed: Bed, ssh: dict[str, Any], docker_client: docker.APIClient, tmp_path: Path
) -> None:
    by_ssh = Spread(bed, docker_client, tmp_path, ssh)
    refusal = spread.play("destroy", "-e", f"destroy_data={NAME}")
    assert "failed=0" in refusal and spread.running(spread.names) == []
    try:
        by_ssh.deploy()
        leader = by_ssh.wait_whole()
        assert "docker_host" not in str(by_ssh.inventory()["all"]["children"]["postgres"])
        assert not re.findall(r"changed=[1-9]", by_ssh.play("site"))
        assert not re.findall(r"changed=[1-9]", by_ssh.play("site", "--check"))
        new = by_ssh.password + "-new"
        with clients(by_ssh, new) as seen:
            by_ssh.play("rotate_password", POSTGRES_PASSWORD=new)
        by_ssh.password = new
        nothing_lost(seen)
        assert seen.refused == [] and seen.broken == []
        assert "Done: hand the leadership over" in by_ssh.play("switchover")
        assert by_ssh.wait_whole() != leader
    finally:
        by_ssh.remove()
