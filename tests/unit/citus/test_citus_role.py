# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of an inventory, as Ansible evaluates its variables: without Citus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from role_values import value_of

ROLES = Path(__file__).parents[3] / "roles"
NODES = {"c1": {"citus_group": 0}, "w1": {"citus_group": 1, "patroni_address": "10.0.0.1"}}
KEEPERS = {"b0": {"citus_group": 0}, "b1": {"citus_group": 1}}
FULL = "sslmode=verify-full sslrootcert=/etc/howdah/tls/ca.crt"


def evaluated(folder: Path, wanted: str, role: str = "citus", host: str = "w1", **options: Any) -> Any:
    """The value of an expression over the role's variables, on a host."""
    inventory = folder / "inventory.yml"
    common = {"ansible_connection": "local", "ansible_play_hosts": list(NODES), "cluster_name": "net", **options}
    groups: dict[str, Any] = {
        "postgres": {"hosts": NODES, "vars": common}, "backup": {"hosts": KEEPERS, "vars": common},
        "etcd": {"hosts": {"etcd1": {}}},
    }  # fmt: skip
    inventory.write_text(yaml.safe_dump(groups), encoding="utf-8")
    files = [word for name in ("defaults", "vars") for word in ("-e", f"@{ROLES}/{role}/{name}/main.yml")]
    return value_of(wanted, host, inventory, *files, "-e", json.dumps(options))


def test_a_node_gets_its_section_and_connections_that_are_verified(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "citus_of_nodes", citus_database="shop")
    section = evaluated(tmp_path, "patroni_citus_section", "patroni", patroni_citus=found)
    assert section == {"citus": {"group": 1, "database": "shop"}}
    assert evaluated(tmp_path, "patroni_citus_section", "patroni") == {}
    assert found["settings"]["citus.node_conninfo"] == FULL
    lines = [line for line in found["hba"] if "clientcert" in line]
    certificate = "trust clientcert=verify-ca"
    addresses = ("samehost", "c1", "c1.net", "10.0.0.1/32")
    assert lines == [f'hostssl "shop" all {address} {certificate}' for address in addresses]


@pytest.mark.parametrize(
    ("version", "asked"), [("15.18-0+deb12u1", False), ("15.19-0+deb12u1", True), ("15.20-1", True), ("", True)]
)
def test_output_plugins_are_named_where_the_server_asks_for_them(tmp_path: Path, version: str, asked: bool) -> None:
    labels = {"io.howdah.postgresql.postgresql": version} if version else {}
    found = evaluated(tmp_path, "citus_of_nodes.settings", citus_labels=labels)
    assert found.get("output_plugin_libraries") == ("pgoutput, test_decoding, citus" if asked else None)


@pytest.mark.parametrize(
    ("packages", "line"),
    [
        (["postgresql-15-citus-13.2"], "13.2"),
        (["percona-pg-stat-monitor15", "postgresql-17-citus-13.0"], "13.0"),
        (["postgresql-15-citus"], ""),
        ([], ""),
    ],
)
def test_the_line_of_citus_is_that_of_its_package(tmp_path: Path, packages: list[str], line: str) -> None:
    repositories = [{"name": "none"}, {"name": "some", "packages": packages}]
    assert evaluated(tmp_path, "citus_declared", image_repositories=repositories) == line


# --- Backups -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["w1", "b1"])
def test_each_group_has_a_stanza_and_a_repository_of_its_own(tmp_path: Path, host: str) -> None:
    wanted = "[backup_stanza, backup_hosts, backup_members, backup_conf.stanza]"
    *found, servers = evaluated(tmp_path, wanted, role="backup", host=host)
    assert found == ["net-1", ["b1"], ["w1"]]
    assert servers["pg1-host"] == "10.0.0.1" and "pg2-host" not in servers


def test_a_node_archives_into_the_stanza_of_its_group(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "backup_of_node", role="backup", host="c1")
    assert found["settings"]["archive_command"] == 'pgbackrest --stanza=net-0 archive-push "%p"'
    (file,) = found["files"]
    assert "repo1-host=b0" in file["content"] and "tls-server-auth=b0=net-0" in file["content"]


def test_a_cluster_without_groups_has_one_stanza(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hosts in (NODES, KEEPERS):
        for name in hosts:
            monkeypatch.setitem(hosts, name, {})
    wanted = "[backup_stanza, backup_hosts, backup_members]"
    assert evaluated(tmp_path, wanted, role="backup") == ["net", ["b0", "b1"], ["c1", "w1"]]
