# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ended pgBackRest: its limit, or somebody who stopped the container under it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    ContainerFailed,
    DeadlineExceeded,
    HowdahError,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import Executed
from ansible_collections.howdah.postgresql.plugins.module_utils._pgbackrest import repository


class Engine:
    """An engine whose container runs, or not."""

    def __init__(self, running: bool) -> None:
        self._running = running

    def inspect_container(self, _name: str) -> dict[str, Any]:
        return {"State": {"Running": self._running}}


@pytest.mark.parametrize(
    ("code", "took", "running", "kind", "said"),
    [
        (137, 7, False, ContainerFailed, "the container was stopped or killed"),
        (137, 7, True, ContainerFailed, "it has too little memory"),
        (137, 99, True, DeadlineExceeded, "The time limit of 100 s was reached"),
        (124, 96, True, DeadlineExceeded, "The time limit of 100 s was reached"),
    ],
)
def test_the_limit_and_others_who_end_it(
    monkeypatch: pytest.MonkeyPatch, code: int, took: float, running: bool, kind: type[HowdahError], said: str
) -> None:
    now = [0.0]

    def ended(*_args: Any) -> Executed:
        now[0] += took
        return Executed(code, b"", b"")

    monkeypatch.setattr(repository, "run", ended)
    monkeypatch.setattr(repository, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(repository.docker_client, "connect", lambda _params, _deadline: Engine(running))
    backups = repository.Repository({"container": "backup1", "stanza": "main"}, Deadline(100, lambda: now[0]))
    with pytest.raises(kind, match=said) as caught:
        backups.must(["backup"], "backing up to repository 1")
    assert "while backing up to repository 1" in str(caught.value)
    assert "taken up or removed by the next run" in str(caught.value)
