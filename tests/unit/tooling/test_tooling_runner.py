# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of bin/test that run things: processes, schedule, tree, mutants, command line."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from testrun import __main__ as command_line
from testrun import mutants
from testrun.outcome import Outcome, failure
from testrun.process import Finished, run
from testrun.schedule import Gate, run_gates
from testrun.tree import BrokenTree, Tree, copy_tree, read_tree

# --- Processes -----------------------------------------------------------------------------------


def test_missing_program_is_a_failure_with_a_sentence(tmp_path: Path) -> None:
    finished = run(["no-such-program"], tmp_path, os.environ, timeout=5)
    assert finished == Finished(127, "The program 'no-such-program' is missing.\n")


def test_process_gets_no_input_and_keeps_its_exit_code(tmp_path: Path) -> None:
    code = "import sys; print(repr(sys.stdin.read())); sys.exit(3)"
    assert run([sys.executable, "-c", code], tmp_path, os.environ, timeout=20) == Finished(3, "''\n")


def _lives(state: Path) -> bool:
    """Whether a process is there and has not ended; it may end while its state is being read."""
    try:
        return state.read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_process_and_its_children_are_stopped_in_time(tmp_path: Path) -> None:
    start = time.monotonic()
    finished = run(["sh", "-c", "sleep 30 & echo $!; wait"], tmp_path, os.environ, timeout=0.3)
    assert time.monotonic() - start < 10
    assert finished.code == 124
    state = Path(f"/proc/{int(finished.output.split()[0])}/stat")
    # The signal takes its time, and so does PID 1, which collects orphans.
    while _lives(state):
        assert time.monotonic() - start < 20, "the child still runs"
        time.sleep(0.05)


# --- Schedule ------------------------------------------------------------------------------------


def _run(gates: list[Gate], cores: int = 2) -> tuple[dict[str, Outcome], list[str]]:
    order: list[str] = []
    outcomes = run_gates(
        gates, cores, lambda gate, _outcome, _seconds: order.append(gate.name), lambda _names: None, lambda: None
    )
    return outcomes, order


def test_gate_waits_for_what_it_needs() -> None:
    done = threading.Event()

    def first() -> Outcome:
        time.sleep(0.05)
        done.set()
        return Outcome(passed=1)

    gates = [Gate("a", "p", first), Gate("b", "p", lambda: Outcome(passed=int(done.is_set())), needs=("a",))]
    outcomes, order = _run(gates)
    assert order == ["a", "b"]
    assert outcomes["b"].ok


def test_gate_whose_need_failed_has_failed_too() -> None:
    def never() -> Outcome:
        raise AssertionError("must not run")

    outcomes, _order = _run([Gate("a", "p", lambda: failure("no")), Gate("b", "p", never, needs=("a",))])
    assert outcomes["b"] == failure("Not run, because a failed.")


