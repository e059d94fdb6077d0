# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of playbooks look at."""

from __future__ import annotations

import re

from fault_cluster import ETCD, NODES, PROXY, Cluster


def recaps(output: str) -> dict[str, int]:
    """The counts of all hosts in the recap, summed up."""
    counts: dict[str, int] = {}
    for key, value in re.findall(r"(\w+)=(\d+)", output.split("PLAY RECAP", 1)[1]):
        counts[key] = counts.get(key, 0) + int(value)
    return counts


def identities(cluster: Cluster) -> dict[str, tuple[str, str]]:
    """What tells that a container is the same one, and was not restarted."""
    found = {name: cluster.client.inspect_container(name) for name in (*NODES, *ETCD, PROXY)}
    return {name: (one["Id"], one["State"]["StartedAt"]) for name, one in found.items()}
