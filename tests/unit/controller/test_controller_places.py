# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an inventory cannot be deployed, by the inventory alone."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.howdah.postgresql.plugins.filter import misplaced as plugin
from ansible_collections.howdah.postgresql.plugins.filter.misplaced import misplaced

ROOT = Path(__file__).parents[3]
HOST = {"cluster_network_mode": "host"}


def told(common: dict[str, Any], **kinds: dict[str, dict[str, Any]]) -> list[str]:
    """Of an inventory with these hosts by group."""
    hostvars = {host: common | variables for hosts in kinds.values() for host, variables in hosts.items()}
    return misplaced({kind: list(hosts) for kind, hosts in kinds.items()}, hostvars)


def spread(variable: str, prefix: str, **of_the_third: Any) -> dict[str, dict[str, Any]]:
    """Three hosts on three machines, each with its address."""
    addresses = {number: f"10.0.0.1{number}" for number in (1, 2, 3)}
    hosts: dict[str, dict[str, Any]] = {
        f"{prefix}{number}": {"ansible_host": address, variable: address} for number, address in addresses.items()
    }
    hosts[f"{prefix}3"].update(of_the_third)
    return hosts


def page(*names: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Files of docs/production.md: variables of all hosts, and the hosts by group."""
    text = (ROOT / "docs/production.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    files = [next(yaml.safe_load(block) for block in blocks if block.startswith(f"# {name}")) for name in names]
    groups = {name: group for file in files for name, group in file.items() if name != "all"}
    common = files[0]["all"]["vars"]
    return common, {name: group["hosts"] for name, group in groups.items()}


def test_a_host_is_one_node() -> None:
    both: dict[str, dict[str, Any]] = {"db1": {}, "db2": {}}
    local = {"ansible_connection": "local", "proxy_port": 5440}
    (found,) = told(local, postgres=both, etcd=both | {"etcd1": {}}, proxy={"proxy1": {}, "db3": {"proxy_port": 5440}})
    assert found.startswith("db1, db2 in the groups postgres and etcd: a host of the inventory is one node")
    groups = {"postgres": ["db1"], "etcd": ["etcd1", "db1"], "backup": ["db1", "b1"], "proxy": ["etcd1"]}
    assert [one.partition(":")[0] for one in misplaced(groups, {}, kinds_only=True)] == [
        "db1 in the groups postgres and etcd and backup", "etcd1 in the groups etcd and proxy",
    ]  # fmt: skip


def test_groups_of_other_kinds_are_nobodys_business() -> None:
    """Parents, children, and whatever a user has besides."""
    groups = {
        "all": ["c1", "w1", "etcd1", "old"], "postgres": ["c1", "w1"], "citus_0": ["c1"], "citus_1": ["w1"],
        "etcd": ["etcd1"], "retired": ["old", "etcd1"], "berlin": ["c1", "etcd1"],
    }  # fmt: skip
    assert misplaced(groups, {}, kinds_only=True) == []
    clash = told({"ansible_connection": "local", "proxy_port": 5440}, proxy={"proxy1": {}, "proxy2": {}})
    assert clash and misplaced({"proxy": ["proxy1", "proxy2"]}, {}, kinds_only=True) == []


@pytest.mark.parametrize("files", [("inventory.yml",), ("inventory.yml", "backup.yml"), ("three.yml",)])
def test_the_guides_inventories_can_be(files: tuple[str, ...]) -> None:
    common, hosts = page(*files)
    assert sum(map(len, hosts.values())) >= 7
    assert not told(common, **hosts)


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        pytest.param(
            {"proxy_port": 5432},
            ["pg3 (PostgreSQL) and proxy1 (proxy_port) want the same port of 10.0.0.13, 5432"],
            id="write",
        ),
        pytest.param(
            {"proxy_port": "5442", "proxy_read_port": 8008},
            ["pg3 (Patroni) and proxy1 (proxy_read_port) want the same port of 10.0.0.13, 8008"],
            id="read",
        ),
        pytest.param({"proxy_port": 5442, "proxy_read_port": 5443}, [], id="none"),
        pytest.param({"proxy_port": 0, "proxy_read_port": 5443}, [], id="not published"),
        pytest.param({"ansible_host": "10.0.0.21"}, [], id="elsewhere"),
        pytest.param({"proxy_port": "six", "proxy_read_port": None}, [], id="no numbers"),
    ],
)  # fmt: skip
def test_one_port_for_a_node_and_a_proxy(proxy: dict[str, Any], expected: list[str]) -> None:
    proxies = {"proxy1": {"ansible_host": "10.0.0.13", "proxy_publish_address": "10.0.0.13", **proxy}}
    nodes, stores = spread("patroni_address", "pg"), spread("etcd_address", "etcd")
    assert told(HOST, postgres=nodes, etcd=stores, proxy=proxies) == expected


def test_two_of_a_kind_on_one_machine() -> None:
    nodes = spread("patroni_address", "pg", ansible_host="10.0.0.12")
    found = told(HOST, postgres=nodes, etcd=spread("etcd_address", "etcd"))
    assert [one.rpartition(", ")[2] for one in found] == ["5432", "8008"]


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        pytest.param({}, {}, True, id="the default twice"),
        pytest.param({}, {"server_port": 5433}, False, id="another port"),
        pytest.param({}, {"server_address": "10.0.0.1"}, False, id="another address"),
        pytest.param({}, {"server_address": "0.0.0.0"}, True, id="any address"),
        pytest.param({}, {"docker_host": "unix:///other.sock"}, False, id="another engine"),
    ],
)
def test_single_servers_on_one_machine(first: dict[str, Any], second: dict[str, Any], clash: bool) -> None:
    assert bool(told({"ansible_connection": "local"}, postgres={"db1": first, "db2": second})) == clash


def test_members_of_a_cluster_that_publish_nothing_are_in_nobodys_way() -> None:
    local = {"ansible_connection": "local"}
    assert not told(local, postgres={"pg1": {}, "pg2": {}}, etcd={"etcd1": {}}, proxy={"proxy1": {}}, backup={"b1": {}})


@pytest.mark.parametrize("kind", ["patroni", "etcd"])
def test_a_node_without_address(kind: str) -> None:
    hosts = {"patroni": spread("patroni_address", "pg"), "etcd": spread("etcd_address", "etcd")}
    third = hosts[kind]["etcd3" if kind == "etcd" else "pg3"]
    del third[f"{kind}_address"]
    found = told(HOST, postgres=hosts["patroni"], etcd=hosts["etcd"])
    assert len(found) == 1 and f"3 has no {kind}_address" in found[0]
    third["ansible_connection"] = "local"
    assert len(told(HOST, postgres=hosts["patroni"], etcd=hosts["etcd"])) == 1
    del third["ansible_connection"], third["ansible_host"]  # then Ansible reaches it by its name, and so do the others
    assert not told(HOST, postgres=hosts["patroni"], etcd=hosts["etcd"])


def test_on_networks_of_containers_names_are_addresses() -> None:
    nodes = {host: {"ansible_host": f"10.0.0.1{number}"} for number, host in enumerate(("pg1", "pg2"))}
    assert not told({}, postgres=nodes, etcd={"etcd1": {}})


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        pytest.param({}, "needs backup_address and backup_port", id="nothing"),
        pytest.param({"backup_address": "10.0.0.31"}, "needs backup_address and backup_port", id="no port"),
        pytest.param({"backup_address": "10.0.0.31", "backup_port": 8432}, "for pg1, pg2, pg3", id="here only"),
        pytest.param(
            {"backup_address": "10.0.0.31", "backup_port": 8432, "backup_publish_address": "10.0.0.31"}, "", id="all"
        ),
        pytest.param(
            {
                "ansible_host": "10.0.0.13", "backup_address": "10.0.0.13", "backup_port": 8432,
                "backup_publish_address": "0.0.0.0",
            },
            "pg3 (pgBackRest) and b1 (backup_port)",
            id="the port of the node",
        ),
    ],
)  # fmt: skip
def test_a_repository_that_nodes_do_not_reach(repository: dict[str, Any], expected: str) -> None:
    backup = {"b1": {"ansible_host": "10.0.0.31", **repository}}
    found = told(HOST, postgres=spread("patroni_address", "pg"), etcd=spread("etcd_address", "etcd"), backup=backup)
    assert len(found) == bool(expected) and expected in "".join(found)


def test_a_size_that_is_none() -> None:
    sizes = {"patroni_memory": "1 gig", "patroni_shm_size": "256m", "proxy_memory": 8 << 30, "etcd_memory": ""}
    found = told(sizes, postgres={"pg1": {}}, etcd={"etcd1": {}}, proxy={"proxy1": {}})
    assert found == ["pg1: patroni_memory must be a size like 256m or 2g; got '1 gig'"]


def test_its_defaults_are_those_of_the_roles() -> None:
    for kind, published in plugin._PUBLISHED.items():
        role = {"postgres": "patroni"}.get(kind, kind)
        defaults = yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text(encoding="utf-8"))
        for port, default, address in published:
            assert (defaults[port], defaults[address]) == (default, plugin._LOCALHOST)
