# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates that run pytest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping, Sequence

from .outcome import Outcome, failure
from .process import Finished
from .workplace import Workplace


def unit(work: Workplace) -> Outcome:
    """All unit tests, on all cores."""
    return _pytest(work, "tests/unit", ["-n", str(work.cores)], timeout=900)


def integration(work: Workplace) -> Outcome:
    """All integration tests; the tests of a file stay together and in order. They wait more than they work."""
    # The files come in an order of their own, see tests/integration/conftest.py.
    side_by_side = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
    return _pytest(work, "tests/integration", side_by_side, timeout=5400 if work.full else 3600)


def _pytest(work: Workplace, folder: str, options: Sequence[str], timeout: float) -> Outcome:
    files = [name for name in work.tree.under(folder, ".py") if Path(name).name.startswith("test_")]
    if not files:
        return failure(f"There are no tests in {folder}.")
    report = work.folder(folder) / "report.json"
    argv = ["pytest", "-q", "-p", "testrun.pytest_report", f"--testrun-report={report}", "-p", "no:cacheprovider"]
    finished = work.tool(*argv, *([] if work.full else ["-m", "not full"]), *options, folder, timeout=timeout)
    if not report.is_file():
        return failure(finished.output)
    return judge(finished, json.loads(report.read_text(encoding="utf-8")), files)


def judge(finished: Finished, report: Mapping[str, Any], files: Sequence[str]) -> Outcome:
    """What a run of pytest is worth.

    :param report: what :mod:`testrun.pytest_report` wrote.
    :param files: the test files that there are; at least one test of each must have run, or be kept for ``full``.
    """
    fates = report["fates"]
    seen = {node.partition("::")[0] for node, fate in fates.items() if fate != "skipped"}
    later = {node.partition("::")[0] for node in report["left_out"]}
    silent = [name for name in files if name not in seen | later]
    failed = sum(fate == "failed" for fate in fates.values())
    problems = [f"{name}: none of its tests ran." for name in silent]
    if finished.code not in (0, 1) or (finished.code == 1 and not failed):
        problems.append(f"pytest ended with exit code {finished.code}.")
    later_note = f", {len(report['left_out'])} tests left to `full`" if report["left_out"] else ""
    return Outcome(
        passed=sum(fate == "passed" for fate in fates.values()),
        failed=failed + len(problems),
        skipped=tuple(f"{node}: {report['reasons'][node]}" for node, fate in fates.items() if fate == "skipped"),
        note=f"{len(files)} files{later_note}",
        output="\n".join([finished.output, *problems]),
    )
