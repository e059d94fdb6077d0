# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running cluster gets other images, settings, certificates and nodes, while clients work."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible_runs import until
from fault_cluster import ETCD, NODES, PREFIX, PROXY, Cluster
from operating_clients import clients, nothing_lost
from operating_looks import identities, recaps
from operating_table import note

pytestmark = pytest.mark.full  # each a minute or more

# The aim is 0.5 s, for a machine that has nothing else to do; docs/faults.md has what was measured. This is less than
# any failover takes.
_UNDISTURBED = 5.0
# One switchover to a named member, on a loaded machine; the proxies would take a minute.
_HANDOVER = 15.0
FOURTH = f"{PREFIX}n4"
ETCD4 = f"{PREFIX}etcd4"


# --- Updates -------------------------------------------------------------------------------------


def image_with(cluster: Cluster, name: str, line: str) -> str:
    """An image that differs from the one that runs by one line of a Dockerfile."""
    text = f"FROM {cluster.client.inspect_container(NODES[0])['Config']['Image']}\n{line}\n"
    list(cluster.client.build(fileobj=io.BytesIO(text.encode()), tag=name, rm=True, decode=True))
    return name


def test_an_update_stops_where_a_node_does_not_come_back_and_is_resumed(cluster: Cluster) -> None:
    broken = image_with(cluster, f"{PREFIX}image:broken", 'ENTRYPOINT ["/bin/false"]')
    good = image_with(cluster, f"{PREFIX}image:good", "LABEL howdah.test=good")
    leader, before = cluster.wait_whole(), identities(cluster)
    try:
        # As from a registry: the image is there, and not built.
        cluster.variables["patroni_image"] = broken
        foreseen = cluster.play("update", "--check")
        told = next(line for line in foreseen.splitlines() if line.startswith("Would "))
        assert all(node in told for node in NODES) and not any(name in told for name in (*ETCD, PROXY))
        with clients(cluster) as seen:
            stopped = cluster.play("update", expect=2)
        nothing_lost(seen)
        # A node that is replaced by itself is delegated to nobody.
        assert re.search(rf"fatal: \[{NODES[0]}(?: -> \S+)?\]", stopped) and "/bin/false" not in cluster.leader()
        assert identities(cluster)[leader] == before[leader], "the leader was not touched"

        cluster.variables["patroni_image"] = good
        with clients(cluster) as seen:
            assert "Done: " in cluster.play("update")
        note("playbook `update`: every node gets a new container", seen)
        nothing_lost(seen)
        after = identities(cluster)
        assert all(after[node][0] != before[node][0] for node in NODES)
        assert all(after[name] == before[name] for name in (*ETCD, PROXY))
        assert "Every container is of the newest image" in cluster.play("update")
    finally:
        del cluster.variables["patroni_image"]
    cluster.wait_whole()
    refusal = cluster.play("update", "--check", "-e", "image_postgres_major=17", expect=2)
    assert "has PostgreSQL 17, and 15 runs" in " ".join(refusal.split())
    assert "PLAY [Provide the container engine" not in refusal, "one that refuses speaks for all"
    cluster.play("site")


# --- Growing and shrinking -----------------------------------------------------------------------


def forget(cluster: Cluster, *names: str) -> None:
    """Have containers vanish, with all that they had."""
    for name in names:
        cluster.client.remove_container(name, force=True)
        for volume in (f"{name}-data", f"{name}-etc"):
            cluster.client.remove_volume(volume)


def etcd_members(cluster: Cluster) -> set[str]:
    """Who belongs to etcd, and has started."""
    tls = "/etc/howdah/tls"
    options = [f"--cacert={tls}/ca.crt", f"--cert={tls}/node.crt", f"--key={tls}/node.key", "--write-out=json"]
    words = ["etcdctl", *options, "--endpoints=https://127.0.0.1:2379", "member", "list"]
    listed = json.loads(cluster.run(ETCD[0], words))["members"]
    return {member.get("name", "") for member in listed}


def test_a_node_and_a_member_of_etcd_join(cluster: Cluster) -> None:
    leader, before = cluster.wait_whole(), identities(cluster)
    cluster.further, cluster.etcd_further = {FOURTH: {}}, (ETCD4,)
    with clients(cluster) as seen:
        cluster.play("site")
        cluster.names = (*NODES, FOURTH)
    note("playbook `site`: a fourth node and a fourth member of etcd join", seen)
    nothing_lost(seen)
    assert seen.broken == [] and seen.gap <= _UNDISTURBED
    assert cluster.wait_whole() == leader and identities(cluster) == before
    until(lambda: b"bootstrapped from replica" in cluster.client.logs(FOURTH), "the leader was left in peace")
    assert etcd_members(cluster) == {*ETCD, ETCD4}


