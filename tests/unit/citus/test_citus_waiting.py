# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a formation that does not become what it is to be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._citus import waiting
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    DeadlineExceeded,
    FormationUnsettled,
)

SECONDS = 60.0


class Slow:
    """A formation that is looked at so many times, and then takes all the time there is."""

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._now = 0.0
        self.deadline = Deadline(SECONDS, clock=lambda: self._now)

    def facts(self, parts: list[str], seconds: float, groups: bool = False) -> dict[str, Any]:
        """As :meth:`Formation.facts`."""
        if not self._looks:
            self._now = SECONDS
            raise DeadlineExceeded("The time limit was reached while asking the agent.")
        self._looks -= 1
        return {"version": "13.2", "nodes": [], "live": {0: None}}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE", 0)


def test_what_was_lacking_is_told_when_the_time_ends_in_a_question() -> None:
    formation: Any = Slow(1)
    with pytest.raises(FormationUnsettled, match="60 s .* group 0 does not answer") as caught:
        waiting.wait(formation, formation.deadline, once=False)
    assert caught.value.details["lacking"] == ["group 0 does not answer"]


def test_without_a_single_answer_it_is_the_time_that_is_told() -> None:
    formation: Any = Slow(0)
    with pytest.raises(DeadlineExceeded) as caught:
        waiting.wait(formation, formation.deadline, once=False)
    assert not isinstance(caught.value, FormationUnsettled)
