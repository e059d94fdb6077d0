# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When backups are due. Pure; all times are UTC."""
from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Iterable, Mapping, Sequence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# When several are due at once, one backup does for all: the one that holds most.
TYPES = ("full", "diff", "incr")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Entry:
    """One line of the schedule.

    :param kind: one of TYPES.
    :param days: numbers of the days of the week on which it holds, Monday is 0.
    :param minute: of the day; None with ``every``.
    :param every: minutes from one to the next, counted from midnight; None with ``minute``.
    """

    kind: str
    days: frozenset[int]
    minute: int | None
    every: int | None

    @property
    def key(self) -> str:
        """Its name in the record of what was done."""
        days = ",".join(DAYS[day] for day in sorted(self.days))
        return f"{self.kind} {days} " + (f"every {self.every}" if self.every else f"at {self.minute}")

    def latest(self, now: float) -> float | None:
        """The last time, up to now, that it was due; None if that is more than a week ago."""
        moment = datetime.fromtimestamp(now, timezone.utc)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for back in range(8):
            day = midnight - timedelta(days=back)
            if day.weekday() not in self.days:
                continue
            if self.every:
                passed = min(int((moment - day).total_seconds() // 60), 24 * 60 - 1)
                return (day + timedelta(minutes=passed // self.every * self.every)).timestamp()
            due = day + timedelta(minutes=self.minute or 0)
            if due <= moment:
                return due.timestamp()
        return None

    def next(self, now: float) -> float:
        """The first time after now that it is due."""
        moment = datetime.fromtimestamp(now, timezone.utc)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for ahead in range(9):
            day = midnight + timedelta(days=ahead)
            if day.weekday() not in self.days:
                continue
            minutes = range(0, 24 * 60, self.every) if self.every else (self.minute or 0,)
            for minute in minutes:
                if day + timedelta(minutes=minute) > moment:
                    return (day + timedelta(minutes=minute)).timestamp()
        raise AssertionError("a day of the week comes again within nine days")


def parse(content: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    """The schedule of a file.

    :raises ValueError: for what cannot be understood; says which entry, and what is expected.
    """
    return tuple(_entry(number, entry) for number, entry in enumerate(content, start=1))


def _entry(number: int, entry: Mapping[str, Any]) -> Entry:
    kind, days = entry.get("type"), entry.get("days") or DAYS
    if kind not in TYPES:
        raise ValueError(f"entry {number} of the schedule has the type {kind!r}: it must be one of {', '.join(TYPES)}")
    unknown = [day for day in days if day not in DAYS]
    if unknown:
        raise ValueError(f"entry {number} of the schedule has the day {unknown[0]!r}: days are {', '.join(DAYS)}")
    at, every = entry.get("at"), entry.get("every")
    if (at is None) == (every is None):
        raise ValueError(f"entry {number} of the schedule needs either `at` (HH:MM, UTC) or `every` (minutes)")
    numbers = frozenset(DAYS.index(day) for day in days)
    if every is not None:
        if not 1 <= int(every) <= 1440:
            raise ValueError(f"entry {number} of the schedule is due every {every} minutes: it must be 1 to 1440")
        return Entry(kind, numbers, None, int(every))
    clock = _CLOCK.fullmatch(str(at))
    if clock is None:
        raise ValueError(f"entry {number} of the schedule is due at {at!r}: it must be HH:MM, quoted, in UTC")
    return Entry(kind, numbers, int(clock[1]) * 60 + int(clock[2]), None)


def due(entries: Sequence[Entry], done: Mapping[str, float], now: float) -> tuple[str, tuple[str, ...]] | None:
    """What to do now: the type of the backup, and the keys of the entries that it answers; None for nothing.

    :param done: by key, the time for which the entry was last answered. An entry without one was never due before.
    """
    waiting = [
        entry for entry in entries if (latest := entry.latest(now)) is not None and latest > done.get(entry.key, now)
    ]
    if not waiting:
        return None
    kind = min((entry.kind for entry in waiting), key=TYPES.index)
    return kind, tuple(entry.key for entry in waiting)


def upcoming(entries: Sequence[Entry], now: float) -> float | None:
    """When the next backup is due; None without a schedule."""
    return min((entry.next(now) for entry in entries), default=None)