def test_a_leader_and_a_member_of_etcd_are_retired(cluster: Cluster) -> None:
    """After the test before: there are four of each."""
    assert cluster.names == (*NODES, FOURTH)
    cluster.play("switchover", "-e", f"candidate={FOURTH}")
    assert cluster.wait_whole() == FOURTH

    cluster.further, cluster.etcd_further = {}, ()
    assert f"not declared: {FOURTH}" in " ".join(cluster.play("site", expect=2).split())
    cluster.retired = {FOURTH: {}, ETCD4: {}}
    foreseen = cluster.play("retire", "--check")
    assert cluster.leader() == FOURTH and recaps(foreseen)["changed"] >= 4
    assert f"Would retire {FOURTH}. Its volumes stay: {FOURTH}-data, {FOURTH}-etc." in foreseen
    with clients(cluster) as seen:
        output = cluster.play("site", "-e", f"retire_data={FOURTH}")
        cluster.names = NODES
    assert f"Retired {FOURTH}. Its volumes were removed as well." in output
    note("playbook `site`: the leader and a member of etcd are retired", seen)
    nothing_lost(seen)
    assert {member["name"] for member in cluster.members()} == set(NODES) and etcd_members(cluster) == set(ETCD)
    assert not cluster.client.volumes(filters={"name": FOURTH})["Volumes"]
    assert cluster.client.volumes(filters={"name": ETCD4})["Volumes"], "data that nobody has named are gone"
    assert FOURTH not in cluster.run(PROXY, ["cat", "/etc/howdah/haproxy.cfg"])
    assert recaps(cluster.play("site"))["changed"] == 0
    # Taken back, with what it had in its volume.
    cluster.retired, cluster.etcd_further = {}, (ETCD4,)
    cluster.play("site")
    assert etcd_members(cluster) == {*ETCD, ETCD4}
    cluster.retired, cluster.etcd_further = {ETCD4: {}}, ()
    cluster.play("site")
    assert etcd_members(cluster) == set(ETCD)
    cluster.retired = {}


def test_the_last_standby_leaves_only_when_it_is_named(cluster: Cluster) -> None:
    leader = cluster.wait_whole()
    stays, goes = (name for name in NODES if name != leader)
    cluster.client.stop(stays, timeout=60)
    try:
        cluster.nodes.pop(goes, None)
        cluster.left_out, cluster.retired = (goes,), {goes: {}}
        refusal = cluster.play("retire", expect=2)
        assert f"say -e retire_last={goes}" in refusal and cluster.running([goes]) == [goes]
    finally:
        cluster.client.start(stays)
        cluster.left_out, cluster.retired = (), {}
    cluster.wait_whole()


def test_a_machine_that_is_gone_for_good_is_taken_out_and_replaced(cluster: Cluster) -> None:
    """As docs/operations.md has it: its node needs no retiring; a member of etcd is removed from the list."""
    leader = cluster.wait_whole()
    gone, etcd_gone = next(name for name in NODES if name != leader), ETCD[2]
    forget(cluster, gone, etcd_gone)
    cluster.module("etcd_member", ETCD[0], container=ETCD[0], name=etcd_gone, state="absent")
    assert etcd_members(cluster) == {*ETCD} - {etcd_gone}
    cluster.left_out, cluster.names = (gone,), tuple(name for name in NODES if name != gone)
    assert recaps(cluster.play("site"))["failed"] == 0
    assert {member["name"] for member in cluster.members()} == {*NODES} - {gone}
    assert etcd_members(cluster) == {*ETCD}, "the member that is declared has joined anew"
    cluster.left_out, cluster.names = (), NODES
    assert recaps(cluster.play("site"))["failed"] == 0
    assert cluster.wait_whole() == leader


def test_a_newcomer_does_not_lead_before_the_proxies_know_it(cluster: Cluster) -> None:
    """The same run that adds it replaces all others: the leader hands over while the proxies know only those."""
    before, led_before = identities(cluster), len(_history(cluster))
    cluster.further = {FOURTH: {}}
    # Another container for each node, and then a restart of each server.
    cluster.variables |= {"patroni_labels": {"howdah.test": "replaced"}, "patroni_settings": {"max_connections": 110}}
    with clients(cluster) as seen:
        cluster.play("site")
        cluster.names = (*NODES, FOURTH)
    nothing_lost(seen)
    assert seen.gap <= _HANDOVER
    led = _history(cluster)[led_before:]
    assert led and cluster.leader() != FOURTH and FOURTH not in led
    assert all(identities(cluster)[node] != before[node] for node in NODES)

    cluster.further, cluster.retired = {}, {FOURTH: {}}
    cluster.play("retire", "-e", f"retire_data={FOURTH}")
    cluster.names = NODES
    cluster.play("site")
    cluster.retired = {}


def _history(cluster: Cluster) -> list[str]:
    """Who has led, once the cluster is whole: a name for each time that another one began to."""
    # Timeline, end, reason, time, and who began the next one.
    return [line[4] for line in cluster.rest(cluster.wait_whole(), "GET", "/history")[1]]


# --- Drift ---------------------------------------------------------------------------------------


