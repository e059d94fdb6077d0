# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Never a second cluster of etcd, and never more than one member away by our doing: the role, as Ansible runs it."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
NAMES = ("etcd1", "etcd2", "etcd3")
PLAYS = [
    {"hosts": "etcd", "gather_facts": False,
     "tasks": [{"ansible.builtin.include_role": {"name": "howdah.postgresql.etcd"}}]},
    {"hosts": "etcd", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "servers come next"}}]},
]  # fmt: skip


class Run(NamedTuple):
    """What came of a run of the role."""

    code: int
    log: list[str]
    output: str


def collection(folder: Path) -> None:
    """The collection as far as the role needs it, with modules that have no engine."""
    tree = folder / "ansible_collections/howdah/postgresql"
    (tree / "plugins/modules").mkdir(parents=True)
    for name in ("galaxy.yml", "meta", "roles", "plugins/filter", "plugins/module_utils"):
        (tree / name).symlink_to(ROOT / name)
    for name in ("container", "certificates", "etcd_member"):
        shutil.copy(Path(__file__).with_name("etcd_engine.py"), tree / f"plugins/modules/{name}.py")


def run(folder: Path, *words: str, volumes: tuple[str, ...] = (), broken: tuple[str, ...] = (), **states: str) -> Run:
    """Deploy three members.

    :param words: further arguments of ansible-playbook.
    :param volumes: members of which data are left.
    :param broken: members that do not serve, whatever is done.
    :param states: of the containers that there are, by name; ``outdated`` is one that runs, and is to be replaced.
    """
    collection(folder)
    found: dict[str, Any] = {
        name: {"state": "running", "outdated": True} if state == "outdated" else {"state": state}
        for name, state in states.items()
    }
    data = [f"{name}-data" for name in (*volumes, *states)]
    world = {"containers": found, "volumes": data, "broken": broken, "log": []}
    (folder / "engine.json").write_text(json.dumps(world), encoding="utf-8")
    (folder / "play.yml").write_text(json.dumps(PLAYS), encoding="utf-8")
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    (folder / "hosts.ini").write_text("[etcd]\n" + "".join(f"{name} {local}\n" for name in NAMES), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.ini", "play.yml", *words],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "ETCD_ENGINE": str(folder / "engine.json")},
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    log = json.loads((folder / "engine.json").read_text(encoding="utf-8"))["log"]
    return Run(done.returncode, log, done.stdout + done.stderr)


def test_where_nobody_has_anything_all_start_together(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.code, done.log) == (0, [f"create container {name}" for name in NAMES]), done.output
    assert "servers come next" in done.output


JOIN = [
    step for name in NAMES[1:] for step in (f"announce {name} to etcd1", f"create container {name} (joins)")
]  # fmt: skip


def test_new_members_join_one_that_serves_again(tmp_path: Path) -> None:
    done = run(tmp_path, etcd1="exited")
    assert (done.code, done.log) == (0, ["start container etcd1", *JOIN]), done.output


@pytest.mark.full
def test_data_without_a_container_are_a_cluster_as_well(tmp_path: Path) -> None:
    done = run(tmp_path, volumes=("etcd1",))
    assert (done.code, done.log) == (0, ["create container etcd1", *JOIN]), done.output


@pytest.mark.full
def test_members_that_have_data_start_together_and_none_of_them_joins(tmp_path: Path) -> None:
    done = run(tmp_path, volumes=NAMES)
    assert (done.code, done.log) == (0, [f"create container {name}" for name in NAMES]), done.output


def test_nothing_new_starts_beside_a_cluster_that_does_not_serve(tmp_path: Path) -> None:
    done = run(tmp_path, broken=("etcd1",), etcd1="exited")
    assert (done.code, done.log) == (2, ["start container etcd1"]), done.output
    told = " ".join(done.output.split())
    assert "serves: etcd1: Container etcd1 does not serve. etcd2 and etcd3 would have nobody to join" in told
    assert "docker logs etcd1" in told and "servers come next" not in told


def test_a_run_that_leaves_members_out_has_a_new_one_join_those(tmp_path: Path) -> None:
    done = run(tmp_path, "--limit", "etcd2", etcd1="running")
    assert (done.code, done.log) == (0, JOIN[:2]), done.output


@pytest.mark.parametrize(("options", "states"), [(("--check",), {}), ((), {"etcd1": "exited", "etcd3": "exited"})])
def test_a_run_that_leaves_members_out_starts_nothing_new_where_none_of_them_serves(
    options: tuple[str, ...], states: dict[str, str], tmp_path: Path
) -> None:
    done = run(tmp_path, "--limit", "etcd2", *options, **states)
    assert (done.code, done.log) == (2, []), done.output
    told = " ".join(done.output.split())
    assert "etcd1, which this run leaves out" in told and "Run it without --limit and without target" in told


@pytest.mark.full
def test_members_are_replaced_one_after_another(tmp_path: Path) -> None:
    done = run(tmp_path, **dict.fromkeys(NAMES, "outdated"))
    assert (done.code, done.log) == (0, [f"recreate container {name}" for name in NAMES]), done.output


def test_a_replacement_that_fails_ends_the_run_before_the_next_member(tmp_path: Path) -> None:
    done = run(tmp_path, broken=("etcd1",), **dict.fromkeys(NAMES, "outdated"))
    assert (done.code, done.log) == (2, ["recreate container etcd1"]), done.output
    assert "servers come next" not in done.output


@pytest.mark.parametrize(
    ("words", "third"),
    [((), "running"), pytest.param(("--limit", "etcd2"), "exited", marks=pytest.mark.full)],
)
def test_nobody_is_replaced_while_another_member_does_not_serve(
    words: tuple[str, ...], third: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *words, broken=("etcd3",), etcd1="running", etcd2="outdated", etcd3=third)
    assert (done.code, done.log) == (2, []), done.output
    assert "etcd2 is to have another container, and etcd3 does not serve" in " ".join(done.output.split())
