# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that writes a numbered row every 50 ms, and keeps every acknowledgement."""

from __future__ import annotations

import select
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import psycopg2.extensions

EVERY = 0.05  # seconds
# A client's patience with one statement, or one login: what a frozen server would else take without end.
PATIENCE = 5.0
TABLE = "howdah_faults"


class Silence(Exception):
    """The server did not answer in time."""


@dataclass
class Verdict:
    """What became of the rows.

    :param acknowledged: how many there were.
    :param lost: numbers that were acknowledged, and are not there.
    :param twice: numbers that are there more than once.
    """

    acknowledged: int
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)


class Connection:
    """A connection of which every step is bounded."""

    def __init__(
        self,
        port: int,
        password: str,
        application: str = "howdah-faults",
        host: str = "127.0.0.1",
        database: str = "postgres",
    ) -> None:
        self._raw = psycopg2.connect(
            host=host, port=port, user="postgres", password=password, dbname=database, sslmode="require",
            application_name=application, async_=1,
        )  # fmt: skip
        self._wait()

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Its rows; returns once the server has acknowledged it."""
        cursor = self._raw.cursor()
        cursor.execute(statement, parameters)
        self._wait()
        return list(cursor.fetchall()) if cursor.description else []

    def close(self) -> None:
        """Leave."""
        self._raw.close()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            state = self._raw.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            sockets = [self._raw.fileno()]
            reading = sockets if state == psycopg2.extensions.POLL_READ else []
            writing = sockets if state == psycopg2.extensions.POLL_WRITE else []
            left = end - time.monotonic()
            if left <= 0 or not any(select.select(reading, writing, [], left)):
                self._raw.close()
                raise Silence(f"no answer within {PATIENCE:g} s")


class Writer(threading.Thread):
    """Writes in the background. A number is sent once only, whatever becomes of it.

    :param statement: that writes a number.
    """

    def __init__(
        self,
        port: int,
        password: str,
        first: int = 1,
        host: str = "127.0.0.1",
        database: str = "postgres",
        statement: str = f"INSERT INTO {TABLE} VALUES (%s)",
    ) -> None:
        super().__init__(daemon=True)
        self._statement = statement
        self._database = database
        self._host = host
        self._port = port
        self.password = password
        self._first = self._next = first
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self.acknowledged: list[tuple[int, float]] = []
        self.errors: list[str] = []
        # Beginning and end of each fault, where there are several in a row; of the monotonic clock.
        self.spans: list[tuple[float, float]] = []

    def run(self) -> None:
        """Until it is stopped."""
        due = time.monotonic()
        while not self._stopping.is_set():
            self._attempt()
            due = max(due + EVERY, time.monotonic())
            self._stopping.wait(due - time.monotonic())
        self._leave()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._stopping.set()
        self.join(3 * PATIENCE)
        assert not self.is_alive(), "the writer does not end"

    def count(self) -> int:
        """How many rows were acknowledged so far."""
        return len(self.acknowledged)

    def sent(self) -> int:
        """How many were sent, whatever became of them."""
        return self._next - self._first

    def gap(self, since: float, until: float) -> float:
        """The longest time without an acknowledgement, in seconds of the monotonic clock."""
        times = [at for _number, at in self.acknowledged if since <= at <= until]
        points = [since, *times, until]
        return max(later - earlier for earlier, later in zip(points, points[1:]))

    def _attempt(self) -> None:
        try:
            if self._connection is None:
                self._connection = Connection(self._port, self.password, host=self._host, database=self._database)
            number, self._next = self._next, self._next + 1
            self._connection.execute(self._statement, (number,))
            self.acknowledged.append((number, time.monotonic()))
        except (psycopg2.Error, Silence) as error:
            self.errors.append(str(error).strip())
            self._leave()

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def judge(rows: dict[int, int], acknowledged: list[int]) -> Verdict:
    """Compare what is there with what was acknowledged. Pure.

    :param rows: how often each number is there.
    """
    return Verdict(
        acknowledged=len(acknowledged),
        lost=[number for number in acknowledged if not rows.get(number)],
        twice=[number for number, count in sorted(rows.items()) if count > 1],
    )
