# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When backups are due."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from howdah.backup import schedule
from hypothesis import given
from hypothesis import strategies as st


def at(text: str) -> float:
    return datetime.fromisoformat(text + "+00:00").timestamp()


# 2026-01-05 is a Monday.
WEEKLY = schedule.parse([
    {"type": "full", "days": ["sun"], "at": "02:00"},
    {"type": "diff", "days": ["mon", "tue", "wed", "thu", "fri", "sat"], "at": "02:00"},
    {"type": "incr", "every": 360},
])
SEEN = {entry.key: at("2026-01-01 00:00") for entry in WEEKLY}


def test_what_was_never_seen_is_not_made_up_for() -> None:
    assert schedule.due(WEEKLY, {}, at("2026-01-05 12:00")) is None


def test_of_several_the_one_that_holds_most() -> None:
    found = schedule.due(WEEKLY, SEEN, at("2026-01-11 02:00"))  # a Sunday
    assert found is not None
    kind, keys = found
    assert kind == "full"
    assert set(keys) == {entry.key for entry in WEEKLY}, "one backup answers all that are due"


def test_nothing_more_is_due_once_answered() -> None:
    now = at("2026-01-11 02:00")
    assert schedule.due(WEEKLY, dict.fromkeys(SEEN, now), now + 60) is None


def test_a_missed_one_is_made_up_for_once() -> None:
    done = {key: at("2026-01-05 02:00") for key in SEEN}
    later = at("2026-01-06 05:00")
    found = schedule.due(WEEKLY, done, later)
    assert found is not None and found[0] == "diff"
    assert schedule.due(WEEKLY, {**done, **dict.fromkeys(found[1], later)}, later + 60) is None


@pytest.mark.parametrize(
    ("now", "following"),
    [
        ("2026-01-05 01:59", "2026-01-05 02:00"),
        ("2026-01-05 02:00", "2026-01-05 06:00"),
        ("2026-01-05 23:00", "2026-01-06 00:00"),
    ],
)
def test_the_next_one(now: str, following: str) -> None:
    assert schedule.upcoming(WEEKLY, at(now)) == at(following)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"type": "all", "at": "02:00"}, "type 'all'"),
        ({"type": "full"}, "either `at`"),
        ({"type": "full", "at": "02:00", "every": 5}, "either `at`"),
        ({"type": "full", "at": "24:00"}, "24:00"),
        ({"type": "full", "at": "2:0"}, "2:0"),
        ({"type": "full", "every": 0}, "every 0 minutes"),
        ({"type": "full", "at": "02:00", "days": ["sunday"]}, "sunday"),
    ],
)
def test_what_cannot_be_understood_is_named(entry: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match="entry 1 of the schedule") as caught:
        schedule.parse([entry])
    assert said in str(caught.value)


@given(
    st.lists(
        st.one_of(
            st.builds(lambda h, m, d: {"type": "diff", "at": f"{h:02}:{m:02}", "days": sorted(d)}, st.integers(0, 23),
                      st.integers(0, 59), st.sets(st.sampled_from(schedule.DAYS), min_size=1)),
            st.builds(lambda e: {"type": "incr", "every": e}, st.integers(1, 1440)),
        ),
        min_size=1, max_size=3,
    ),
    st.floats(min_value=at("2026-01-01 00:00"), max_value=at("2027-01-01 00:00")),
)
def test_the_next_one_is_the_latest_one_when_its_time_has_come(content: list[dict[str, object]], now: float) -> None:
    entries = schedule.parse(content)
    following = schedule.upcoming(entries, now)
    assert following is not None and following > now
    assert max(entry.latest(following) or 0 for entry in entries) == following
    assert datetime.fromtimestamp(following, timezone.utc).second == 0
