# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deadline, plan and canonical JSON."""
from __future__ import annotations

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.canonical import canonical_json, digest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import DeadlineExceeded, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._core.plan import Action, Plan
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_budget_must_be_more_than_nothing(seconds: float) -> None:
    with pytest.raises(InvalidInput):
        Deadline(seconds)


def test_deadline_counts_down_and_says_what_it_interrupted() -> None:
    clock = Clock()
    deadline = Deadline(5, clock)
    clock.now += 3
    assert (deadline.elapsed(), deadline.left(), deadline.expired()) == (3, 2, False)
    assert deadline.check("connecting") == 2
    clock.now += 3
    assert (deadline.left(), deadline.expired()) == (0, True)
    with pytest.raises(DeadlineExceeded, match=r"5 s was reached while connecting\.$"):
        deadline.check("connecting")


def test_a_plan_without_actions_changes_nothing() -> None:
    assert Plan(before={"a": 1}, after={"a": 1}).result()["changed"] is False


def test_a_plan_reports_its_actions_in_order() -> None:
    plan = Plan((Action("create", "volume a"), Action("start", "container b", "it is stopped")))
    assert plan.result()["changed"] is True
    assert plan.result()["actions"] == ["create volume a", "start container b: it is stopped"]


@given(st.dictionaries(st.text(), JSON))
def test_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(backwards)
    assert digest(value) == digest(backwards)


@given(JSON, JSON)
def test_different_values_have_different_text(left: object, right: object) -> None:
    # 1 == 1.0 == True in Python; in JSON they are three different values.
    if repr(left) == repr(right):
        assert canonical_json(left) == canonical_json(right)
    elif left != right:
        assert canonical_json(left) != canonical_json(right)


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        digest({"a": {1, 2}})
