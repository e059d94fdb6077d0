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
