# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/lib.sh: what bin/quickstart and bin/test set up."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

PYTHON = shlex.quote(sys.executable)
BIN = Path(__file__).resolve().parents[3] / "bin"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a blank and a quote in its path, and with small requirements."""
    root = tmp_path / "a user's checkout"
    (root / "bin/requirements").mkdir(parents=True)
    shutil.copy(BIN / "lib.sh", root / "bin")
    (root / "bin/requirements/run.txt").write_text("# for users\none==1\n")
    (root / "bin/requirements/test.txt").write_text("two==2\n")
    return root


def bash(checkout: Path, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has sourced lib.sh, from another folder and without standard input."""
    home = checkout.parent / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'source "$1/bin/lib.sh"\n{script}', "bash", str(checkout)],
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": str(home), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def make_finished_venv(checkout: Path, level: str) -> None:
    """What howdah_venv leaves behind, without waiting for pip."""
    folder = checkout / ".venv/bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    (checkout / ".venv/.howdah-place").write_text(f"{checkout}/.venv\n")
    done = bash(checkout, f'howdah_venv_state {level} >"$HOWDAH_VENV/.howdah-{level}"')
    assert done.returncode == 0, done.stderr


def test_set_up_that_is_done_costs_next_to_nothing(checkout: Path) -> None:
    make_finished_venv(checkout, "run")
    bash(checkout, "howdah_setup run")
    start = time.monotonic()
    done = bash(checkout, 'howdah_setup run; printf "%s\\n" "$PATH" "$ANSIBLE_COLLECTIONS_PATH" "$LC_ALL"')
    assert time.monotonic() - start < 0.5  # 0.02 s on an idle machine
    path, tree, locale = done.stdout.splitlines()
    assert path.startswith(f"{checkout}/.venv/bin:")
    assert (Path(tree) / "ansible_collections/howdah/postgresql").resolve() == checkout.resolve()
    assert locale == "C.UTF-8"


@pytest.mark.parametrize(
    "change",
    [
        "echo three==3 >>bin/requirements/run.txt",
        "rm .venv/bin/python",
        "rm .venv/.howdah-run",
        "ln -sfn /nowhere .venv/bin/python",
    ],
)
def test_environment_that_is_not_as_it_should_be_is_not_ready(checkout: Path, change: str) -> None:
    make_finished_venv(checkout, "run")
    assert bash(checkout, "howdah_venv_ready run").returncode == 0
    assert bash(checkout, f'cd "$HOWDAH_ROOT"; {change}; howdah_venv_ready run').returncode == 1


def test_environment_for_users_is_not_enough_for_tests(checkout: Path) -> None:
    make_finished_venv(checkout, "run")
    assert bash(checkout, "howdah_venv_ready test").returncode == 1


def test_environment_does_not_survive_a_move_of_the_checkout(checkout: Path) -> None:
    make_finished_venv(checkout, "run")
    moved = checkout.rename(checkout.with_name("elsewhere"))
    assert bash(moved, "howdah_venv_ready run").returncode == 1


def test_environment_of_somebody_else_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/precious").write_text("")
    done = bash(checkout, "howdah_setup run")
    assert done.returncode == 1
    assert done.stderr == f"error: {checkout}/.venv was not made by this script: move it away, and run this again.\n"
    assert (checkout / ".venv/precious").exists()


def test_failed_installation_is_told_and_not_taken_for_done(checkout: Path) -> None:
    make_finished_venv(checkout, "run")
    fake = checkout / ".venv/bin/python"
    fake.unlink()
    fake.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"    -I*) echo {PYTHON} ;;\n"
        "    *--version) ;;\n"
        "    *) echo 'No matching distribution found for two==2'; exit 1 ;;\n"
        "esac\n"
    )
    fake.chmod(0o755)
    done = bash(checkout, "howdah_setup test")
    assert done.returncode == 1
    assert "No matching distribution found for two==2\n" in done.stderr
    assert "error: pip could not install the Python packages" in done.stderr
    assert not (checkout / ".venv/.howdah-test").exists()


def test_every_checkout_has_a_tree_of_its_own(checkout: Path) -> None:
    other = checkout.with_name("other")
    shutil.copytree(checkout, other)
    trees = [bash(root, "howdah_tree; echo $HOWDAH_TREE").stdout for root in (checkout, other, checkout)]
    assert trees[0] == trees[2] != trees[1]


def test_tree_that_leads_elsewhere_is_mended(checkout: Path) -> None:
    tree = Path(bash(checkout, "howdah_tree; echo $HOWDAH_TREE").stdout.strip())
    link = tree / "ansible_collections/howdah/postgresql"
    link.unlink()
    link.symlink_to("/nowhere")
    bash(checkout, "howdah_tree")
    assert link.resolve() == checkout.resolve()


def test_tree_is_where_caches_belong(checkout: Path, tmp_path: Path) -> None:
    done = bash(checkout, "howdah_tree; echo $HOWDAH_TREE", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.stdout.startswith(f"{tmp_path}/cache/howdah/")


def test_variables_that_lead_python_astray_are_removed(checkout: Path) -> None:
    make_finished_venv(checkout, "run")
    done = bash(checkout, 'howdah_setup run; echo "${PYTHONPATH-unset} ${PYTHONHOME-unset}"', PYTHONPATH="/nowhere")
    assert done.stdout == "unset unset\n"


def test_machine_without_python_is_told_in_one_sentence(checkout: Path) -> None:
    script = "howdah_find_python() { return 1; }; command() { return 1; }; howdah_python"
    done = bash(checkout, script)
    assert done.returncode == 1
    assert done.stderr == (
        "error: There is no Python 3.11, 3.12 or 3.13 with venv and ensurepip here. "
        "Install one (on Debian 12: apt-get install python3-venv), or put it first on PATH.\n"
    )


def test_missing_python_stops_the_set_up_even_where_errors_are_caught(checkout: Path) -> None:
    """`set -e` is off inside of `if` and of howdah_timed."""
    script = "howdah_python() { howdah_die nope; }; howdah_timed x howdah_setup run; echo went on"
    done = bash(checkout, script)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: nope\n")
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(("version", "usable"), [("3, 10", False), ("3, 11", True), ("3, 13", True), ("3, 14", False)])
def test_python_must_be_one_that_ansible_runs_on(checkout: Path, version: str, usable: bool) -> None:
    fake = checkout.parent / "python"
    fake.write_text(f'#!/bin/sh\nexec {PYTHON} -c "import sys; sys.version_info = ({version}, 0); $3"\n')
    fake.chmod(0o755)
    done = bash(checkout, f'howdah_python_of "{fake}"')
    assert (done.returncode == 0) == usable
    assert done.stdout == (f"{sys.executable}\n" if usable else "")


def test_time_is_noted_and_the_exit_code_kept(checkout: Path) -> None:
    script = 'status=0; howdah_timed "a step" bash -c "sleep 0.1; exit 7" || status=$?; howdah_times; exit $status'
    done = bash(checkout, script)
    assert done.returncode == 7
    seconds, *words = done.stdout.split()
    assert 0.1 <= float(seconds) < 30 and words == ["s", "a", "step"]


def test_unknown_level_is_refused(checkout: Path) -> None:
    done = bash(checkout, "howdah_setup everything")
    assert done.returncode == 1
    assert "knows the levels run and test" in done.stderr
