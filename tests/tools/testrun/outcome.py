# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate found, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable


@dataclass(frozen=True)
class Outcome:
    """The result of a gate.

    :param passed: tests, or the gate itself.
    :param failed: the same.
    :param skipped: a reason for each that was not run.
    :param note: a few words for the line of the gate.
    :param output: shown when something failed.
    """

    passed: int = 0
    failed: int = 0
    skipped: tuple[str, ...] = ()
    note: str = ""
    output: str = ""

    @property
    def ok(self) -> bool:
        """Whether the gate is passed. One in which nothing ran is not."""
        return self.failed == 0 and self.passed > 0


def failure(output: str) -> Outcome:
    """A gate that failed as a whole."""
    return Outcome(failed=1, output=output)


def checked(problems: Iterable[str], note: str = "") -> Outcome:
    """A gate that is one check: passed when there are no problems."""
    found = [problem for problem in problems if problem]
    return failure("\n".join(found)) if found else Outcome(passed=1, note=note)


def gate_line(name: str, outcome: Outcome, seconds: float) -> str:
    """The line that tells of a finished gate."""
    counts = f"{outcome.passed} passed"
    if not outcome.ok:
        counts += f", {max(outcome.failed, 1)} failed"
    if outcome.skipped:
        counts += f", {len(outcome.skipped)} skipped"
    note = f" ({outcome.note})" if outcome.note else ""
    return f"{'ok    ' if outcome.ok else 'FAILED'} {seconds:6.1f} s  {name:<24} {counts}{note}"


def closing_line(outcomes: Iterable[Outcome]) -> tuple[str, bool]:
    """The last line of a run, and whether the run is green. A gate in which nothing ran counts as failed."""
    every = list(outcomes)
    passed = sum(outcome.passed for outcome in every)
    failed = sum(outcome.failed if outcome.ok else max(outcome.failed, 1) for outcome in every)
    skipped = sum(len(outcome.skipped) for outcome in every)
    line = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    return line, failed == 0 and passed > 0
