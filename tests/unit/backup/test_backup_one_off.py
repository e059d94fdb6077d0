# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container of one restore: what came of it counts, whether it can be removed or not."""
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    ContainerFailed,
    DrillFailed,
    HowdahError,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._pgbackrest.one_off import OneOff, Place
from requests.exceptions import ReadTimeout

DONE = {"result": {"timeline": 2}}
FAILED = {
    "result": {"timeline": 2},
    "error": {"code": "drill_failed", "number": DrillFailed.number, "message": "1 answer is wrong.", "details": {}},
}


class Engine:
    """An engine in which a container ends at once, and is not removed in time, or is.

    :param answer: what the container prints.
    """

    timeout = 0.0

    def __init__(self, answer: str, removes: bool) -> None:
        self._answer = answer
        self._removes = removes

    def create_host_config(self, **_given: Any) -> dict[str, Any]:
        return {}

    def create_container(self, _image: str, **_given: Any) -> dict[str, str]:
        return {"Id": "c1"}

    def start(self, _identity: str) -> None:
        """It does."""

    def wait(self, _identity: str, timeout: float) -> dict[str, int]:
        assert timeout > 0
        return {"StatusCode": 0}

    def logs(self, _identity: str, **_given: Any) -> bytes:
        return self._answer.encode()

    def remove_container(self, identity: str, force: bool, v: bool) -> None:
        assert (identity, force, v) == ("c1", True, True)
        if not self._removes:
            raise ReadTimeout("the disk is slow")


def asked(answer: str, removes: bool, warnings: list[str]) -> dict[str, Any]:
    engine: Any = Engine(answer, removes)
    return OneOff(engine, Place("drill1", "img", None), Deadline(60), warnings.append).ask({"do": "restore"})


@pytest.mark.parametrize("removes", [True, False])
@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (json.dumps(DONE), None, ""),
        (json.dumps(FAILED), DrillFailed, "1 answer is wrong"),
        ("no answer", ContainerFailed, "ended with code 0, without an answer"),
    ],
)
def test_what_came_of_it_is_told_although_it_cannot_be_removed(
    answer: str, kind: type[HowdahError] | None, said: str, removes: bool
) -> None:
    warnings: list[str] = []
    if kind is None:
        assert asked(answer, removes, warnings) == {"timeline": 2}
    else:
        with pytest.raises(kind, match=said):
            asked(answer, removes, warnings)
    if removes:
        assert not warnings
    else:
        (warning,) = warnings
        assert "Container drill1 is left: " in warning and "the disk is slow" in warning
        assert warning.endswith("docker rm -fv drill1.")
