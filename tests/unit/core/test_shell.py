# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules return, on success and on failure."""
from __future__ import annotations

import gc
import json
from contextlib import contextmanager
from typing import Any, Callable, Iterator
from unittest import mock

import pytest
from ansible.module_utils import basic
from ansible_collections.howdah.postgresql.plugins.module_utils import _shell
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._core.plan import Action, Plan

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # before ansible-core 2.19

    @contextmanager
    def patch_module_args(args: dict[str, Any]) -> Iterator[None]:
        """Gives a module its arguments."""
        given = json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode()
        with mock.patch.object(basic, "_ANSIBLE_ARGS", given):
            yield


CHANGE = Plan((Action("create", "container a"),), {"exists": False}, {"exists": True})
Body = Callable[..., None]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., dict[str, Any]]]:
    """Runs a body as a module; gives the parsed result."""

    def call(body: Body, diff: bool = False) -> dict[str, Any]:
        with patch_module_args({"_ansible_diff": diff}):
            with pytest.raises(SystemExit):
                _shell.run(body, {"timeout": {"type": "float", "default": 5.0}}, {})
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    yield call
    gc.enable()  # a module's process would have ended
    gc.unfreeze()


def test_success_returns_the_plan(run: Callable[..., dict[str, Any]]) -> None:
    result = run(lambda params, deadline, report: (report.plan(CHANGE), report.add(id="x")))
    assert result["changed"] is True
    assert result["actions"] == ["create container a"]
    assert result["id"] == "x"
    assert "diff" not in result


def test_diff_comes_only_when_asked_for(run: Callable[..., dict[str, Any]]) -> None:
    result = run(lambda params, deadline, report: report.plan(CHANGE), diff=True)
    assert result["diff"] == {"before": {"exists": False}, "after": {"exists": True}}


def test_failure_tells_what_was_done_and_why_it_failed(run: Callable[..., dict[str, Any]]) -> None:
    def body(params: Any, deadline: Any, report: _shell.Report) -> None:
        report.plan(CHANGE)
        raise InvalidInput("The port is out of range.", port=70000)

    result = run(body)
    assert result["failed"] is True
    assert result["changed"] is True
    assert (result["msg"], result["error"], result["code"]) == ("The port is out of range.", "invalid_input", 1001)
    assert result["port"] == 70000


def test_the_deadline_comes_from_the_option(run: Callable[..., dict[str, Any]]) -> None:
    assert run(lambda params, deadline, report: report.add(seconds=deadline.seconds))["seconds"] == 5.0


def test_masked_values_do_not_come_out(run: Callable[..., dict[str, Any]]) -> None:
    def body(params: Any, deadline: Any, report: _shell.Report) -> None:
        report.mask(None, "canary-12345", "a")
        report.add(text="a canary-12345 in a message")

    result = run(body)
    assert "a " in result["text"]  # too short to be masked
    assert "canary-12345" not in json.dumps(result)
