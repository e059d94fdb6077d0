# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients see of a formation: one inserts into a distributed table, another joins and counts."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Iterator

import psycopg2
from ansible_runs import until
from citus_bed import DATABASE, Formation
from fault_writer import PATIENCE, TABLE, Connection, Silence, Verdict, Writer, judge

EVERY = 0.1  # seconds
KINDS = 10
# Before and after what is done.
CALM = 1.5
# By connections to all other groups, which a session that is new has to open.
_ASK = f"SELECT count(*) FROM {TABLE} JOIN howdah_kinds ON kind = number % {KINDS}"
_JOIN = f"SELECT count(*) FROM {TABLE} JOIN howdah_kinds ON kind = number %% {KINDS}"


class Reader(threading.Thread):
    """Counts in the background, and keeps every count that cannot be right."""

    def __init__(self, writer: Writer, port: int, password: str, known: int) -> None:
        super().__init__(daemon=True)
        self._writer = writer
        self._port = port
        self.password = password
        self._known = known
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self.counts = 0
        self.wrong: list[str] = []
        self.errors: list[str] = []

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopping.wait(EVERY):
            self._attempt()
        self._leave()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._stopping.set()
        self.join(3 * PATIENCE)
        assert not self.is_alive(), "the reader does not end"

    def _attempt(self) -> None:
        try:
            if self._connection is None:
                self._connection = Connection(self._port, self.password, "howdah-reader", database=DATABASE)
            least = self._known + self._writer.count()
            ((count,),) = self._connection.execute(_JOIN)
            most = self._known + self._writer.sent()
            self.counts += 1
            if not least <= count <= most:
                self.wrong.append(f"{count} rows, of which there are from {least} to {most}")
        except (psycopg2.Error, Silence) as error:
            self.errors.append(str(error).strip())
            self._leave()

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Newcomers(threading.Thread):
    """Logs in anew at every leader, again and again, and has each of them ask all the others."""

    def __init__(self, formation: Formation) -> None:
        super().__init__(daemon=True)
        self._formation = formation
        self._leaders = [formation.leader(group) for group in formation.groups]
        self._stopping = threading.Event()
        self.counts = 0
        self.errors: list[str] = []

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopping.wait(EVERY):
            for node in self._leaders:
                try:
                    self._formation.sql(node, _ASK)
                    self.counts += 1
                except AssertionError as error:
                    self.errors.append(str(error))

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._stopping.set()
        self.join(60)
        assert not self.is_alive()


@dataclass
class Seen:
    """What they saw.

    :param gap: the longest time without an acknowledged row, in seconds.
    :param counts: how often the reader counted.
    :param wrong: counts that were not between the acknowledged and the sent rows.
    """

    gap: float = 0.0
    counts: int = 0
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    verdict: Verdict | None = None


def prepare(formation: Formation) -> None:
    """Make the tables."""
    connection = formation.login()
    with connection.cursor() as cursor:
        for statement in (
            f"CREATE TABLE {TABLE} (number bigint PRIMARY KEY)",
            f"SELECT create_distributed_table('{TABLE}', 'number', shard_count => 12)",
            "CREATE TABLE howdah_kinds (kind int PRIMARY KEY)",
            "SELECT create_reference_table('howdah_kinds')",
            f"INSERT INTO howdah_kinds SELECT generate_series(0, {KINDS - 1})",
        ):
            cursor.execute(statement)
    connection.close()


@contextmanager
def clients(formation: Formation, new_password: str = "") -> Iterator[Seen]:
    """Both at work while something is done; afterwards nothing acknowledged is lost, and no count was wrong.

    :param new_password: what to log in with anew from then on that something is done.
    """
    rows = _rows(formation)
    first = max(rows, default=0) + 1
    writer = Writer(formation.port, formation.password, first, database=DATABASE)
    reader = Reader(writer, formation.port, formation.password, sum(rows.values()))
    seen = Seen()
    writer.start()
    reader.start()
    try:
        until(lambda: writer.count() > 5 and reader.counts > 1, "both are at work")
        time.sleep(CALM)
        begin = time.monotonic()
        if new_password:
            writer.password = reader.password = new_password
        yield seen
        done = writer.count()
        until(lambda: writer.count() > done, "rows are written again")
        time.sleep(CALM)
        seen.gap = writer.gap(begin, time.monotonic())
        counted = reader.counts
        until(lambda: reader.counts > counted, "rows are counted again")
    finally:
        reader.stop()
        writer.stop()
    seen.counts, seen.wrong, seen.errors = reader.counts, reader.wrong, writer.errors + reader.errors
    seen.verdict = judge(
        {number: count for number, count in _rows(formation).items() if number >= first},
        [number for number, _at in writer.acknowledged],
    )


def nothing_lost(seen: Seen) -> None:
    """No acknowledged row is lost, none is there twice, no count was wrong."""
    verdict = seen.verdict
    assert verdict is not None and verdict.acknowledged > 10 and seen.counts > 3
    assert (verdict.lost, verdict.twice, seen.wrong) == ([], [], []), seen.errors


def _rows(formation: Formation) -> dict[int, int]:
    """How often each number is there."""
    found = formation.sql(formation.leader(0), f"SELECT number, count(*) FROM {TABLE} GROUP BY number")
    return {int(number): int(count) for number, count in found}
