# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running cluster gets other images, while clients work."""

from __future__ import annotations

import io
import re

import pytest
from fault_cluster import ETCD, NODES, PREFIX, PROXY, Cluster
from operating_clients import clients, nothing_lost
from operating_looks import identities
from operating_table import note

pytestmark = pytest.mark.full  # each a minute or more

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
        assert re.search(rf"fatal: \[{NODES[0]} -> \S+\]", stopped) and "/bin/false" not in cluster.leader()
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
