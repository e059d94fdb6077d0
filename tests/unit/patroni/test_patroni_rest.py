# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a question goes to when somebody does not answer in time."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import DeadlineExceeded, RestUnreachable
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import rest


def asked(monkeypatch: pytest.MonkeyPatch, slow: set[str], seconds: float = 60) -> rest.Rest:
    """Two members, of which some do not answer in time."""

    def answer(_client: Any, container: str, _message: Any, _bound: Any) -> dict[str, Any]:
        if container in slow:
            raise DeadlineExceeded(f"The time limit was reached while asking {container}.")
        return {"result": {"status": 200, "body": container}}

    monkeypatch.setattr(client, "connect", lambda _params, _deadline: None)
    monkeypatch.setattr(rest, "ask", answer)
    return rest.Rest({"containers": ["pg1", "pg2"]}, Deadline(seconds))


def test_another_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, {"pg1"}).ask("GET", "/cluster") == (200, "pg2")


def test_nobody_answers_is_no_end_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RestUnreachable):
        asked(monkeypatch, {"pg1", "pg2"}).ask("GET", "/cluster")


def test_what_may_have_arrived_is_not_sent_to_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeadlineExceeded):
        asked(monkeypatch, {"pg1"}).ask("POST", "/switchover")
