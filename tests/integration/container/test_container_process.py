# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task does the same in the controller's own process as in a module's, and is only there where that may be."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PREFIX = "howdah-container-"
CONNECTIONS = Path(__file__).parents[1] / "build" / "connection_plugins"
CANARY = "canary-'$(x)`\"-8150"
# Where no module can be started, only a task that needs none succeeds.
NOWHERE = "/nowhere/python3"
HOSTS: dict[str, dict[str, Any]] = {
    "here": {"ansible_connection": "local", "ansible_python_interpreter": NOWHERE},
    "there": {"ansible_connection": "like_remote", "ansible_python_interpreter": sys.executable},
    "around": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable,
               "around": {"X_OF_TEST": "1"}},
    "own": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
}  # fmt: skip
NAME = PREFIX + "{{ inventory_hostname }}"
FAILING = {
    "name": NAME, "image": "debian:bookworm", "command": ["sleep", "inf"], "bootstrap_env": {"PW": CANARY},
    "init": True, "stop_timeout": 1,
    "healthcheck": {"test": "echo not with \"$PW\"; false", "interval": "200ms", "retries": 1},
}  # fmt: skip
TASKS: dict[str, dict[str, Any]] = {
    "looked": {"howdah.postgresql.container_info": {"name": ["howdah-container-none"]}},
    "image": {"howdah.postgresql.image_info": {"name": ["howdah-container-none:1"]}},
    "base": {"howdah.postgresql.base_image": {"name": "debian:bookworm"}},
    "untagged": {"howdah.postgresql.base_image": {"name": "debian"}},
    "wrong": {"howdah.postgresql.container": {"name": NAME, "imagee": "x"}},
    "lacking": {"howdah.postgresql.password": {"container": "howdah-container-none"}},
    "nobody": {"howdah.postgresql.password": {"container": "howdah-container-none", "name": "app", "password": CANARY}},
    "foreseen": {"howdah.postgresql.container": FAILING, "check_mode": True, "diff": True},
    "failed": {"howdah.postgresql.container": FAILING},
    "later": {"howdah.postgresql.container_info": {"name": ["howdah-container-none"]}, "async": 30, "poll": 1},
}
# What is Ansible's, what only a run in the background has, and what no two runs have in common.
OTHERS = {"invocation", "ansible_job_id", "finished", "started", "results_file", "stdout", "stderr", "stdout_lines",
          "stderr_lines", "exception", "warnings", "deprecations", "elapsed_ms"}  # fmt: skip


def play(folder: Path, *hosts: str, tasks: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """What tasks return, by host and task, and all output."""
    kept = "{{ {" + ", ".join(f"'{name}': {name}" for name in tasks) + "} }}"
    inventory = {"all": {"hosts": {host: HOSTS[host] for host in hosts}}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
    book = [
        {
            "hosts": "all", "gather_facts": False, "environment": "{{ around | default({}) }}", "ignore_errors": True,
            "tasks": [{**task, "name": name, "register": name} for name, task in tasks.items()] + [{
                "name": "keep",
                "ansible.builtin.set_fact": {"kept": kept},
                "no_log": True,
            }],
        },
        {
            "hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": [{
                "ansible.builtin.copy": {
                    "content": "{{ groups['all'] | map('extract', hostvars, 'kept') | list | to_json }}",
                    "dest": str(folder / "kept.json"),
                },
                "no_log": True, "vars": {"ansible_python_interpreter": sys.executable},
            }],
        },
    ]  # fmt: skip
    (folder / "book.yml").write_text(yaml.safe_dump(book))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-vvv", "-i", "inventory.yml", "book.yml"],
        env={**os.environ, "ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), "ANSIBLE_NOCOLOR": "1"},
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert (folder / "kept.json").exists(), done.stdout
    return dict(zip(hosts, json.loads((folder / "kept.json").read_text()))), done.stdout


def told(result: dict[str, Any], host: str) -> Any:
    """What is to be the same wherever it was done."""
    text = json.dumps({name: value for name, value in result.items() if name not in OTHERS}, sort_keys=True)
    return json.loads(text.replace(PREFIX + host, PREFIX + "HOST"))


@pytest.mark.usefixtures("engine")
def test_the_same_is_told(tmp_path: Path) -> None:
    tasks = {name: task for name, task in TASKS.items() if name not in ("wrong", "lacking", "later")}
    found, output = play(tmp_path, "here", "there", "around", tasks=tasks)
    for name in tasks:
        here, there, around = (told(found[host][name], host) for host in ("here", "there", "around"))
        if name == "failed":
            for one in (here, there, around):
                one.pop("containers", None)
        assert here == there == around, (name, output)
    assert "not with ****" in found["here"]["failed"]["msg"]
    assert found["here"]["nobody"]["code"] == 1300
    assert found["here"]["foreseen"]["changed"] and found["here"]["foreseen"]["diff"]
    assert CANARY not in output and json.dumps(CANARY) not in output


@pytest.mark.usefixtures("engine")
def test_options_that_do_not_fit_are_told_by_the_module(tmp_path: Path) -> None:
    tasks = {name: TASKS[name] for name in ("wrong", "lacking")}
    found, _output = play(tmp_path, "there", "around", tasks=tasks)
    expected = {"wrong": "Unsupported parameters", "lacking": "one of the following is required: name, roles"}
    for name, words in expected.items():
        assert words in found["around"][name]["msg"]
        assert told(found["around"][name], "around") == told(found["there"][name], "there")


@pytest.mark.usefixtures("engine")
def test_a_process_is_started_where_one_is_asked_for(tmp_path: Path) -> None:
    HOSTS["nowhere"] = {**HOSTS["here"], "around": HOSTS["around"]["around"]}
    looked = {"looked": TASKS["looked"], "later": TASKS["later"]}
    found, output = play(tmp_path, "here", "nowhere", "there", tasks=looked)
    assert not found["here"]["looked"]["failed"], output
    for host, name in (("nowhere", "looked"), ("here", "later"), ("nowhere", "later")):
        assert found[host][name]["failed"] and "containers" not in found[host][name], (host, name, output)
    assert found["there"]["later"]["containers"] == found["there"]["looked"]["containers"]


@pytest.mark.usefixtures("engine")
def test_a_module_that_tells_of_its_python_is_done_in_that_one(tmp_path: Path) -> None:
    asked: dict[str, dict[str, Any]] = {"asked": {"howdah.postgresql.engine_info": {}}}
    found, output = play(tmp_path, "own", "there", "here", tasks=asked)
    assert told(found["own"]["asked"], "own") == told(found["there"]["asked"], "there")
    assert found["own"]["asked"]["python"]["executable"] == sys.executable
    assert "<there> EXEC" in output and "<own> EXEC" not in output
    assert found["here"]["asked"]["failed"] and "python" not in found["here"]["asked"]
