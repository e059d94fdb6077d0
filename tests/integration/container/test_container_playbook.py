# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules container and container_info through ansible-playbook."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.values import nanoseconds

BOX = "howdah-container-box"
CANARY, ENV_CANARY = "canary-b00tstrap-7261", "canary-env-9155"
OPTIONS: dict[str, Any] = {
    "name": BOX, "image": "debian:bookworm", "stop_timeout": 1, "stable_for": 0.2, "init": True,
    "command": ["sh", "-c", "echo using $PW; sleep inf"],
    "env": {"PLAIN": "visible", "APP_TOKEN": ENV_CANARY}, "bootstrap_env": {"PW": CANARY},
}  # fmt: skip
FAILING = {
    **OPTIONS, "name": BOX + "2", "healthcheck": {"test": "echo not with $PW; false", "interval": "200ms", "retries": 1}
}  # fmt: skip


def play(folder: Path, *tasks: dict[str, Any], arguments: tuple[str, ...] = ()) -> tuple[dict[str, Any], str]:
    """Run tasks and return the results by name of the task, and all output."""
    book = folder / "book.yml"
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]))
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "--diff",
        *arguments, "-e", f"ansible_python_interpreter={sys.executable}", str(book),
    ]  # fmt: skip
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    results = folder / "results.json"
    return json.loads(results.read_text()) if results.exists() else {}, done.stdout + done.stderr


def container(label: str, **options: Any) -> dict[str, Any]:
    return {"name": label, "howdah.postgresql.container": options, "register": label}


def kept(folder: Path, *names: str) -> dict[str, Any]:
    """A task that writes the results of others into a file."""
    content = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
    return {"ansible.builtin.copy": {"content": content, "dest": str(folder / "results.json")}, "no_log": True}


@pytest.mark.usefixtures("engine")
def test_no_secret_shows_in_the_most_talkative_output(tmp_path: Path) -> None:
    changed = {**OPTIONS, "env": {"PLAIN": "other", "APP_TOKEN": ENV_CANARY + "x"}}
    tasks = [
        container("made", **OPTIONS),
        container("same", **OPTIONS),
        container("other", **changed),
        {**container("broken", **FAILING), "ignore_errors": True},
        {"name": "info", "howdah.postgresql.container_info": {"name": [BOX, "howdah-container-none"], "log_lines": 5},
         "register": "info"},
        kept(tmp_path, "made", "same", "other", "broken", "info"),
    ]  # fmt: skip
    results, output = play(tmp_path, *tasks, arguments=("-vvv",))
    assert results, output
    assert [results[name]["changed"] for name in ("made", "same", "other")] == [True, False, True]
    assert results["other"]["actions"] == [f"recreate container {BOX}: env"]
    broken = results["broken"]
    assert (broken["failed"], broken["error"], broken["code"]) == (True, "container_failed", 1301)
    # What was planned is told, although it was undone.
    assert broken["actions"] == [f"create container {BOX}2", f"start container {BOX}2"]
    assert "is unhealthy. The health check says: not with ****" in broken["msg"]
    first, second = results["info"]["containers"]
    assert (first["state"], second["exists"]) == ("running", False)
    assert {"PLAIN", "APP_TOKEN", "PW"} <= set(first["env_names"])
    assert first["logs"] == ["using ********"]
    assert '"PLAIN": "other"' in output
    for canary in (CANARY, ENV_CANARY):
        assert canary not in output
        assert canary not in json.dumps(results)