def test_gate_that_breaks_has_failed() -> None:
    outcomes, _order = _run([Gate("a", "p", lambda: Outcome(passed=1 // 0))])
    assert not outcomes["a"].ok
    assert "ZeroDivisionError" in outcomes["a"].output


def test_gates_keep_to_the_cores() -> None:
    lock = threading.Lock()
    busy, most = 0, 0

    def work(cores: int) -> Outcome:
        nonlocal busy, most
        with lock:
            busy += cores
            most = max(most, busy)
        time.sleep(0.01)
        with lock:
            busy -= cores
        return Outcome(passed=1)

    gates = [Gate(f"g{n}", "p", lambda cores=1 + n % 2: work(cores), cores=1 + n % 2) for n in range(12)]  # type: ignore[misc]
    outcomes, _order = _run([*gates, Gate("huge", "p", lambda: work(3), cores=99)], cores=3)
    assert len(outcomes) == 13
    assert most == 3


def test_interrupted_run_stops_its_gates_and_waits_for_them() -> None:
    stopped = threading.Event()
    ended = threading.Event()

    def long() -> Outcome:
        if stopped.wait(20):
            ended.set()
        return Outcome(passed=1)

    def interrupt(_gate: Gate, _outcome: Outcome, _seconds: float) -> None:
        raise KeyboardInterrupt

    gates = [Gate("long", "p", long), Gate("short", "p", lambda: Outcome(passed=1))]
    with pytest.raises(KeyboardInterrupt):
        run_gates(gates, 2, interrupt, lambda _names: None, stopped.set)
    assert ended.is_set()


def test_gate_with_an_unknown_need_is_refused() -> None:
    with pytest.raises(ValueError, match="b needs a before it"):
        _run([Gate("b", "p", Outcome, needs=("a",))])


# --- Tree ----------------------------------------------------------------------------------------


def _checkout(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def test_tree_knows_new_files_but_not_ignored_ones(tmp_path: Path) -> None:
    root = _checkout(tmp_path, "galaxy.yml", "plugins/modules/a.py", "plugins/modules/__init__.py", "junk")
    (root / ".gitignore").write_text("junk\n")
    tree = read_tree(root)
    assert tree.modules == ("a",)
    assert "junk" not in tree.files


@pytest.mark.parametrize("name", ["plugins/modules/b.py", "tests/unit/x/test_x.py", "molecule/ha/molecule.yml"])
def test_tree_with_hidden_code_is_refused(tmp_path: Path, name: str) -> None:
    root = _checkout(tmp_path, "galaxy.yml", "plugins/modules/a.py", name)
    (root / ".gitignore").write_text(f"{name}\n")
    with pytest.raises(BrokenTree, match=f"git ignores files that must be tested: {name}"):
        read_tree(root)


def test_tree_without_galaxy_yml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenTree, match="no galaxy.yml"):
        read_tree(_checkout(tmp_path, "plugins/modules/a.py"))


def test_tree_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenTree, match="no modules"):
        read_tree(_checkout(tmp_path, "galaxy.yml"))


def test_tree_outside_of_git_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(BrokenTree, match="git cannot list"):
        read_tree(tmp_path)


def test_copy_holds_all_and_is_under_git(tmp_path: Path) -> None:
    root = _checkout(tmp_path / "checkout", "galaxy.yml", "plugins/modules/a.py", "bin/run")
    (root / "bin/run").chmod(0o755)
    tree = read_tree(root)
    copy = copy_tree(tree, tmp_path / "copy", os.environ)
    assert copy.root == tmp_path / "copy/ansible_collections/howdah/postgresql"
    assert copy.files == tree.files
    assert os.access(copy.root / "bin/run", os.X_OK)


def test_shell_scripts_are_found_by_suffix_first_line_and_directive(tmp_path: Path) -> None:
    contents = {
        "a": "#!/usr/bin/env bash\n",
        "b": "#!/bin/sh\n",
        "c.sh": "echo\n",
        "d": "# shellcheck shell=bash\n",
        "e": "#!/usr/bin/env python3\n",
        "f": "",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    assert Tree(tmp_path, tuple(contents)).shell_scripts == ("a", "b", "c.sh", "d")


# --- Mutants -------------------------------------------------------------------------------------

MUTANT = mutants.Mutant("tests/mutations/x.patch", "tests/unit/test_x.py::test_x")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [(0, "survived"), (1, ""), (2, "no test failed"), (4, "no test failed"), (5, "no test failed"), (124, "no test")],
)
def test_mutant_is_caught_only_by_a_failed_test(code: int, complaint: str) -> None:
    verdict = mutants.verdict(MUTANT, Finished(code, ""))
    assert complaint in verdict
    assert bool(verdict) == bool(complaint)


def test_mutant_must_name_its_test(tmp_path: Path) -> None:
    (tmp_path / "x.patch").write_text("--- a/x\n+++ b/x\n")
    (tmp_path / "tests/mutations").mkdir(parents=True)
    (tmp_path / "x.patch").rename(tmp_path / MUTANT.patch)
    with pytest.raises(BrokenTree, match="first line"):
        mutants.read_mutants(Tree(tmp_path, (MUTANT.patch,)))


def test_mutant_that_does_not_apply_is_told(tmp_path: Path) -> None:
    root = _checkout(tmp_path, "x", MUTANT.patch)
    (root / MUTANT.patch).write_text(f"Test: {MUTANT.test}\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n")
    assert "does not apply" in mutants.plant(MUTANT, root)
    (root / "x").write_text("old\n")
    assert mutants.plant(MUTANT, root) == ""
    assert (root / "x").read_text() == "new\n"


# --- Command line --------------------------------------------------------------------------------


def test_default_is_all_but_cores_and_mutants() -> None:
    parts, scenarios, full = command_line.parse([], ["default", "ha"])
    assert parts == set(command_line.PARTS) - {"cores", "mutants"}
    assert (scenarios, full) == (("default", "ha"), False)


def test_full_is_all() -> None:
    assert command_line.parse(["full"], []) == (frozenset(command_line.PARTS), (), True)


def test_parts_and_scenarios_can_be_chosen() -> None:
    assert command_line.parse(["molecule", "ha", "lint"], ["default", "ha"]) == ({"molecule", "lint"}, ("ha",), False)


@pytest.mark.parametrize("words", [["nonsense"], ["unit", "default"], ["molecule", "nonsense"]])
def test_unknown_words_are_refused(words: list[str]) -> None:
    with pytest.raises(command_line.Misuse, match="does not know"):
        command_line.parse(words, ["default"])
