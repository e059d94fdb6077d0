# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that look on while a cluster is operated: some hold their connection, one comes anew all the time."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Iterator, Sequence

import psycopg2
from ansible_runs import until
from fault_cluster import Cluster
from fault_writer import TABLE, Connection, Silence, Verdict, Writer, judge

_EVERY = 0.1  # seconds between two logins
_HELD = 5  # connections that are opened before, and must be there afterwards
_ROWS_AFTER = 20


class Newcomer(threading.Thread):
    """Logs in anew again and again, with whichever of its passwords is taken.

    :param passwords: tried in order, as a client does that was told the new one already.
    """

    def __init__(self, cluster: Cluster, passwords: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self._port, self._host, self._passwords = cluster.port, cluster.host, passwords
        self._stopping = threading.Event()
        self.logins = 0
        self.refused: list[str] = []

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopping.wait(_EVERY):
            said = [_try(self._port, password, self._host) for password in self._passwords]
            if "" in said:
                self.logins += 1
            else:
                self.refused.append(" / ".join(said))

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._stopping.set()
        self.join(30)
        assert not self.is_alive(), "the newcomer does not end"


def _try(port: int, password: str, host: str = "127.0.0.1") -> str:
    try:
        Connection(port, password, host=host).close()
    except (psycopg2.Error, Silence) as error:
        return str(error).strip() or type(error).__name__
    return ""


def refused(port: int, password: str) -> bool:
    """Whether a server refuses a login for its password, and for nothing else."""
    return "password authentication failed" in _try(port, password)


@dataclass
class Seen:
    """What the clients went through.

    :param gap: the longest time without an acknowledged write, in seconds.
    :param broken: what ended a connection that was held.
    """

    gap: float = 0.0
    logins: int = 0
    refused: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    verdict: Verdict | None = None


@contextmanager
def clients(cluster: Cluster, *new_passwords: str) -> Iterator[Seen]:
    """Have them at work during the block; what they saw is told afterwards.

    :param new_passwords: further ones that those who come anew may use.
    """
    cluster.wait_whole()
    until(lambda: _try(cluster.port, cluster.password, cluster.host) == "", "the proxy leads to the leader")
    held = [Connection(cluster.port, cluster.password, host=cluster.host) for _turn in range(_HELD)]
    held[0].execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (n bigint)")
    held[0].execute(f"TRUNCATE {TABLE}")
    writer = Writer(cluster.port, cluster.password, host=cluster.host)
    newcomer = Newcomer(cluster, [cluster.password, *new_passwords])
    seen = Seen()
    writer.start()
    newcomer.start()
    try:
        _goes_on(writer)
        since = time.monotonic()
        yield seen
        _goes_on(writer)
        seen.gap = writer.gap(since, time.monotonic())
    finally:
        writer.stop()
        newcomer.stop()
    seen.logins, seen.refused, seen.broken = newcomer.logins, newcomer.refused, list(writer.errors)
    for connection in held:
        try:
            connection.execute("SELECT 1")
        except (psycopg2.Error, Silence) as error:
            seen.broken.append(str(error).strip())
        connection.close()
    rows = cluster.run(cluster.wait_whole(), ["psql", "-Atc", f"SELECT n, count(*) FROM {TABLE} GROUP BY n"])
    counted = {int(number): int(count) for number, count in (line.split("|") for line in rows.splitlines())}
    seen.verdict = judge(counted, [number for number, _at in writer.acknowledged])
    print(f"longest gap {seen.gap:.2f} s, {seen.verdict.acknowledged} rows, {seen.logins} new logins", flush=True)


def _goes_on(writer: Writer) -> None:
    wanted = writer.count() + _ROWS_AFTER
    until(lambda: writer.count() >= wanted, f"rows are written (last error: {(writer.errors or ['none'])[-1]})")


def nothing_lost(seen: Seen) -> None:
    """Every acknowledged row is there, and none twice."""
    assert seen.verdict is not None
    assert seen.verdict.acknowledged > 40
    assert seen.verdict.lost == [] and seen.verdict.twice == []