def test_several_containers_side_by_side(engine: Any, tmp_path: Path) -> None:
    names = [f"{BOX}{number}" for number in range(1, 4)]
    common = {**OPTIONS, "networks": [{"name": "howdah-container-net"}], "stable_for": 1.5}
    del common["name"]
    members = [{"name": name, "volumes": ["howdah-container-data:/data"]} for name in names]
    fails = {"name": f"{BOX}4", "command": ["sh", "-c", "echo $PW; exit 3"]}
    members_gone = [{"name": name} for name in (*names, f"{BOX}4")]
    tasks = [
        container("made", **common, containers=members),
        container("same", **common, containers=members),
        {**container("broken", **common, containers=[*members, fails]), "ignore_errors": True},
        container("gone", containers=members_gone, state="absent", remove_volumes=["howdah-container-data"]),
    ]  # fmt: skip
    checked, output = play(
        tmp_path, tasks[0], {**kept(tmp_path, "made"), "check_mode": False}, arguments=("--check",)
    )
    assert checked, output
    results, output = play(tmp_path, *tasks, kept(tmp_path, "made", "same", "broken", "gone"), arguments=("-vvv",))
    assert results, output
    made, broken = results["made"], results["broken"]
    assert all(checked["made"][key] == made[key] for key in ("changed", "actions", "diff"))
    assert made["actions"][:2] == ["create network howdah-container-net", "create volume howdah-container-data"]
    assert [entry["container"]["state"] for entry in made["containers"]] == ["running"] * 3
    assert set(made["diff"]["after"]) == set(names)
    starts = [nanoseconds(entry["container"]["started_at"]) for entry in made["containers"]]
    assert max(starts) - min(starts) < 1.4 * 10**9, "the second was started when the first one had proved to run"
    assert results["same"]["changed"] is False
    assert (broken["failed"], broken["code"], broken["failed_containers"]) == (True, 1301, [f"{BOX}4"])
    assert [entry["failed"] for entry in broken["containers"]] == [False, False, False, True]
    assert (broken["containers"][3]["exit_code"], broken["containers"][3]["logs"]) == (3, ["********"])
    assert len([action for action in results["gone"]["actions"] if action.startswith("remove container")]) == 3
    assert results["gone"]["actions"][-1] == "remove volume howdah-container-data"
    assert not [entry for entry in engine.containers(all=True) if BOX in entry["Names"][0]]
    for canary in (CANARY, ENV_CANARY):
        assert canary not in output


@pytest.mark.usefixtures("engine")
def test_check_mode_tells_the_truth(tmp_path: Path) -> None:
    tasks = [container("made", **OPTIONS), kept(tmp_path, "made")]
    copying = {"check_mode": False}
    checked, output = play(tmp_path, tasks[0], {**tasks[1], **copying}, arguments=("--check",))
    assert checked, output
    assert not checked["made"]["container"]["exists"]
    made, _output = play(tmp_path, *tasks)
    assert made["made"]["container"]["state"] == "running"
    assert all(checked["made"][key] == made["made"][key] for key in ("changed", "actions", "diff"))
    again, _output = play(tmp_path, tasks[0], {**tasks[1], **copying}, arguments=("--check",))
    assert not again["made"]["changed"]


def test_bad_input_is_told_in_one_sentence(tmp_path: Path) -> None:
    tasks = [
        {**container("port", name=BOX, image="debian:bookworm", ports=["5432"]), "ignore_errors": True},
        {**container("image", name=BOX, image="howdah/no-such-image:1"), "ignore_errors": True},
        {**container("nul", name=BOX, image="debian:bookworm", bootstrap_env={"PW": f"{CANARY}\0"}),
         "ignore_errors": True},
        {**container("engine", name=BOX, docker_host=f"unix://{tmp_path}/none.sock"), "ignore_errors": True},
        kept(tmp_path, "port", "image", "nul", "engine"),
    ]  # fmt: skip
    results, output = play(tmp_path, *tasks)
    assert results, output
    told = {name: (result["failed"], result["code"], result["changed"]) for name, result in results.items()}
    assert told == {
        "port": (True, 1001, False), "image": (True, 1200, False), "nul": (True, 1001, False),
        "engine": (True, 1100, False),
    }  # fmt: skip
    assert "ports must be like 5432:5432" in results["port"]["msg"]
    assert "howdah.postgresql.image" in results["image"]["msg"]
    assert "NUL" in results["nul"]["msg"]
    assert CANARY not in output


def test_the_real_image_serves(engine: Any, test_image: str, tmp_path: Path) -> None:
    server = {
        "name": BOX, "image": test_image, "volumes": ["howdah-container-data:/var/lib/postgresql/data"],
        "tmpfs": ["/tmp", "/run/postgresql:uid=999,gid=999,mode=2775"], "read_only": True, "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"], "bootstrap_env": {"POSTGRES_PASSWORD": CANARY}, "stop_timeout": 30,
    }  # fmt: skip
    start = time.monotonic()
    results, output = play(
        tmp_path,
        container("made", **server),
        container("same", **server),
        container("other", **server, labels={"a": "b"}),
        kept(tmp_path, "made", "same", "other"),
        arguments=("-vvv",),
    )
    assert results, output
    assert [results[name]["changed"] for name in ("made", "same", "other")] == [True, False, True]
    assert results["other"]["ready_after"] < 10
    assert CANARY not in output
    assert time.monotonic() - start < 60
