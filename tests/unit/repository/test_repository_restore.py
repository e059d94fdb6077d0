# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a restore is about, as Ansible evaluates the playbook: it replaces the data of one, and of nobody else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOK = Path(__file__).parents[3] / "playbooks/restore.yml"
# Each with a repository of its own, as it has to be.
SHOP = {"backup_hosts": ["keeper-shop"]}
CRM = {"backup_hosts": ["keeper-crm"]}
KEEPERS = {"keeper-shop": {"backup_members": ["shop"]}, "keeper-crm": {"backup_members": ["crm"]}}
GROUPING, ASSERTING = "ansible.builtin.group_by", "ansible.builtin.assert"
# Those that ask nothing but the inventory and what was typed.
ASKED = ("It is clear which server is restored", "A single server has a repository of its own")


def traced(play: dict[str, Any]) -> dict[str, Any]:
    """A play whose tasks are gone, except those that say whom it is about. It tells on which hosts it was."""
    about = "{{ inventory_hostname }}"
    if "ansible.builtin.import_playbook" in play:
        trace = {"ansible.builtin.debug": {"msg": f"@{play['name']}@{about}@@"}, "when": play["when"]}
        return {"hosts": "postgres:backup", "gather_facts": False, "vars": play.get("vars", {}), "tasks": [trace]}
    kept = [task for task in play["tasks"] if GROUPING in task or ASSERTING in task and task["name"] in ASKED]
    steps = [task.get("howdah.postgresql.pgbackrest_restore", {}).get("step", "") for task in play["tasks"]]
    step = next((step for step in steps if "set_aside" in step), "")
    told = f"{step} {{{{ restore_keeper }}}} {{{{ restore_names | unique | join(',') }}}}" if step else ""
    tasks = [*kept, {"ansible.builtin.debug": {"msg": f"@{play['name']}@{about}@{told}@"}}]
    return {**{key: play[key] for key in ("name", "hosts", "gather_facts", "vars") if key in play}, "tasks": tasks}


def played(
    folder: Path, groups: dict[str, dict[str, Any]], plays: list[Any], words: tuple[str, ...] = (), code: int = 0
) -> str:
    """The output of a playbook, with what was typed."""
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    children = {name: {"hosts": hosts} for name, hosts in groups.items()}
    inventory = {"all": {"vars": common, "children": children}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False), "utf-8")
    (folder / "restore.yml").write_text(yaml.safe_dump(plays, sort_keys=False), "utf-8")
    given = [part for word in words for part in ("-e", word)]
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.yml", "restore.yml", *given],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def restored(
    folder: Path, groups: dict[str, dict[str, Any]], *words: str, code: int = 0
) -> tuple[dict[str, dict[str, str]], str]:
    """By play, the hosts and what is done to them; and the output."""
    plays = [traced(play) for play in yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))]
    output = played(folder, groups, plays, words, code)
    found: dict[str, dict[str, str]] = {}
    for play, host, told in re.findall(r"@([^@\n]+)@([^@\n]+)@([^@\n]*)@", output):
        found.setdefault(play, {})[host] = told
    return found, " ".join(output.split())


def touched(found: dict[str, dict[str, str]]) -> set[str]:
    """Whoever was in a play that does more than to see who is meant."""
    seeing = {"Check what is asked for", "See who is restored"}
    return {host for play, hosts in found.items() if play not in seeing for host in hosts}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["restore_cluster=shop"], ("shop", "keeper-shop", "restore keeper-shop shop"), id="the first"),
        pytest.param(["restore_cluster=crm"], ("crm", "keeper-crm", "restore keeper-crm crm"), id="the second"),
        pytest.param(
            ["restore_cluster=crm", "restore_from=elsewhere"],
            ("crm", "keeper-crm", "restore keeper-crm crm"),
            id="from another repository",
        ),
    ],
)
def test_of_several_single_servers_the_one_that_is_named(
    words: list[str], expected: tuple[str, str, str], tmp_path: Path
) -> None:
    server, keeper, told = expected
    found, output = restored(tmp_path, {"postgres": {"shop": SHOP, "crm": CRM}, "backup": KEEPERS}, *words)
    assert touched(found) == {server, keeper}, output
    for play in ("Look at the servers", "Restore the data", "Finish"):
        assert found[play].keys() == {server}
    assert found["Restore the data"][server] == told
    asked = server if len(words) > 1 else keeper
    assert found["Find the backup"].keys() == {asked}
    assert "Deploy all the rest, as declared" not in found


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ([], ""),
        (["restore_cluster=main"], " (not main)"),
        (["restore_cluster=db"], " (not db)"),
        (["restore_from=elsewhere"], ""),
        (["restore_cluster=shopp", "restore_from=elsewhere"], " (not shopp)"),
    ],
)
def test_of_several_single_servers_one_has_to_be_named(words: list[str], typed: str, tmp_path: Path) -> None:
    """Also where cluster_name is typed, which is nobody's, or a container's name that two engines have."""
    named = {"server_name": "db", "cluster_name": "main"}
    servers = {"shop": {**SHOP, **named}, "crm": {**CRM, **named}}
    found, output = restored(tmp_path, {"postgres": servers, "backup": KEEPERS}, *words, code=2)
    assert f"-e restore_cluster=, followed by shop or crm{typed}. Nothing was changed" in output
    assert touched(found) == set()


