# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States that do not pass, brought about on a real cluster: each ends waiting early, and tells cause, member, log."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import Any, Iterator

import pytest
from ansible_runs import until
from patroni_site import ETCD, NAME, NODES, Site

pytestmark = pytest.mark.full  # most have a time of grace
# Seconds. Far more than the longest time of grace: a wait that comes to its limit has not seen the state.
LIMIT = 110


@pytest.fixture(autouse=True)
def whole(site: Site) -> None:
    """Each test begins with a whole cluster."""
    site.mend()


def replica_of(site: Site) -> str:
    leader = site.leader()
    return next(node for node in NODES if node != leader)


def verdict(site: Site, cause: str, member: str = "", **arguments: Any) -> dict[str, Any]:
    """Wait in vain; what the module says."""
    failed = site.module("patroni_wait", timeout=LIMIT, **arguments)
    assert (failed.get("error"), failed.get("cause")) == ("cluster_failed", cause), failed
    assert not member or failed["member"] == member, failed
    assert failed["logs"] and failed["msg"].startswith(f"{failed['member']}: ")
    return failed


def said(failed: dict[str, Any], pattern: str) -> bool:
    return any(re.search(pattern, line) for line in failed["logs"])


@contextmanager
def declared(site: Site, **variables: Any) -> Iterator[None]:
    """Settings of the nodes that are taken back afterwards."""
    try:
        site.play("deploy", "-e", json.dumps(variables))
        yield
    finally:
        site.play("deploy")


def test_another_clusters_data(site: Site) -> None:
    key = f"/service/{NAME}/initialize"
    own = site.etcdctl("get", "--print-value-only", key).strip()
    assert own.isdigit()
    site.etcdctl("put", key, "7000000000000000001")
    try:
        # In the seconds before any of them looks, all is well.
        until(lambda: any(b"system ID mismatch" in site.client.logs(node, tail=50) for node in NODES), "it is seen")
        failed = verdict(site, "system_id_mismatch")
    finally:
        site.etcdctl("put", key, own)
    assert failed["member"] in NODES
    assert said(failed, "system ID mismatch")


def test_a_container_that_has_ended(site: Site) -> None:
    replica = replica_of(site)
    site.client.kill(replica)  # etcd lists it as streaming until its lease ends
    verdict(site, "container_stopped", replica)


def test_a_container_that_does_not_exist(site: Site) -> None:
    replica = replica_of(site)
    site.client.remove_container(replica, force=True)
    failed = site.module("patroni_wait", timeout=LIMIT)
    assert (failed["cause"], failed["member"]) == ("container_missing", replica), failed
    site.play("deploy")


def test_etcd_is_away(site: Site) -> None:
    site.client.stop(ETCD, timeout=10)
    try:
        failed = verdict(site, "dcs_unreachable")
        told = site.play("status")
    finally:
        site.client.start(ETCD)
    assert "as it does when etcd does not answer it" in told and told.count("Patroni could not be asked") == len(NODES)
    assert said(failed, "(?i)etcd|dcs")


def test_nobody_lets_a_member_in(site: Site) -> None:
    replica = replica_of(site)
    lines = ["local all all peer", "hostssl all all all scram-sha-256"]
    with declared(site, patroni_node_config={"postgresql": {"pg_hba": lines}}):
        site.client.restart(replica, timeout=30)
        failed = verdict(site, "hba_line_missing", replica)
        assert said(failed, "no pg_hba.conf entry")


def test_a_certificate_of_nobody_known(site: Site) -> None:
    replica = replica_of(site)
    lines = [f'members "{NAME}-nobody" replicator']
    with declared(site, patroni_node_config={"postgresql": {"pg_ident": ["howdah postgres \"postgres\"", *lines]}}):
        site.client.restart(replica, timeout=30)
        failed = verdict(site, "member_refused", replica)
        assert said(failed, "certificate authentication failed")


def test_a_certificate_of_another_authority(site: Site) -> None:
    replica = replica_of(site)
    site.certify(replica, "another")
    site.client.restart(replica, timeout=30)
    failed = verdict(site, "wrong_authority", replica)
    assert said(failed, "(?i)certificate|unknown ca|alert")
    site.play("deploy")


