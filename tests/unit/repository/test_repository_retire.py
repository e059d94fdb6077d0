# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which member of etcd is asked when a node is retired, if the first one is down; with modules that have no engine."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCAL = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
# Stands for each of the modules. Of containers it tells what the inventory says, and what it would change it notes.
MODULE = """
import json, os
from pathlib import Path
from ansible.module_utils.basic import AnsibleModule
names = ("containers", "docker_host", "gone", "leader", "leaving", "name", "peer_url", "remove_volumes", "state",
         "text", "timeout")
module = AnsibleModule({name: {"type": "raw"} for name in names}, supports_check_mode=True)
kind, given, folder = Path(__file__).stem, module.params, Path(os.environ["RETIRE_FOLDER"])
world = json.loads((folder / "world.json").read_text())
told = {"changed": False, "actions": []}
if "container_info" in kind:
    told["containers"] = [{"name": name, "exists": name in world, **world.get(name, {})} for name in given["name"]]
elif "patroni_info" in kind:
    told = {"failed": True, "code": 1500, "msg": "no answer"}
elif "etcd_member" in kind or "container" in kind:
    with (folder / "log").open("a") as log:
        log.write("%s %s\\n" % ("container" if "etcd_member" not in kind else given["containers"][0], given["name"]))
module.fail_json(**told) if told.get("failed") else module.exit_json(**told)
"""
MODULES = ("container", "container_info", "etcd_member", "patroni_info", "patroni_switchover", "patroni_wait", "show")
SERVER = {"state": "running", "env_names": ["PGDATA"]}
MEMBER = {"state": "running", "env_names": ["ETCD_NAME"]}
DOWN = {**MEMBER, "state": "exited"}


@pytest.mark.parametrize(
    ("world", "code", "log"),
    [
        ({"old": SERVER, "etcd1": DOWN, "etcd2": DOWN}, 0, ["container old"]),
        ({"old": MEMBER, "etcd1": DOWN, "etcd2": MEMBER}, 0, ["etcd2 old", "container old"]),
        ({"old": MEMBER, "etcd1": DOWN, "etcd2": DOWN}, 2, []),
        ({"etcd1": DOWN, "etcd2": MEMBER}, 0, ["etcd2 old", "container old"]),
    ],
    ids=["a server, and etcd is down", "a member", "a member, and etcd is down", "its container is gone"],
)  # fmt: skip
def test_a_member_of_etcd_that_runs_is_asked_and_only_when_it_is_needed(
    world: dict[str, object], code: int, log: list[str], tmp_path: Path
) -> None:
    tree = tmp_path / "ansible_collections/howdah/postgresql"
    (tree / "plugins/modules").mkdir(parents=True)
    for name in ("galaxy.yml", "meta", "playbooks", "plugins/filter", "plugins/module_utils"):
        (tree / name).symlink_to(ROOT / name)
    for name in MODULES:
        (tree / f"plugins/modules/{name}.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "world.json").write_text(json.dumps(world), encoding="utf-8")
    (tmp_path / "log").touch()
    away = "ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1"
    hosts = f"[retired]\nold {LOCAL}\n[etcd]\nno-machine {away}\netcd1 {LOCAL}\netcd2 {LOCAL}\n"
    (tmp_path / "hosts.ini").write_text(hosts, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.ini", "howdah.postgresql.retire"],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "RETIRE_FOLDER": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    told = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode, (tmp_path / "log").read_text(encoding="utf-8").splitlines()) == (code, log), done.stdout
    assert ("none of the others runs, or can be reached: no-machine, etcd1, etcd2" in told) is (code == 2)