def test_one_of_several_by_the_name_of_its_container(tmp_path: Path) -> None:
    servers = {"shop": {**SHOP, "server_name": "db"}, "crm": CRM}
    found, _output = restored(tmp_path, {"postgres": servers, "backup": KEEPERS}, "restore_cluster=db")
    assert found["Restore the data"] == {"shop": "restore keeper-shop shop,db"}


def test_never_from_the_repository_of_two(tmp_path: Path) -> None:
    groups = {"postgres": {"shop": {}, "crm": {}}, "backup": {"keeper": {}}}
    found, output = restored(tmp_path, groups, "restore_cluster=crm", code=2)
    assert "crm is a single server, and the repository keeper is that of shop, crm. Give each" in output
    assert touched(found) == set()


def test_a_server_that_is_alone_is_its_cluster(tmp_path: Path) -> None:
    groups = {"postgres": {"host1": {"server_name": "db"}}, "backup": {"keeper": {"cluster_name": "main"}}}
    found, _output = restored(tmp_path, groups)
    assert found["Restore the data"] == {"host1": "restore keeper db,host1"}
    assert found["Find the backup"].keys() == {"keeper"}


@pytest.mark.parametrize("etcd", [True, False])
def test_a_cluster_is_restored_as_a_whole(etcd: bool, tmp_path: Path) -> None:
    """Also where the etcd is the user's own, of which the repository's variables say nothing."""
    own: dict[str, Any] = {} if etcd else {"patroni_etcd_hosts": ["10.0.0.9:2379"]}
    groups: dict[str, dict[str, Any]] = {"postgres": {f"pg{one}": own for one in (1, 2, 3)}, "backup": {"keeper": {}}}
    found, _output = restored(tmp_path, groups | ({"etcd": {"etcd1": {}}} if etcd else {}))
    steps = {host: told.split()[0] for host, told in found["Restore the data"].items()}
    assert steps == {"pg1": "restore", "pg2": "set_aside", "pg3": "set_aside"}
    assert found["Start the restored server, alone"].keys() == {"pg1"}
    assert found["Find the backup"].keys() == found["Back up on the new timeline"].keys() == {"keeper"}
    assert found["Deploy all the rest, as declared"].keys() == {"pg1", "pg2", "pg3", "keeper"}


def test_each_group_of_a_formation_has_one_that_is_restored(tmp_path: Path) -> None:
    nodes = {f"c{one}": {"citus_group": 0} for one in (1, 2)} | {f"w{one}": {"citus_group": 1} for one in (1, 2)}
    keepers = {"keeper0": {"citus_group": 0}, "keeper1": {"citus_group": 1}}
    found, _output = restored(tmp_path, {"postgres": nodes, "backup": keepers, "etcd": {"etcd1": {}}})
    steps = {host: told.split()[:2] for host, told in found["Restore the data"].items()}
    assert steps == {
        "c1": ["restore", "keeper0"], "c2": ["set_aside", "keeper0"],
        "w1": ["restore", "keeper1"], "w2": ["set_aside", "keeper1"],
    }  # fmt: skip
    assert found["Find the backup"].keys() == {"keeper0", "keeper1"}


@pytest.mark.parametrize(("keepers", "expected"), [(KEEPERS, "0/2"), ({"keeper-crm": {}}, "0/1")])
def test_a_drill_tells_of_the_server_that_its_backups_are_of(
    keepers: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    servers = {
        host: {"drill_server": {"archiver": {"lsn": lsn}, "in_recovery": False}}
        for host, lsn in (("shop", "0/1"), ("crm", "0/2"))
    }
    drill = yaml.safe_load(PLAYBOOK.with_name("restore_drill.yml").read_text(encoding="utf-8"))[1]
    told = {"ansible.builtin.debug": {"msg": "@{{ (drill_servers | first).archiver.lsn }}@"}}
    play = {"hosts": "keeper-crm", "gather_facts": False, "vars": drill["vars"], "tasks": [told]}
    output = played(tmp_path, {"postgres": servers, "backup": keepers}, [play])
    assert f"@{expected}@" in output
