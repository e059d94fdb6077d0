# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that plants faults: a test suite that does not notice them is worth nothing."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Mapping

from .outcome import Outcome, failure
from .process import Finished
from .tree import BrokenTree, Tree
from .workplace import Workplace

FOLDER = "tests/mutations"
_PREFIX = "Test: "
_INTEGRATION = "tests/integration/"
# A run of them that finds another's containers at its end has failed: one at a time.
_ENGINE = Lock()


@dataclass(frozen=True)
class Mutant:
    """A fault to plant.

    :param patch: the file with the difference, relative to the checkout.
    :param test: the pytest node that must fail.
    """

    patch: str
    test: str


def read_mutants(tree: Tree) -> tuple[Mutant, ...]:
    """All mutants of the checkout.

    :raises BrokenTree: when a patch does not name its test.
    """
    found = []
    for name in tree.under(FOLDER, ".patch"):
        with (tree.root / name).open(encoding="utf-8") as file:
            first = file.readline().rstrip("\n")
        if not first.startswith(f"{_PREFIX}tests/") or "::" not in first:
            raise BrokenTree(f"The first line of {name} must be `{_PREFIX}tests/…::test_name`, not {first!r}.")
        found.append(Mutant(name, first[len(_PREFIX) :]))
    return tuple(found)


def plant(mutant: Mutant, root: Path, dry_run: bool = False) -> str:
    """Apply the fault to a copy of the checkout.

    :param dry_run: only find out whether it could be applied.
    :return: why it could not be applied; empty when it was.
    """
    command = ["git", "apply", "-p1", *(["--check"] if dry_run else []), mutant.patch]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stderr.strip()


def mutants(work: Workplace) -> Outcome:
    """Every fault must be caught by the test that it names, which must pass without the fault."""
    try:
        every = read_mutants(work.tree)
    except BrokenTree as error:
        return failure(str(error))
    if not every:
        return failure(f"There are no mutants in {FOLDER}.")
    with ThreadPoolExecutor(max_workers=work.cores) as pool:
        # What passes without a fault is asked once for each test: one copy serves them all.
        sound = work.copy("mutants-none")
        tests = sorted({mutant.test for mutant in every})
        before = dict(zip(tests, pool.map(lambda test: _run_test(work, sound, test), tests)))
        problems = list(pool.map(lambda mutant: _examine(work, mutant, before), every))
    survivors = [problem for problem in problems if problem]
    return Outcome(
        passed=len(every) - len(survivors),
        failed=len(survivors),
        note=f"{len(tests)} tests",
        output="\n\n".join(survivors),
    )


def _examine(work: Workplace, mutant: Mutant, before: Mapping[str, Finished]) -> str:
    """What is wrong with a mutant; empty when its test caught it."""
    sound = before[mutant.test]
    if sound.code:
        return f"{sound.output}\n{mutant.patch}: {mutant.test} does not pass without the fault."
    copy = work.copy(f"mutants-{Path(mutant.patch).stem}")
    refused = plant(mutant, copy.root)
    if refused:
        return f"{mutant.patch} does not apply: {refused}"
    return verdict(mutant, _run_test(work, copy, mutant.test))


def verdict(mutant: Mutant, finished: Finished) -> str:
    """What is wrong with a run under the fault; empty when the test failed, as it should."""
    if finished.code == 0:
        return f"{mutant.patch} survived: {mutant.test} passes with the fault in place."
    if finished.code != 1:  # the test was not even reached: a fault in the patch, not a catch
        return f"{finished.output}\n{mutant.patch}: pytest ended with exit code {finished.code}, no test failed."
    return ""


def _run_test(work: Workplace, tree: Tree, test: str) -> Finished:
    base = tree.root.parents[2]
    env = {
        **work.env,
        "ANSIBLE_COLLECTIONS_PATH": str(base),
        "PYTHONPATH": os.pathsep.join([str(base), str(tree.root / "tests/tools")]),
        "PYTHONDONTWRITEBYTECODE": "1",  # several runs share a copy
    }
    with _ENGINE if test.startswith(_INTEGRATION) else nullcontext():
        return work.tool("pytest", "-q", "-x", "-p", "no:cacheprovider", test, cwd=tree.root, env=env)
