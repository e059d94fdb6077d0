# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that takes the installed artifact through other releases of ansible-core than the checkout's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

from . import artifact, process, side
from .outcome import Outcome, failure
from .tree import COLLECTION
from .workplace import Workplace, complaint

# Each has a list bin/requirements/core-<version>.txt, of what it needs instead of run.txt's; and the Python to run on.
CORES = {"2.18": "3.11", "2.20": "3.12", "2.21": "3.13"}
# Unit tests of this checkout, and of the image's own programs, whose Python is the image's.
NOT_OF_THE_COLLECTION = ("entrypoint", "repository", "tooling")
REAL = "tests/integration/product/test_product_artifact.py"
# What runs the tests, beside what runs the collection.
TESTERS = ("hypothesis", "iniconfig", "pluggy", "Pygments", "pytest", "sortedcontainers")


def cores(work: Workplace) -> Outcome:
    """For each core: every module is described, every playbook is read, unit tests and a real deployment pass."""
    built = artifact.archive(work, "cores-artifact")
    if isinstance(built, str):
        return failure(built)
    passed, skipped, problems = [], [], []
    for core, version in CORES.items():
        python = side.interpreter(version)
        if not python:
            skipped.append(f"ansible-core {core}: there is no Python {version} here.")
            continue
        found = [problem for problem in _one(work, built, core, python) if problem]
        problems += [f"--- ansible-core {core} ---\n{problem}" for problem in found]
        passed += [] if found else [core]
    failed = len(CORES) - len(passed) - len(skipped)
    return Outcome(len(passed), failed, tuple(skipped), ", ".join(passed), "\n".join(problems))


def wanted(root: Path, core: str) -> list[str]:
    """The packages of a core's environment."""
    folder = root / "bin/requirements"
    testers = [pin for pin in side.pins(folder / "test.txt") if pin.partition("==")[0] in TESTERS]
    return [*side.pins(folder / "run.txt", folder / f"core-{core}.txt"), *testers]


def _one(work: Workplace, built: Path, core: str, python: str) -> Iterator[str]:
    try:
        programs = side.environment(f"core-{core}", wanted(work.tree.root, core), python)
    except side.NoEnvironment as error:
        yield str(error)
        return
    target = work.folder(f"core-{core}")
    env = {
        **{name: value for name, value in work.env.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "ANSIBLE_COLLECTIONS_PATH": str(target),
        "ANSIBLE_HOME": str(target / "home"),
        "PATH": f"{programs}:{work.env['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*argv: str, timeout: float = 600, **more: str) -> process.Finished:
        return process.run([str(programs / argv[0]), *argv[1:]], work.tree.root, {**env, **more}, timeout)

    told = run("ansible", "--version")
    if not re.match(rf"ansible \[core {re.escape(core)}\.", told.output):
        yield f"This is no ansible-core {core}:\n{told.output}"
        return
    installed = run("ansible-galaxy", "collection", "install", str(built), "-p", str(target), "--offline")
    yield complaint(installed)
    yield complaint(run("ansible-doc", "-t", "module", "-j", *(f"{COLLECTION}.{name}" for name in work.tree.modules)))
    for name in work.tree.playbooks:
        yield complaint(run("ansible-playbook", "--list-tasks", f"{COLLECTION}.{name}"))
    options = ["-q", "-p", "no:cacheprovider", "-m", "not full"]
    files = work.tree.root.glob("tests/unit/*/test_*.py")
    folders = sorted({str(file.parent) for file in files if file.parent.name not in NOT_OF_THE_COLLECTION})
    path = f"{target}:{work.tree.root / 'tests/tools'}"
    yield complaint(run("python", "-m", "pytest", *options, *folders, timeout=900, PYTHONPATH=path))
    yield complaint(run("python", "-m", "pytest", *options, REAL, timeout=900, PYTHONPATH=path))
