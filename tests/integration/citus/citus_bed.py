# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A formation on one engine, as the playbooks make it: a coordinator's group, workers' groups, etcd, a proxy."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import psycopg2
from ansible_runs import free_ports, run_playbook, until

PREFIX = "howdah-citus-"
NAME = PREFIX.rstrip("-")
ETCD = f"{PREFIX}etcd1"
PROXY = f"{PREFIX}proxy"
DATABASE = "citus"
PLAYBOOK_TIMEOUT = 900
PATIENCE = 240.0
_AGENT_SECONDS = 30


def point_of(said: str) -> str:
    """The name of the restore point that a playbook told."""
    found = re.search(r"The restore point is (\S+); every group is archived up to there", said)
    assert found is not None, said
    return found[1]


class Formation:
    """The formation, and what can be done to it.

    :param folder: for the inventory and the nodes' authority.
    :param image: that its nodes run.
    :param groups: its groups, each with the number of its nodes.
    """

    def __init__(self, client: docker.APIClient, folder: Path, image: str, groups: dict[int, int]) -> None:
        self.client = client
        self.password = "canary-" + secrets.token_urlsafe(12)
        self.groups = dict(groups)
        self.variables: dict[str, Any] = {"image_name": image}
        self.further: dict[str, dict[str, Any]] = {}
        self.environment: dict[str, str] = {}
        self._folder = folder
        self.port, self._read_port = free_ports(2)

    # --- What is declared ------------------------------------------------------------------------

    def nodes(self, group: int) -> list[str]:
        """The names of a group's nodes."""
        return [f"{PREFIX}g{group}n{number}" for number in range(1, self.groups[group] + 1)]

    def everybody(self) -> list[str]:
        """The names of all nodes."""
        return [name for group in self.groups for name in self.nodes(group)]

    def inventory(self) -> dict[str, Any]:
        """What is declared."""
        groups: dict[str, dict[str, Any]] = {
            "etcd": {ETCD: {}},
            "postgres": {name: {"citus_group": group} for group in self.groups for name in self.nodes(group)},
            "proxy": {PROXY: {"proxy_port": self.port, "proxy_read_port": self._read_port}},
            **self.further,
        }
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "cluster_name": NAME,
            **self.variables,
        }
        return {"all": {"vars": common, "children": {name: {"hosts": hosts} for name, hosts in groups.items()}}}

    # --- Making ----------------------------------------------------------------------------------

    def play(self, playbook: str, *arguments: str, expect: int = 0, **environment: str) -> str:
        """Run a playbook on it; what it printed.

        :param arguments: for ansible-playbook.
        :param expect: the exit code that it is to end with.
        :param environment: further variables; the password is there.
        """
        given = {"POSTGRES_PASSWORD": self.password, **self.environment, **environment}
        words = [*arguments, f"howdah.postgresql.{playbook}"]
        return run_playbook(self._folder, self.inventory(), words, given, expect, PLAYBOOK_TIMEOUT)

    def remove(self) -> None:
        """Leave nothing in the engine."""
        for entry in self.client.containers(all=True, filters={"name": f"^/{PREFIX}"}):
            if entry["State"] == "paused":
                self.client.unpause(entry["Id"])
            self.client.remove_container(entry["Id"], force=True, v=True)
        for volume in self.client.volumes(filters={"name": PREFIX})["Volumes"] or ():
            self.client.remove_volume(volume["Name"], force=True)
        for network in self.client.networks(names=[f"^{NAME}$"]):
            self.client.remove_network(network["Id"])

    # --- Asking ----------------------------------------------------------------------------------

    def run(self, node: str, *words: str, stdin: bytes = b"") -> str:
        """The output of a command in a container."""
        done = subprocess.run(
            ["docker", "exec", "-i", node, *words], input=stdin, capture_output=True, timeout=PATIENCE, check=False
        )
        return done.stdout.decode()

    def sql(self, node: str, statement: str, database: str = DATABASE) -> list[list[str]]:
        """The rows of an answer, as the superuser on a node; the last one of several statements counts."""
        words = ["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement]
        done = subprocess.run(["docker", "exec", node, *words], capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return [line.split("\t") for line in done.stdout.decode().splitlines()]

    def login(self, user: str = "postgres", password: str = "", port: int = 0, database: str = DATABASE) -> Any:
        """A connection through the proxy, with a password."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=port or self.port, user=user, password=password or self.password, dbname=database,
            sslmode="require", connect_timeout=10,
        )  # fmt: skip
        connection.autocommit = True
        return connection

    def members(self, group: int) -> list[dict[str, Any]]:
        """A group's members, as any of them tells it; none when nobody answers."""
        request = {"command": "rest", "method": "GET", "path": "/cluster", "body": None, "timeout": _AGENT_SECONDS}
        for node in self.nodes(group):
            answer = self.run(node, "/opt/container/bin/agent", stdin=json.dumps(request).encode() + b"\n")
            try:
                result = json.loads(answer)["result"]
            except (ValueError, KeyError):
                continue
            if result.get("status") == 200:
                return list(result["body"]["members"])
        return []

    def leader(self, group: int) -> str:
        """The name of a group's leader, once there is one."""

        def leads() -> str:
            members = self.members(group)
            return next((one["name"] for one in members if one["role"] == "leader" and one["state"] == "running"), "")

        return str(until(leads, f"group {group} has a leader", PATIENCE))

    def identity(self) -> dict[str, tuple[str, str]]:
        """What tells of each container that it was neither replaced nor restarted."""
        found = {name: self.client.inspect_container(name) for name in (*self.everybody(), ETCD, PROXY)}
        return {name: (one["Id"], one["State"]["StartedAt"]) for name, one in found.items()}

    def lacks(self) -> list[str]:
        """What the formation lacks to be whole: leaders, synchronous followers, and that Citus knows exactly them."""
        lacking = []
        leaders: dict[str, str] = {}
        for group, size in self.groups.items():
            members = self.members(group)
            good = [
                one["name"]
                for one in members
                if (one["role"], one["state"]) in (("leader", "running"), ("quorum_standby", "streaming"))
            ]
            if len(good) != size:
                lacking.append(f"group {group}: {[(one['name'], one['role'], one['state']) for one in members]}")
            leaders |= {str(group): one["name"] for one in members if one["role"] == "leader"}
        if lacking:
            return lacking
        rows = self.sql(leaders["0"], "SELECT groupid, nodename, noderole FROM pg_dist_node WHERE isactive")
        known = {group: name for group, name, role in rows if role == "primary"}
        if known != leaders or len(rows) != sum(self.groups.values()):
            return [f"Citus has {rows}, and {leaders} lead"]
        health = "SELECT count(*) FROM citus_check_cluster_node_health() WHERE result IS DISTINCT FROM true"
        return [f"unhealthy: {count}" for ((count,),) in [self.sql(leaders["0"], health)] if count != "0"]

    def wait_whole(self) -> None:
        """Wait until it is whole."""
        last: list[str] = []

        def whole() -> bool:
            last[:] = self.lacks()
            return not last

        try:
            until(whole, "the formation is whole", PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}") from error
