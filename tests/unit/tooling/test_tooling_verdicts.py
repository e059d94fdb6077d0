# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/test must not be green by accident: what each tool's words are worth."""

from __future__ import annotations

from pathlib import Path

import pytest
from testrun import artifact, molecule, pytests, sanity
from testrun.outcome import Outcome, checked, closing_line, failure, gate_line
from testrun.process import Finished
from testrun.tree import Tree

# --- Counting ------------------------------------------------------------------------------------


def test_closing_line_adds_up() -> None:
    outcomes = [Outcome(passed=3, skipped=("why",)), Outcome(passed=1, failed=2), checked([])]
    assert closing_line(outcomes) == ("5 passed, 2 failed, 1 skipped", False)


def test_closing_line_is_green_only_without_failures() -> None:
    assert closing_line([Outcome(passed=3)]) == ("3 passed, 0 failed", True)


@pytest.mark.parametrize("outcomes", [[], [Outcome()], [Outcome(passed=4), Outcome()], [Outcome(skipped=("all",))]])
def test_a_gate_in_which_nothing_ran_is_not_green(outcomes: list[Outcome]) -> None:
    line, green = closing_line(outcomes)
    assert not green
    assert not outcomes or "1 failed" in line


def test_gate_line_tells_failure() -> None:
    assert gate_line("x", failure("why"), 1.0).startswith("FAILED")
    assert gate_line("x", Outcome(), 1.0).startswith("FAILED")
    assert gate_line("x", Outcome(passed=1), 1.0).startswith("ok ")


def test_checked_fails_on_any_problem() -> None:
    assert checked(["", "bad", ""]) == Outcome(failed=1, output="bad")


# --- pytest --------------------------------------------------------------------------------------

FILES = ["tests/unit/a/test_a.py", "tests/unit/b/test_b.py"]


def _report(fates: dict[str, str], left_out: tuple[str, ...] = ()) -> dict[str, object]:
    reasons = {node: "no reason" for node, fate in fates.items() if fate == "skipped"}
    return {"fates": fates, "reasons": reasons, "left_out": list(left_out)}


def test_pytest_counts() -> None:
    fates = {f"{FILES[0]}::x": "passed", f"{FILES[1]}::y": "passed", f"{FILES[1]}::z": "skipped"}
    outcome = pytests.judge(Finished(0, ""), _report(fates), FILES)
    assert (outcome.passed, outcome.failed, outcome.ok) == (2, 0, True)
    assert outcome.skipped == (f"{FILES[1]}::z: no reason",)


def test_pytest_file_without_a_test_that_ran_fails() -> None:
    outcome = pytests.judge(Finished(0, ""), _report({f"{FILES[0]}::x": "passed"}), FILES)
    assert outcome.failed == 1
    assert f"{FILES[1]}: none of its tests ran." in outcome.output


def test_pytest_file_with_skipped_tests_only_fails() -> None:
    fates = {f"{FILES[0]}::x": "passed", f"{FILES[1]}::y": "skipped"}
    assert not pytests.judge(Finished(0, ""), _report(fates), FILES).ok


def test_pytest_file_with_long_tests_only_is_left_to_the_full_tier() -> None:
    report = _report({f"{FILES[0]}::x": "passed"}, left_out=(f"{FILES[1]}::y",))
    assert pytests.judge(Finished(0, ""), report, FILES).ok


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 124, 127, -9])
def test_pytest_exit_code_without_a_failed_test_fails(code: int) -> None:
    fates = {f"{name}::x": "passed" for name in FILES}
    assert not pytests.judge(Finished(code, ""), _report(fates), FILES).ok


# --- ansible-test --------------------------------------------------------------------------------

SANITY = """\
WARNING: Using locale "C.UTF-8" instead of "en_US.UTF-8". Tests which depend on the locale may behave unexpectedly.
Running sanity test "compile" on Python 3.8
Running sanity test "compile" on Python 3.9
Running sanity test "compile" on Python 3.11
Running sanity test "shellcheck"
"""
WANTED = frozenset({"compile", "shellcheck"})


def test_sanity_counts_what_ran_on_the_pythons_that_count() -> None:
    outcome = sanity.judge(Finished(0, SANITY), WANTED)
    assert (outcome.passed, outcome.failed, outcome.note) == (3, 0, "Python 3.9, 3.11")


def test_sanity_test_that_did_not_run_fails() -> None:
    outcome = sanity.judge(Finished(0, SANITY), WANTED | {"pylint"})
    assert outcome.failed == 1
    assert "These sanity tests did not run: pylint." in outcome.output


def test_sanity_without_any_test_fails() -> None:
    assert not sanity.judge(Finished(0, ""), frozenset()).ok


@pytest.mark.parametrize(
    "warning",
    [
        'WARNING: Required program "shellcheck" not found.',
        'WARNING: Skipping sanity test "import" on Python 3.9 due to missing virtual environment support.',
        "WARNING: Skipping tests disabled by default without --allow-disabled: x",
    ],
)
def test_sanity_test_that_lacks_something_fails(warning: str) -> None:
    again = "WARNING: Reviewing previous 1 warning(s):"
    outcome = sanity.judge(Finished(0, f"{SANITY}{warning}\n{again}\n{warning}\n"), WANTED)
    assert outcome.failed == 1
    assert warning in outcome.output


