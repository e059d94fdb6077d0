# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pytest plugin that counts for bin/test, with and without parallel workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SUITE = """\
import pytest

@pytest.fixture
def breaks_at_the_end():
    yield
    raise RuntimeError

@pytest.fixture
def breaks_at_once():
    raise RuntimeError

def test_good(): pass
def test_bad(): assert False
def test_ends_badly(breaks_at_the_end): pass
def test_begins_badly(breaks_at_once): pass
def test_skipped(): pytest.skip("no reason")
@pytest.mark.xfail(reason="known")
def test_known(): assert False
@pytest.mark.full
def test_long(): pass
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_fate_of_every_test_is_written_down(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = full\n")
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pytest", "-p", "testrun.pytest_report", f"--testrun-report={report}"]
    done = subprocess.run(
        [*command, "-m", "not full", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOOLS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    written = json.loads(report.read_text())
    assert written == {
        "fates": {
            "test_suite.py::test_good": "passed",
            "test_suite.py::test_bad": "failed",
            "test_suite.py::test_ends_badly": "failed",
            "test_suite.py::test_begins_badly": "failed",
            "test_suite.py::test_skipped": "skipped",
            "test_suite.py::test_known": "skipped",
        },
        "reasons": {"test_suite.py::test_skipped": "no reason", "test_suite.py::test_known": "known"},
        "left_out": ["test_suite.py::test_long"],
    }