def test_what_was_changed_by_hand_is_named_and_mended(cluster: Cluster) -> None:
    leader = cluster.wait_whole()
    replica = next(name for name in NODES if name != leader)
    cluster.nodes[replica] = {"patroni_memory": "512m"}
    cluster.play("site")
    assert recaps(cluster.play("site", "--check"))["changed"] == 0
    before = identities(cluster)
    status, _body = cluster.rest(leader, "PATCH", "/config", {"loop_wait": 4})
    assert status == 200
    cluster.client.update_container(replica, mem_limit=400 << 20, memswap_limit=-1)
    foreseen = cluster.play("site", "--check", "--diff")
    assert re.search(r"loop_wait.*4|4.*loop_wait", foreseen, re.DOTALL)
    assert recaps(foreseen)["changed"] == 2 and "memory" in foreseen
    with clients(cluster) as seen:
        cluster.play("site")
    note("playbook `site`: configuration and limits changed by hand are mended", seen)
    nothing_lost(seen)
    assert seen.gap <= _UNDISTURBED and identities(cluster) == before
    assert cluster.rest(leader, "GET", "/config")[1]["loop_wait"] == 5
    assert cluster.client.inspect_container(replica)["HostConfig"]["Memory"] == 512 << 20
    assert recaps(cluster.play("site", "--check"))["changed"] == 0


# --- Certificates --------------------------------------------------------------------------------


def issuers(cluster: Cluster, *names: str) -> dict[str, str]:
    """The fingerprint of each node's certificate, by name."""
    return {name: cluster.run(name, ["sha256sum", "/etc/howdah/tls/node.crt"]).split()[0] for name in names}


def trusted(cluster: Cluster, name: str) -> int:
    """How many authorities a node trusts."""
    return cluster.run(name, ["cat", "/etc/howdah/tls/ca.crt"]).count("BEGIN CERTIFICATE")


def test_a_certificate_that_ends_soon_is_named_and_renewed(cluster: Cluster) -> None:
    """The leader's: when it gets another one, its REST interface, which the proxies ask, is away for a moment."""
    leader = cluster.wait_whole()
    names = {"name": leader, "volume": f"{leader}-etc", "alt_names": [leader, "localhost", "127.0.0.1"]}
    short = {**names, "container": leader, "signal": "SIGHUP"}
    options = {"authority": cluster.authority, "nodes": [short], "days": 20, "renew_before": 1, "renew_all": True}
    options["image"] = "howdah/postgresql:15-bookworm"
    cluster.module("certificates", leader, **options)
    before, old = identities(cluster), issuers(cluster, leader)
    assert "it ends in 19 days" in cluster.play("site", "--check", "-v")
    assert issuers(cluster, leader) == old
    with clients(cluster) as seen:
        assert recaps(cluster.play("site"))["changed"] == 1
    note("playbook `site`: a certificate that ends soon is renewed", seen)
    nothing_lost(seen)
    assert seen.gap <= _UNDISTURBED and seen.broken == [] and seen.refused == []
    assert issuers(cluster, leader) != old and identities(cluster) == before
    assert recaps(cluster.play("site"))["changed"] == 0


def verified(cluster: Cluster, authorities: str) -> None:
    """A login of a client that knows these authorities only."""
    verify: dict[str, Any] = {"sslmode": "verify-full", "sslrootcert": authorities, "connect_timeout": 10}
    where: dict[str, Any] = {"host": "127.0.0.1", "port": cluster.port_of(cluster.wait_whole())}
    psycopg2.connect(user="postgres", password=cluster.password, **where, **verify).close()


def test_the_authority_is_replaced_while_clients_work(cluster: Cluster, tmp_path: Path) -> None:
    everybody = (*NODES, *ETCD, PROXY)
    cluster.wait_whole()
    before, old = identities(cluster), issuers(cluster, *everybody)
    containers = {name: before[name] for name in (*NODES, PROXY)}
    # As the page has it for clients that verify the servers: they trust both beforehand.
    cluster.module("authority_renewal", "localhost", authority=cluster.authority, step="announce")
    both = shutil.copy(f"{cluster.authority}/ca.crt", tmp_path)
    verified(cluster, both)
    with clients(cluster) as seen:
        output = cluster.play("renew_authority")
    verified(cluster, both)
    note("playbook `renew_authority`: another authority, all certificates new", seen)
    nothing_lost(seen)
    assert "Done: all certificates are of the new authority in" in output
    assert "failed=0" in output and seen.gap <= _UNDISTURBED and seen.broken == [] and seen.refused == []
    now = issuers(cluster, *everybody)
    assert all(now[name] != old[name] for name in everybody)
    assert {trusted(cluster, name) for name in everybody} == {1}
    after = identities(cluster)
    assert {name: after[name] for name in (*NODES, PROXY)} == containers, "nobody but etcd was restarted"
    assert recaps(cluster.play("site"))["changed"] == 0
    # With nothing but the new authority, members find each other anew.
    leader = cluster.wait_whole()
    cluster.play("switchover")
    assert cluster.wait_whole() != leader
