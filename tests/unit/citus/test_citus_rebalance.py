# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a job that moves shards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.howdah.postgresql.plugins.action import citus_rebalance as action
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    DeadlineExceeded,
    HowdahError,
    RebalanceFailed,
    SqlFailed,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report
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


class Clock:
    """Time that passes only when somebody sleeps, or asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
        self.now = 0.0
        self.step = step
        monkeypatch.setattr(citus_rebalance.time, "sleep", self.sleep)
        monkeypatch.setattr(action.time, "monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def facts(self, _parts: list[str]) -> dict[str, Any]:
        """As :meth:`Formation.facts`: of a job that never ends."""
        self.now += self.step
        job = {"job_id": 7, "state": "running", "tasks": {"running": 1}, "messages": [], "type": "rebalance"}
        return {"jobs": [job]}


@pytest.mark.parametrize("step", [0.01, 1.5])
def test_a_job_that_does_not_end_is_followed_no_longer_than_it_may_take(
    monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    clock: Any = Clock(monkeypatch, step)
    with pytest.raises(DeadlineExceeded, match="waiting for job 7 is running.* run again to follow it"):
        citus_rebalance._follow(clock, 0, Deadline(20, clock=lambda: clock.now))
    assert 20 <= clock.now <= 20 + step


def test_whoever_has_less_patience_hears_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Any = Clock(monkeypatch, 0.01)
    told, at_work = citus_rebalance._follow(clock, 5, Deadline(20, clock=lambda: clock.now))
    assert at_work and "job 7 is running" in told
    assert clock.now <= 5


class Formation:
    """A formation with jobs, whose groups are empty; the states of its jobs, look by look.

    :param looks: for each look the state of each job, by its number; the last counts from then on.
    """

    def __init__(self, *looks: dict[int, str]) -> None:
        self._looks = list(looks)
        self.called: list[str] = []

    def call(self, what: str, **_values: Any) -> None:
        """As :meth:`Formation.call`."""
        self.called.append(what)

    def facts(self, parts: list[str]) -> dict[str, Any]:
        """As :meth:`Formation.facts`."""
        if "jobs" not in parts:
            return {"nodes": [], "placements": []}
        states = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        jobs = [
            {"job_id": number, "state": state, "tasks": {}, "messages": [f"why {number}"], "description": "Rebalance"}
            for number, state in states.items()
        ]
        nodes = [
            {
                "nodeid": group, "groupid": group, "nodename": f"w{group}", "nodeport": 5432, "noderole": "primary",
                "isactive": True, "hasmetadata": True, "metadatasynced": True, "shouldhaveshards": True,
            }
            for group in (1, 2)
        ]  # fmt: skip
        return {"nodes": nodes, "placements": [], "moves": [], "jobs": jobs}


def drained(monkeypatch: pytest.MonkeyPatch, formation: Formation) -> dict[str, Any]:
    """What the module returns that empties group 2, in which there is nothing."""
    monkeypatch.setattr(citus_rebalance.observe, "Formation", lambda _params, _deadline: formation)
    monkeypatch.setattr(citus_rebalance.time, "sleep", lambda _seconds: None)
    report = Report()
    params = {"drain": [2], "transfer_mode": "auto", "patience": 0.0}
    citus_rebalance.work(params, Deadline(5), report)
    assert formation.called == ["take_shards"]
    return report.result(False)


@pytest.mark.parametrize("state", ["failed", "cancelled", "finished"])
def test_a_job_that_had_ended_before_is_no_matter_of_this_run(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    result = drained(monkeypatch, Formation({4: "finished", 5: state}))
    assert (result["changed"], result["running"], result["progress"]) == (True, False, "")


@pytest.mark.parametrize(
    "looks",
    [
        [{4: "failed", 5: "running"}, {4: "failed", 5: "running"}, {4: "failed", 5: "failed"}],  # it was waited for
        [{4: "failed"}, {4: "failed", 5: "running"}, {4: "failed", 5: "failed"}],  # it is new
        [{4: "failed"}, {4: "failed", 5: "failed"}],
    ],
)
def test_a_job_that_fails_meanwhile_fails_the_run(monkeypatch: pytest.MonkeyPatch, looks: list[dict[int, str]]) -> None:
    with pytest.raises(RebalanceFailed, match="Job 5 failed: why 5") as caught:
        drained(monkeypatch, Formation(*looks))
    assert caught.value.details == {"messages": ["why 5"]}


@pytest.mark.parametrize("step", [0.01, 1.5])
def test_turns_end_when_the_time_does(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    clock: Any = Clock(monkeypatch, step)
    shown: list[str] = []

    def turn(module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        deadline = Deadline(module_args["timeout"], clock=lambda: clock.now)
        try:
            told, at_work = citus_rebalance._follow(clock, module_args["patience"], deadline)
        except DeadlineExceeded as error:
            return {"failed": True, "error": error.code, "msg": error.message, **error.details}
        return {"running": at_work, "progress": told, "changed": True, "actions": ["move"]}

    monkeypatch.setattr(ActionBase, "run", lambda *_words, **_more: {})
    monkeypatch.setattr(action.display, "display", shown.append)
    plugin = object.__new__(action.ActionModule)
    plugin._task = SimpleNamespace(args={"timeout": 35})
    monkeypatch.setattr(plugin, "_execute_module", turn, raising=False)
    result = plugin.run()
    assert result["failed"] and result["msg"].startswith("The time limit of 35 s was reached while waiting for job 7")
    assert (result["changed"], result["actions"]) == (True, ["move"])
    assert 2 <= len(shown) <= 4
    assert 35 <= clock.now <= 35 + 2 * step + 1
