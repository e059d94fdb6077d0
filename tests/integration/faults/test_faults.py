# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault once: no acknowledged row is lost, none is there twice, and writing goes on within bounds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_runs import until
from fault_cluster import NODES, Cluster
from fault_kinds import FAULTS, Effort, Suffered, suffer

# Asks the REST interface of its own node as the agent and the health check do, and tells the seconds that it takes.
_QUESTIONS = """
import sys, time; sys.path.insert(0, "/opt/container/lib")
from howdah._postgres import rest
from howdah.entrypoint import run_state
state = run_state.read()
where = rest.Rest.at(state.rest, state.tls, own=True)
for _question in range(60):
    began = time.perf_counter()
    assert rest.ask(where, "GET", "/liveness", None, lambda: 5.0)[0] == 200
    print(time.perf_counter() - began)
"""
# Longer than a leader's lease (20 s); `bin/test full` waits a minute.
EFFORT = Effort(outage=25.0, switchovers=3)
# The aims are for a machine that has nothing else to do: docs/faults.md has what was measured on one.
_SLACK = 2.0
# Where some process waits for a processor most of the time, one of several in a row may be slow besides, and not all.
_BUSY, _SLOWEST = 0.5, 5.0


def _waited() -> float:
    """Seconds since the start of the machine in which some process had no processor; 0 where nobody counts."""
    try:
        return int(Path("/proc/pressure/cpu").read_text(encoding="ascii").split()[4].partition("=")[2]) / 1e6
    except OSError:
        return 0.0


def _in_time(suffered: Suffered, limit: float, busy: bool) -> bool:
    if busy:
        return min(suffered.gaps) <= limit * _SLACK and suffered.gap <= limit + _SLOWEST
    return suffered.gap <= limit * _SLACK


@pytest.mark.parametrize("kind", [kind for kind, fault in FAULTS.items() if fault.brief])
def test_no_acknowledged_row_is_lost(cluster: Cluster, kind: str) -> None:
    limit = FAULTS[kind].limit
    # Other tests may take the processor in the middle of it: where it was too slow it is done once more.
    for attempt in range(2):
        since, waited = time.monotonic(), _waited()
        suffered = suffer(cluster, FAULTS[kind], EFFORT)
        busy = _waited() - waited > _BUSY * (time.monotonic() - since)
        told = f"{suffered.verdict.acknowledged} rows acknowledged; {busy=}, gaps {suffered.gaps}"
        print(f"{kind}: {told}")
        assert suffered.verdict.acknowledged > 40
        assert suffered.verdict.lost == []
        assert suffered.verdict.twice == []
        if limit is None or _in_time(suffered, limit, busy):
            break
        assert attempt == 0, told


def test_a_question_to_patroni_does_not_wait_for_a_delayed_acknowledgement(cluster: Cluster) -> None:
    cluster.wait_whole()
    taken = cluster.run(NODES[0], ["/usr/bin/python3", "-IS", "-c", _QUESTIONS]).split()
    # The kernel delays them by 40 ms at least; whatever else a busy machine does, one of sixty comes through faster.
    assert len(taken) == 60 and min(map(float, taken)) < 0.03, taken


def test_settings_that_wait_for_a_restart_come_into_force_one_member_after_another(cluster: Cluster) -> None:
    leader = cluster.wait_whole()
    settings = {"postgresql": {"parameters": {"max_connections": 123}}}
    # Until all have noticed: restarts are for those that are known to wait.
    until(lambda: sorted(_told(cluster, "patroni_config", config=settings)["pending"]) == sorted(NODES), "all wait")
    done = _told(cluster, "patroni_restart")["done"]
    assert {cluster.run(node, ["psql", "-Atc", "SHOW max_connections"]).strip() for node in NODES} == {"123"}
    replicas = [node for node in NODES if node != leader]
    assert sorted(done[:2]) == [f"restart {node}" for node in replicas]
    # The old leader is started anew by handing over; nothing may be left to be restarted.
    assert done[2].startswith(f"switchover from {leader} to ") and set(done[3:]) <= {f"restart {leader}"}
    assert _told(cluster, "patroni_config", config=settings)["pending"] == []
    assert cluster.wait_whole() in replicas


def _told(cluster: Cluster, module: str, **options: Any) -> dict[str, Any]:
    output = cluster.module(module, NODES[0], containers=list(NODES), **options)
    told: dict[str, Any] = json.loads(output.partition("=> ")[2])
    return told
