# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a job that moves shards."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    DeadlineExceeded,
    HowdahError,
    RebalanceFailed,
    SqlFailed,
)
from ansible_collections.howdah.postgresql.plugins.modules import citus_rebalance


class Unwilling:
    """A formation that has something against it."""

    def __init__(self, failure: HowdahError) -> None:
        self._failure = failure

    def call(self, what: str, **values: Any) -> None:
        """As :meth:`Formation.call`."""
        assert (what, values) == ("rebalance", {"drain": False, "mode": "auto"})
        raise self._failure


def test_a_job_that_citus_does_not_begin_has_failed_as_well() -> None:
    why = "cannot use logical replication: it doesn't have a REPLICA IDENTITY or PRIMARY KEY (SQLSTATE 55000)"
    formation: Any = Unwilling(SqlFailed(why, sqlstate="55000"))
    with pytest.raises(RebalanceFailed, match="No job was begun: cannot use .*PRIMARY KEY") as caught:
        citus_rebalance.start(formation, False, "auto")
    assert caught.value.details == {"messages": [why]}


def test_what_is_not_said_by_citus_is_told_as_what_it_is() -> None:
    formation: Any = Unwilling(DeadlineExceeded("The time limit of 5 s was reached."))
    with pytest.raises(DeadlineExceeded):
        citus_rebalance.start(formation, False, "auto")
