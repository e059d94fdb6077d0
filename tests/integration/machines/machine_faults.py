# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of machines, networks and disks: each leaves a whole cluster behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

from ansible_runs import until
from machine_bed import Machine
from spread_cluster import Spread

ETCD, POSTGRES, PATRONI = 2379, 5432, 8008
# Longer than a leader's lease (20 s).
_OUTAGE = 30.0
# Kept free of what the fault fills up, so that the file system itself stays usable afterwards.
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Fault:
    """One kind.

    :param title: for the table.
    :param limit: the longest gap that is aimed at, in seconds.
    :param inflict: does it, and mends it.
    :param etcd: whether etcd is led from the leader's machine.
    """

    title: str
    limit: float
    inflict: Callable[[Spread, Machine], None]
    etcd: bool = False


def _others(spread: Spread, machine: Machine) -> list[Machine]:
    return [one for one in spread.bed.machines if one is not machine]


def _leader_gone(spread: Spread, machine: Machine) -> None:
    machine.cut()
    until(lambda: spread.leader() not in ("", f"{machine.name}-pg"), "another machine leads")
    time.sleep(_OUTAGE / 3)
    machine.heal()


def _replica_gone(spread: Spread, machine: Machine) -> None:
    replica = _others(spread, machine)[0]
    replica.cut()
    time.sleep(_OUTAGE)
    replica.heal()


def _no_etcd(_spread: Spread, machine: Machine) -> None:
    machine.drop([ETCD])
    time.sleep(_OUTAGE)
    machine.heal()


def _no_replicas(spread: Spread, machine: Machine) -> None:
    machine.drop([POSTGRES, PATRONI], *_others(spread, machine))
    time.sleep(_OUTAGE)
    machine.heal()


def _full(_spread: Spread, machine: Machine) -> None:
    """Fill the disk of a node's data, and empty it a while later."""
    place = machine.place(f"{machine.name}-pg-data")
    file = place / "full"
    with file.open("wb") as filling:
        try:
            while True:
                filling.write(bytes(_MEGABYTE))
        except OSError:
            pass  # that is what was wanted
    try:
        time.sleep(_OUTAGE)
    finally:
        file.unlink()


def _full_replica(spread: Spread, machine: Machine) -> None:
    _full(spread, _others(spread, machine)[0])


def _back_after_an_hour(spread: Spread, machine: Machine) -> None:
    """A replica's machine is away while much is written, and then catches up."""
    replica = _others(spread, machine)[0]
    node = f"{machine.name}-pg"
    replica.cut()
    until(lambda: f"{replica.name}-pg" not in _streaming(spread), "the replica is missed")
    # What a busy hour leaves: 640 MB, 40 segments, with checkpoints in between.
    words = "SELECT pg_logical_emit_message(false, 'hour', repeat('x', 16000000)) FROM generate_series(1, 10)"
    for _turn in range(4):
        spread.run(node, ["psql", "-qAtc", words])
        spread.run(node, ["psql", "-qAtc", "CHECKPOINT"])
    replica.heal()
    until(lambda: f"{replica.name}-pg" in _streaming(spread), "the replica has caught up")


def _streaming(spread: Spread) -> list[str]:
    return [one["name"] for one in spread.members() if one["state"] == "streaming"]


FAULTS = {
    "leader": Fault("the leader's machine cut off, with a member of etcd that follows", 22.0, _leader_gone),
    # Whoever leads etcd from now on counts the lease from the beginning.
    "both leaders": Fault("the leader's machine cut off, with the leader of etcd", 25.0, _leader_gone, etcd=True),
    "replica": Fault("a replica's machine cut off for 30 s", 22.0, _replica_gone),
    "etcd": Fault("the leader cut off from etcd only, for 30 s", 22.0, _no_etcd),
    "replicas": Fault("the leader cut off from its replicas only, for 30 s", 22.0, _no_replicas),
    "full replica": Fault("a replica's disk full for 30 s", 22.0, _full_replica),
    # Writing fails, and the server lives: for Patroni that is no reason to have another one lead.
    "full leader": Fault("the leader's disk full for 30 s", 35.0, _full),
    "back": Fault("a replica's machine back after 640 MB of WAL", 22.0, _back_after_an_hour),
}