def test_a_server_that_does_not_start(site: Site) -> None:
    """The setting waits for a restart: at the first replica it is over."""
    settings = {"postgresql": {"parameters": {"shared_preload_libraries": "no_such_library"}}}
    leader, start = site.leader(), time.monotonic()
    try:
        told = site.play("deploy", "-e", json.dumps({"patroni_node_config": settings}), expect=2)
        assert time.monotonic() - start < LIMIT
        assert '"cause": "start_failed"' in told and "PostgreSQL does not start there" in told, told
        failed = verdict(site, "start_failed")
        assert failed["member"] != leader
    finally:
        site.play("deploy")


def test_data_of_another_major_version(site: Site) -> None:
    replica = replica_of(site)
    site.run(replica, "sh", "-c", "for f in /var/lib/postgresql/data/*/PG_VERSION; do echo 14 > $f; done")
    site.client.restart(replica, timeout=30)
    verdict(site, "other_major_version", replica)
    site.forget(replica)
    site.play("deploy")


def test_a_full_disk(site: Site) -> None:
    replica = replica_of(site)
    site.forget(replica)
    small = {"type": "tmpfs", "device": "tmpfs", "o": "size=12m,uid=999,gid=999,mode=700"}
    site.client.create_volume(f"{replica}-data", driver="local", driver_opts=small)
    output = site.play("deploy", expect=2)
    assert re.search(r"cause\W+disk_full", output), output
    site.forget(replica)
    site.play("deploy")


def test_a_name_that_is_taken(site: Site) -> None:
    replica = replica_of(site)
    twin = f"{NAME}-twin"
    site.start_twin(replica, twin)
    try:
        failed = verdict(site, "name_taken", twin, containers=[*NODES, twin])
    finally:
        site.forget(twin)
    assert said(failed, "already a node named")


def test_two_timelines_of_one_number(site: Site) -> None:
    # Patroni would not make a member the leader that lags behind the timeline it has written down.
    site.module("patroni_config", config={"check_timeline": False, "synchronous_mode": False})
    first = site.leader()
    second, third = (node for node in NODES if node != first)
    site.client.pause(third)
    try:
        status, body = site.rest(first, "/switchover", "POST", {"leader": first, "candidate": second})
        assert status == 200, body
        until(lambda: not site.ask(second, "SELECT pg_is_in_recovery()"), "the second leads")
        site.ask(second, "CREATE TABLE branch AS SELECT generate_series(1, 1000) AS n")
        for node in (first, second):
            site.client.kill(node)
    finally:
        site.client.unpause(third)
    until(lambda: not site.ask(third, "SELECT pg_is_in_recovery()"), "the third leads, on a timeline of its own")
    # Further than the second, which would otherwise only wait, and be called streaming meanwhile.
    site.ask(third, "CREATE TABLE other AS SELECT generate_series(1, 2000000) AS n")
    site.client.start(second)
    failed = verdict(site, "diverged", second, containers=[second, third])
    assert "reinit" in failed["msg"]
    status, body = site.rest(second, "/reinitialize", "POST", {"force": True})
    assert status == 200, body
    site.client.start(first)
    site.leader()
    site.module("patroni_config", config={"check_timeline": True, "synchronous_mode": "quorum"})


def test_a_cluster_whose_data_are_gone(site: Site) -> None:
    for node in NODES:
        site.forget(node)
    output = site.play("deploy", expect=2)
    assert re.search(r"cause\W+no_bootstrap", output), output
    site.etcdctl("del", "--prefix", f"/service/{NAME}/")  # as the message advises
    site.forget(NODES[0])
    site.play("deploy")


def test_a_watchdog_that_is_none(site: Site) -> None:
    for node in NODES:
        site.forget(node)
    site.etcdctl("del", "--prefix", f"/service/{NAME}/")
    null = {"patroni_watchdog": "required", "patroni_watchdog_device": "/dev/null"}
    output = site.play("deploy", "-e", json.dumps(null), expect=2)
    assert re.search(r"cause\W+watchdog_missing", output), output
    assert site.inspect(NODES[0])["HostConfig"]["Devices"][0]["PathInContainer"] == "/dev/watchdog"
    assert not any(site.rest(node, "/primary")[0] == 200 for node in NODES)
