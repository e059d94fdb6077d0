# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults: each is done to a whole cluster that is being written to, and leaves a whole cluster behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import Callable

import psycopg2
from ansible_runs import until
from fault_cluster import ETCD, NODES, Cluster
from fault_writer import TABLE, Connection, Silence, Verdict, Writer, judge

# A fault counts as survived once so many rows in a row were written.
_ROWS_AFTER = 20


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    :param title: for the table.
    :param limit: the longest gap that is aimed at, in seconds; None without an aim.
    :param inflict: does it; given how much of it is wanted.
    :param brief: whether it is part of `bin/test`, and not of `bin/test full` alone.
    """

    title: str
    limit: float | None
    inflict: Callable[[Cluster, Writer, Effort], None]
    brief: bool = True


@dataclass(frozen=True)
class Effort:
    """How much of each.

    :param outage: seconds that etcd is away.
    :param switchovers: how many in a row.
    :param named: how many in a row to a named member.
    """

    outage: float
    switchovers: int
    named: int = 3


@dataclass(frozen=True)
class Suffered:
    """What one fault did.

    :param gaps: the longest time without an acknowledged write, in seconds; of each in a row.
    """

    gaps: tuple[float, ...]
    verdict: Verdict

    @property
    def gap(self) -> float:
        """The longest of all."""
        return max(self.gaps)


def suffer(cluster: Cluster, fault: Fault, effort: Effort) -> Suffered:
    """Write, inflict the fault, write on, and count."""
    cluster.wait_whole()
    writer = Writer(cluster.port, cluster.password, first=_prepare(cluster))
    writer.start()
    try:
        _goes_on(writer)
        since = time.monotonic()
        fault.inflict(cluster, writer, effort)
        _goes_on(writer)
        spans = writer.spans or [(since, time.monotonic())]
        gaps = tuple(writer.gap(*span) for span in spans)
        cluster.wait_whole()
    finally:
        writer.stop()
    leader = Connection(cluster.port_of(cluster.wait_whole()), cluster.password)
    try:
        rows = dict(leader.execute(f"SELECT n, count(*) FROM {TABLE} GROUP BY n"))
    finally:
        leader.close()
    return Suffered(gaps, judge(rows, [number for number, _at in writer.acknowledged]))


def _prepare(cluster: Cluster) -> int:
    """Make the table; the first number that was never used in it."""
    until(lambda: _login(cluster), "the proxy leads to the leader")
    connection = Connection(cluster.port, cluster.password)
    try:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (n bigint)")  # no key: it would hide what came twice
        connection.execute(f"TRUNCATE {TABLE}")
        return 1
    finally:
        connection.close()


def _login(cluster: Cluster) -> bool:
    try:
        Connection(cluster.port, cluster.password).close()
    except (psycopg2.Error, Silence):
        return False
    return True


def _goes_on(writer: Writer) -> None:
    """Wait until rows are written again."""
    wanted = writer.count() + _ROWS_AFTER
    until(lambda: writer.count() >= wanted, f"rows are written (last error: {(writer.errors or ['none'])[-1]})")


def _new_leader(cluster: Cluster, old: str) -> str:
    return str(until(lambda: cluster.leader() not in ("", old) and cluster.leader(), f"somebody takes over from {old}"))


# --- The faults ----------------------------------------------------------------------------------


def _kill_init(cluster: Cluster, _writer: Writer, _effort: Effort) -> None:
    leader = cluster.leader()
    state = cluster.client.inspect_container(leader)["State"]
    os.kill(state["Pid"], signal.SIGKILL)
    until(
        lambda: cluster.client.inspect_container(leader)["State"]["StartedAt"] != state["StartedAt"],
        "the engine starts the container again",
    )


def _kill_container(cluster: Cluster, writer: Writer, _effort: Effort) -> None:
    leader = cluster.leader()
    cluster.client.kill(leader)
    _new_leader(cluster, leader)
    _goes_on(writer)
    cluster.client.start(leader)


def _kill_server(cluster: Cluster, _writer: Writer, _effort: Effort) -> None:
    leader = cluster.leader()
    running = _postmaster(cluster, leader)
    cluster.run(leader, ["sh", "-c", f"kill -KILL {running}"])  # a program of that name is not in the image
    until(lambda: _postmaster(cluster, leader) not in ("", running), "Patroni starts another server")


def _postmaster(cluster: Cluster, node: str) -> str:
    """The process of the server; empty when there is none."""
    return cluster.run(node, ["sh", "-c", "head -qn 1 /var/lib/postgresql/data/*/postmaster.pid"]).strip()


def _freeze(cluster: Cluster, writer: Writer, _effort: Effort) -> None:
    leader = cluster.leader()
    held = Connection(cluster.port_of(leader), cluster.password, "howdah-faults-held")
    held.execute("SELECT 1")
    cluster.client.pause(leader)
    try:
        _new_leader(cluster, leader)
        _goes_on(writer)
        acknowledged: list[bool] = []
        late = threading.Thread(target=lambda: acknowledged.append(_late_write(held)), daemon=True)
        late.start()
        time.sleep(0.2)  # its statement waits in the frozen server's socket
    finally:
        cluster.client.unpause(leader)
    late.join(30)
    if cluster.synchronous():
        assert acknowledged == [False], "the old leader has acknowledged a write"


def _late_write(held: Connection) -> bool:
    """Whether the server that was frozen acknowledges a write when it thaws."""
    try:
        held.execute(f"INSERT INTO {TABLE} VALUES (-1)")
    except (psycopg2.Error, Silence):
        return False
    finally:
        held.close()
    return True


def _kill_etcd_leader(cluster: Cluster, writer: Writer, _effort: Effort) -> None:
    name = str(until(cluster.etcd_leader, "etcd has a leader"))
    cluster.client.kill(name)
    until(lambda: cluster.etcd_leader() not in ("", name), "etcd has another leader")
    _goes_on(writer)
    cluster.client.start(name)


def _stop_etcd(cluster: Cluster, writer: Writer, effort: Effort) -> None:
    leader = cluster.leader()
    _all(lambda name: cluster.client.stop(name, timeout=10), ETCD)
    time.sleep(effort.outage)
    assert cluster.run(leader, ["psql", "-Atc", "SELECT pg_is_in_recovery()"]).strip() == "f", "the leader was deposed"
    _all(cluster.client.start, ETCD)
    until(cluster.etcd_leader, "etcd has a leader")
    _goes_on(writer)
    assert cluster.wait_whole() == leader


def _stop_each(cluster: Cluster, writer: Writer, _effort: Effort) -> None:
    for node in NODES:
        since = time.monotonic()
        cluster.client.stop(node, timeout=60)
        assert cluster.client.inspect_container(node)["State"]["ExitCode"] == 0
        _goes_on(writer)
        writer.spans.append((since, time.monotonic()))
        cluster.client.start(node)
        cluster.wait_whole()


def _switch(cluster: Cluster, writer: Writer, effort: Effort) -> None:
    for _turn in range(effort.switchovers):
        leader = cluster.wait_whole()
        since = time.monotonic()
        status, said = cluster.rest(leader, "POST", "/switchover", {"leader": leader})
        assert status == 200, said
        _goes_on(writer)
        writer.spans.append((since, time.monotonic()))
        assert cluster.leader() not in ("", leader)


def _switch_to(cluster: Cluster, writer: Writer, effort: Effort) -> None:
    for _turn in range(effort.named):
        leader = cluster.wait_whole()
        candidate = next(name for name in NODES if name != leader)
        since = time.monotonic()
        status, said = cluster.rest(leader, "POST", "/switchover", {"leader": leader, "candidate": candidate})
        assert status == 200, said
        _goes_on(writer)
        writer.spans.append((since, time.monotonic()))
        assert cluster.leader() == candidate


def _all(act: Callable[[str], object], names: tuple[str, ...]) -> None:
    threads = [threading.Thread(target=act, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


FAULTS = {
    "init": Fault("process 1 of the leader's container killed from the host, restarted by the engine", 6.0, _kill_init),
    "container": Fault("the leader's container killed and left dead", 22.0, _kill_container),
    "server": Fault("the leader's postgres killed by SIGKILL", None, _kill_server),
    "frozen": Fault("the leader's container frozen, and thawed once another leads", None, _freeze),
    "etcd-leader": Fault("the leader of etcd killed", None, _kill_etcd_leader),
    "etcd": Fault("all of etcd stopped", None, _stop_etcd),
    "stop": Fault("`docker stop` of each node in turn", None, _stop_each),
    "switchover": Fault("planned switchovers in a row, to whom Patroni chooses", 1.5, _switch),
    "switchover-to": Fault("planned switchovers in a row, to a named member", None, _switch_to, brief=False),
}