def test_sanity_tells_the_pythons_that_are_not_installed() -> None:
    warnings = "".join(
        f'WARNING: Skipping sanity test "{name}" on Python {version} because it could not be found.\n'
        for name in ("compile", "import")
        for version in ("3.10", "3.12")
    )
    outcome = sanity.judge(Finished(0, SANITY + warnings), WANTED)
    assert outcome.ok
    assert outcome.skipped == tuple(f"sanity on Python {v}: it is not installed" for v in ("3.10", "3.12"))


def test_sanity_issues_are_counted() -> None:
    output = (
        SANITY + "FATAL: The 2 sanity test(s) listed below (out of 3) failed. See error output above for details.\n"
    )
    outcome = sanity.judge(Finished(1, output), WANTED)
    assert (outcome.passed, outcome.failed) == (1, 2)


def test_sanity_finds_no_shims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    for version in ("3.8.18", "3.9.18", "3.11.7", "3.13.0", "pypy3.10-7.3"):
        (tmp_path / f".pyenv/versions/{version}/bin").mkdir(parents=True)
    path = sanity.path_of_interpreters(f"/venv/bin:{tmp_path}/.pyenv/shims:/usr/bin", tmp_path).split(":")
    versions = [f"{tmp_path}/.pyenv/versions/{version}/bin" for version in ("3.9.18", "3.11.7", "3.13.0")]
    assert path == ["/venv/bin", *versions, "/usr/bin"]


# --- Engine and image ----------------------------------------------------------------------------

RECAP = "localhost                  : ok={}    changed=0    unreachable=0    failed={}    skipped=0    rescued=0\n"


def test_playbook_that_did_something_passes() -> None:
    assert molecule.judge_playbook(Finished(0, RECAP.format(5, 0))).ok


@pytest.mark.parametrize(
    "finished",
    [
        Finished(0, "skipping: no hosts matched\n"),
        Finished(0, RECAP.format(0, 0)),
        Finished(2, RECAP.format(5, 1)),
        Finished(4, RECAP.format(5, 0)),
    ],
)
def test_playbook_that_failed_or_found_no_host_fails(finished: Finished) -> None:
    assert not molecule.judge_playbook(finished).ok


# --- Molecule ------------------------------------------------------------------------------------


def _molecule_output(*executed: str, how: str = "Successful") -> str:
    lines = [f"\x1b[32mdefault\x1b[0m ➜ \x1b[33m{step}\x1b[0m: \x1b[32mExecuted: {how}\x1b[0m" for step in executed]
    return "\n".join(["DETAILS", *lines, ""])


def test_molecule_with_all_steps_passes() -> None:
    assert molecule.judge(Finished(0, _molecule_output(*molecule.STEPS)), "default").ok


@pytest.mark.parametrize("step", molecule.STEPS)
def test_molecule_step_that_was_not_executed_fails(step: str) -> None:
    done = [other for other in molecule.STEPS if other != step]
    missing = f"default ➜ {step}: Executed: Missing playbook (Remove from test_sequence to suppress)\n"
    outcome = molecule.judge(Finished(0, _molecule_output(*done) + missing), "default")
    assert outcome.failed == 1
    assert f"Not done with success: {step}." in outcome.output


def test_molecule_exit_code_counts() -> None:
    assert not molecule.judge(Finished(1, _molecule_output(*molecule.STEPS)), "default").ok


def test_molecule_of_another_scenario_does_not_count() -> None:
    assert not molecule.judge(Finished(0, _molecule_output(*molecule.STEPS)), "other").ok


def test_molecule_scenario_must_be_complete(tmp_path: Path) -> None:
    folder = tmp_path / "molecule/default"
    folder.mkdir(parents=True)
    (folder / "molecule.yml").write_text("scenario: {test_sequence: [create, converge, verify, destroy]}\n")
    files = tuple(f"molecule/default/{name}.yml" for name in ("molecule", "create", "converge", "destroy"))
    assert list(molecule.incomplete(Tree(tmp_path, files), "default")) == [
        "The scenario default has no verify.yml.",
        "The test_sequence of the scenario default lacks idempotence, check.",
    ]


# --- Artifact ------------------------------------------------------------------------------------

PRODUCT = (
    "CHANGELOG.rst",
    "LICENSE",
    "README.md",
    "image/Dockerfile",
    "playbooks/site.yml",
    "plugins/modules/image.py",
    "roles/image/tasks/main.yml",
)
CHECKOUT = Tree(Path("/nowhere"), (*PRODUCT, "bin/test", "galaxy.yml", "tests/unit/test_x.py"))


def test_artifact_with_the_product_and_nothing_else_passes() -> None:
    assert not list(artifact.contents(CHECKOUT, [*PRODUCT, "FILES.json", "MANIFEST.json"]))


@pytest.mark.parametrize("name", PRODUCT)
def test_artifact_without_a_part_of_the_product_fails(name: str) -> None:
    packed = [other for other in PRODUCT if other != name]
    assert any(name.partition("/")[0] in problem for problem in artifact.contents(CHECKOUT, packed))


@pytest.mark.parametrize("name", ["tests/unit/test_x.py", ".venv/bin/python", ".git/HEAD", "image/left-over.log"])
def test_artifact_with_what_does_not_belong_fails(name: str) -> None:
    problems = list(artifact.contents(CHECKOUT, [*PRODUCT, name]))
    assert len(problems) == 1
    assert name in problems[0]
