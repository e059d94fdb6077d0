# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``bin/test``: which gates to run, and what is said about them."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Sequence

from . import artifact, cores, lint, molecule, mutants, process, pytests, sanity, site
from .outcome import Outcome, closing_line, gate_line
from .schedule import Gate, run_gates
from .tree import BrokenTree, Tree, read_tree
from .workplace import Workplace

PARTS = ("lint", "sanity", "build", "site", "unit", "integration", "molecule", "cores", "mutants")
DEFAULT = ("lint", "sanity", "build", "site", "unit", "integration", "molecule")


class Misuse(Exception):
    """The words on the command line make no sense."""


def parse(words: Sequence[str], scenarios: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...], bool]:
    """What is asked for.

    :param words: the command line.
    :param scenarios: the Molecule scenarios that exist.
    :return: parts, scenarios, and whether long tests are wanted.
    :raises Misuse: for a word that is neither a part nor, after ``molecule``, a scenario.
    """
    full = "full" in words
    parts = {word for word in words if word in PARTS}
    chosen = tuple(word for word in words if word != "full" and word not in PARTS)
    unknown = [word for word in chosen if word not in scenarios or "molecule" not in parts]
    if unknown:
        known = f"parts: {', '.join(PARTS)}; scenarios after `molecule`: {', '.join(scenarios) or 'none'}"
        raise Misuse(f"bin/test does not know {', '.join(unknown)} ({known}).")
    if not parts:
        parts = set(PARTS if full else DEFAULT)
    return frozenset(parts), chosen or tuple(scenarios), full


def gates_of(work: Workplace, parts: frozenset[str], scenarios: Sequence[str]) -> list[Gate]:
    """The gates of the parts, those that take long first."""
    image = Gate("engine and image", "image", partial(molecule.engine_and_image, work))
    needs: tuple[str, ...] = (image.name,)
    several = max(1, min(2, work.cores - 1))
    gates = [
        image,
        # It waits more than it works, and takes longest by far: all others find room beside it.
        Gate("integration tests", "integration", partial(pytests.integration, work), needs, cores=several),
        Gate("ansible-test sanity", "sanity", partial(sanity.sanity, work)),
        Gate("artifact", "build", partial(artifact.build, work)),
        Gate("site", "site", partial(site.site, work)),
        Gate("ansible-lint", "lint", partial(lint.ansible_lint, work)),
        Gate("docs lint", "lint", partial(lint.docs, work)),
        Gate("mypy", "lint", partial(lint.mypy, work)),
        Gate("yamllint", "lint", partial(lint.yamllint, work)),
        Gate("shellcheck", "lint", partial(lint.shellcheck, work)),
        Gate("changelog lint", "lint", partial(lint.changelog, work)),
        Gate("ruff", "lint", partial(lint.ruff, work)),
        Gate("unit tests", "unit", partial(pytests.unit, work), cores=several),
    ]
    gates += [Gate(f"molecule {name}", "molecule", partial(molecule.scenario, work, name), needs) for name in scenarios]
    if not scenarios:
        gates.append(Gate("molecule", "molecule", lambda: Outcome(output="There are no scenarios in molecule/.")))
    gates.append(Gate("other cores", "cores", partial(cores.cores, work), needs))
    # Faults planted in what runs containers are looked for with containers.
    with_image = any(mutant.test.startswith("tests/integration") for mutant in mutants.read_mutants(work.tree))
    needs = needs if with_image else ()
    gates.append(Gate("mutants", "mutants", partial(mutants.mutants, work), needs, cores=work.cores))
    wanted = [gate for gate in gates if gate.part in parts]
    return [image, *wanted] if any(gate.needs for gate in wanted) else wanted


def report(gate: Gate, outcome: Outcome, seconds: float) -> None:
    """Tell of a gate that has ended: a line, and all of its output if it failed."""
    print(gate_line(gate.name, outcome, seconds))
    for reason in outcome.skipped:
        print(f"       skipped: {reason}")
    if not outcome.ok:
        print(f"----- {gate.name} -----\n{outcome.output.rstrip()}\n----- end of {gate.name} -----")


def run(tree: Tree, words: Sequence[str], scratch: Path) -> int:
    """Run what the command line asks for; the exit code."""
    parts, scenarios, full = parse(words, tree.scenarios)
    processors = len(os.sched_getaffinity(0))
    work = Workplace(tree, Path(os.environ["HOWDAH_TREE"]), scratch, processors, full)
    start = time.monotonic()
    outcomes = run_gates(
        gates_of(work, parts, scenarios),
        max(2, processors),
        report,
        alive=lambda names: print(f"       still running: {', '.join(names)}"),
        stop=process.stop_all,
    )
    line, green = closing_line(outcomes.values())
    print(f"\n{time.monotonic() - start:.0f} s on {processors} cores.")
    print(line)
    return 0 if green else 1


def main() -> int:
    """Entry point."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a text stream
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="howdah-test.") as scratch:
            return run(read_tree(Path(os.environ["HOWDAH_ROOT"])), sys.argv[1:], Path(scratch))
    except Misuse as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenTree as error:
        print(f"error: {error}\n0 passed, 1 failed")
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
