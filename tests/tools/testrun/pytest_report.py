# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin that writes down what ran: what the numbers of ``bin/test`` are taken from.

With pytest-xdist, tests that are left out by a marker are known to the workers only; what ran, to the controller.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

import pytest


class Recorder:
    """Collects the fate of every test.

    :param path: the file to write; None in the workers of pytest-xdist.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fates: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self.left_out: set[str] = set()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.left_out.update(item.nodeid for item in items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._fates[report.nodeid] = "failed"
        elif report.skipped:
            self._fates.setdefault(report.nodeid, "skipped")
            text = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
            self._reasons[report.nodeid] = str(text).removeprefix("Skipped: ")
        elif report.when == "call":
            self._fates.setdefault(report.nodeid, "passed")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.left_out.update(getattr(node, "workeroutput", {}).get("left_out", ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["left_out"] = sorted(self.left_out)

    def pytest_unconfigure(self) -> None:
        if self._path:
            report = {"fates": self._fates, "reasons": self._reasons, "left_out": sorted(self.left_out)}
            self._path.write_text(json.dumps(report), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--testrun-report", type=Path, help="where to write down what ran")


def pytest_configure(config: pytest.Config) -> None:
    path = None if hasattr(config, "workerinput") else config.getoption("--testrun-report")
    config.pluginmanager.register(Recorder(path), "testrun-recorder")
