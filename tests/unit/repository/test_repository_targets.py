# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a play is about: a container of another kind never becomes a server, and nobody is no success."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
# They have nothing to do where there is nobody, and are no promise of anything that is there afterwards.
CONTENT_WITH_NOBODY = {"destroy", "image", "quickstart", "retire"}
INVENTORY = "[postgres]\npg1\n[etcd]\netcd1\n[backup]\nbackup1\n[proxy]\nproxy1\n"


@pytest.mark.parametrize(
    ("target", "servers"), [(None, {"pg1"}), ("pg1", {"pg1"}), ("backup1", set()), ("all", {"pg1"})]
)
def test_no_server_is_deployed_over_another_container(target: str | None, servers: set[str], tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(INVENTORY, encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    given = [] if target is None else ["-e", f"target={target}"]
    done = subprocess.run(
        [program, "-i", inventory, "--list-hosts", "howdah.postgresql.deploy", *given],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    plays = re.findall(r"play #\d+ .*?\): (.+?)\t.*\n.*\n    hosts \(\d+\):((?:\n      \S+)*)", done.stdout)
    hosts = {name: set(listed.split()) for name, listed in plays}
    assert hosts["Deploy the servers"] == servers, done.stdout
    assert hosts["Deploy the repositories of backups"] == ({"backup1"} if target != "pg1" else set())


@pytest.mark.parametrize("playbook", ["site", "rotate_password", "backup"])
def test_an_inventory_of_something_else_is_no_success(playbook: str, tmp_path: Path) -> None:
    """A play without hosts ends well: a job would be content for ever with a wrong inventory."""
    inventory = tmp_path / "inventory.ini"
    inventory.write_text("[somebody]\nelse\n", encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", inventory, f"howdah.postgresql.{playbook}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    told = " ".join((done.stdout + done.stderr).split())
    assert f"This inventory has no group {'backup' if playbook == 'backup' else 'postgres'}, and so there " in told


@pytest.mark.parametrize(
    "words",
    [
        ["site"], ["site", "--check"], ["deploy", "-e", "target=pg1"], ["deploy", "--limit", "pg1"], ["update"],
        ["rotate_password"], ["restore", "-e", "restore_cluster=main"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("last", ["pg3", "etcd1"], ids=["all of them", "some of them"])
def test_a_host_of_two_kinds_is_refused_before_anything_is_done(last: str, words: list[str], tmp_path: Path) -> None:
    """Whoever takes a host for a machine: no server would be left, or etcd be deployed over servers that run."""
    inventory = tmp_path / "inventory.ini"
    both = f"[postgres]\npg1\npg2\npg3\n[etcd]\npg1\npg2\n{last}\n[backup]\nb1\n[all:vars]\nansible_connection=local\n"
    inventory.write_text(f"{both}docker_host=unix:///nonexistent/howdah.sock\n", encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    playbook, *given = words
    done = subprocess.run(
        [program, "-i", inventory, f"howdah.postgresql.{playbook}", *given],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    told = " ".join((done.stdout + done.stderr).split())
    hosts = "pg1, pg2, pg3" if last == "pg3" else "pg1, pg2"
    assert f"This cannot be: {hosts} in the groups postgres and etcd: a host of the inventory is one node" in told
    assert done.returncode == 2 and len(re.findall(r"PLAY \[", told)) == 1, told


FORMATION = """\
[postgres]
c1 citus_group=0
c2 citus_group=0
w1 citus_group=1
w2 citus_group=1
[etcd]
etcd1
[all:vars]
ansible_connection=local
ansible_python_interpreter={{ ansible_playbook_python }}
docker_host=unix:///nonexistent/howdah.sock
"""
ALL = "c1, c2, w1, w2"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["switchover", "candidate=w9"], f"No member of this formation is called w9; there are {ALL}."),
        (["switchover", "candidate=w1", "group=0"], "w1 is of the group 1, not of 0."),
        (["switchover", "group=7"], "There is no group 7; there is 0, 1."),
        (["switchover", "group=one"], "There is no group one; there is 0, 1."),
        (["restart", "members=w9"], f"No member of this formation is called w9; there are {ALL}."),
        (["restart", "members=w1,w9"], f"No member of this formation is called w9; there are {ALL}."),
        (["switchover", "candidate=w1", "group=1"], ""),
        (["switchover", "group=1"], ""),
        (["restart", "members=w2,c1"], ""),
        (["restart", "members=all"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("check", [[], pytest.param(["--check"], marks=pytest.mark.full)], ids=["done", "check"])
def test_whoever_is_misspelt_in_a_formation_is_no_success(
    words: list[str], told: str, check: list[str], tmp_path: Path
) -> None:
    """Each group passes over who is of another one. What is right goes on to the engine, which does not answer."""
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(FORMATION, encoding="utf-8")
    playbook, *given = words
    typed = [word for one in given for word in ("-e", one)]
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", inventory, f"howdah.postgresql.{playbook}", *typed, *check],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2, output
    assert (f"{told} Nothing was done." in output) if told else "engine_unreachable" in output, output
    assert ("TASK [See which nodes run]" in output) == (not told)


def test_all_playbooks_look_whether_there_is_somebody() -> None:
    content = set()
    for path in PLAYBOOKS.glob("*.yml"):
        for play in yaml.safe_load(path.read_text(encoding="utf-8")):
            if "otherwise='localhost'" not in str(play.get("hosts")):
                continue
            first = play["tasks"][0].get("ansible.builtin.import_tasks")
            assert first in ("tasks/servers.yml", "tasks/repository.yml"), f"{path.name} would go on on localhost"
            break
        else:
            content.add(path.stem)
    assert content == CONTENT_WITH_NOBODY
