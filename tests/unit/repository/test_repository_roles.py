# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles make of an inventory, as Ansible evaluates their variables."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from role_values import value_of

ROLES = Path(__file__).parents[3] / "roles"


def evaluated(folder: Path, role: str, host: str, wanted: str, groups: dict[str, dict[str, Any]]) -> Any:
    """The value of an expression over the role's variables, on a host."""
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "cluster_name": "main"}
    children = {name: {"hosts": hosts} for name, hosts in groups.items()}
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"vars": common, "children": children}}, sort_keys=False), "utf-8")
    # Below those of the inventory, as defaults are.
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text(encoding="utf-8"))
    (folder / "group_vars").mkdir(exist_ok=True)
    (folder / "group_vars/all.yml").write_text(yaml.safe_dump(defaults), encoding="utf-8")
    return value_of(wanted, host, inventory, "-e", f"@{ROLES / role}/vars/main.yml")


# --- Backups -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "clustered", "expected"),
    [
        pytest.param({"server_name": "db"}, False, "db", id="a container of another name"),
        pytest.param({}, False, "pg1", id="a single server"),
        pytest.param({"server_name": "db"}, True, "pg1", id="a member, for which the variable is nothing"),
        pytest.param({"patroni_address": "10.0.0.1"}, True, "10.0.0.1", id="a member with an address"),
        pytest.param(
            {"patroni_address": "10.0.0.1", "patroni_etcd_hosts": ["10.0.0.9:2379"]}, False, "10.0.0.1",
            id="a member with an etcd of the user's own",
        ),
    ],
)  # fmt: skip
def test_the_repository_knows_a_server_by_the_name_that_it_has(
    server: dict[str, Any], clustered: bool, expected: str, tmp_path: Path
) -> None:
    """By the address it reaches it, by the name of its certificate it lets it in."""
    groups: dict[str, dict[str, Any]] = {"postgres": {"pg1": server}, "backup": {"keeper": {}}}
    groups |= {"etcd": {"etcd1": {}}} if clustered else {}
    wanted = "[backup_conf.stanza['pg1-host'], backup_conf.global['tls-server-auth']]"
    name = expected if server.get("patroni_address") is None else "pg1"
    assert evaluated(tmp_path, "backup", "keeper", wanted, groups) == [expected, [f"{name}=main"]]


# --- The proxy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ({"proxy_network_mode": "host"}, {"read-write": "127.0.0.1:5432", "read-only": "127.0.0.1:5433"}),
        ({"proxy_network_mode": "host", "proxy_read_port": 0}, {"read-write": "127.0.0.1:5432"}),
        ({"proxy_network_mode": "host", "proxy_port": "0"}, {"read-only": "127.0.0.1:5433"}),
        ({"proxy_port": 0, "proxy_read_port": 0}, {"read-write": ":5432", "read-only": ":5433"}),
    ],
)
def test_a_port_of_0_is_none_on_the_network_of_the_machine(
    proxy: dict[str, Any], expected: dict[str, str], tmp_path: Path
) -> None:
    """In a network of its own the container listens all the same, and only the machine has no port."""
    groups = {"postgres": {"pg1": {}}, "proxy": {"proxy1": proxy | {"proxy_max_connections": "500"}}}
    text = evaluated(
        tmp_path, "proxy", "proxy1",
        f"lookup('ansible.builtin.template', '{ROLES}/proxy/templates/haproxy.cfg.j2')", groups,
    )  # fmt: skip
    assert dict(re.findall(r"(?m)^listen (\S+)\n    bind (\S+)$", text)) == expected
    assert len(re.findall(r"(?m)^    server pg1 ", text)) == len(expected)
    assert text.count("maxconn") == 2 and "    maxconn 1000\n" in text
