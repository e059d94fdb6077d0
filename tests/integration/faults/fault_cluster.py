# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole cluster on one engine, as the playbooks make it: three members of etcd, three of Patroni, a proxy."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any, Sequence

import docker
from ansible_runs import PATIENCE, TIMEOUT, free_ports, run_playbook, until

PREFIX = "howdah-faults-"
NODES = tuple(f"{PREFIX}n{number}" for number in (1, 2, 3))
ETCD = tuple(f"{PREFIX}etcd{number}" for number in (1, 2, 3))
PROXY = f"{PREFIX}proxy"
_AGENT_SECONDS = 30


class Cluster:
    """The cluster, and what can be done to it.

    :param folder: for the inventory and the members' authority.
    """

    # Where its proxy is, and what its members are called.
    host = "127.0.0.1"
    names: tuple[str, ...] = NODES
    etcd_names: tuple[str, ...] = tuple(ETCD)

    def __init__(self, client: docker.APIClient, folder: Path) -> None:
        self.client = client
        self.password = "canary-" + secrets.token_urlsafe(12)
        self.variables: dict[str, Any] = {}
        self.nodes: dict[str, dict[str, Any]] = {}
        self.further: dict[str, dict[str, Any]] = {}
        self.retired: dict[str, dict[str, Any]] = {}
        self.left_out: tuple[str, ...] = ()
        self.etcd_further: tuple[str, ...] = ()
        self._folder = folder
        self._ports = dict(zip((PROXY, f"{PROXY}-read", *NODES), free_ports(2 + len(NODES))))

    # --- Making ----------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Run the playbook that makes it."""
        self.play("site")

    def play(self, playbook: str, *arguments: str, expect: int = 0, **environment: str) -> str:
        """Run a playbook on it; what it printed.

        :param arguments: for ansible-playbook.
        :param expect: the exit code that it is to end with.
        :param environment: further variables; the password is there.
        """
        given = {"POSTGRES_PASSWORD": self.password, **environment}
        words = [*arguments, f"howdah.postgresql.{playbook}"]
        return run_playbook(self._folder, self.inventory(), words, given, expect)

    def module(self, name: str, host: str, /, **options: Any) -> str:
        """Run one module on a host; what it printed."""
        program = str(Path(sys.executable).with_name("ansible"))
        inventory = str(self._folder / "inventory.yml")
        words = [program, "-i", inventory, host, "-m", f"howdah.postgresql.{name}", "-a", json.dumps(options)]
        done = subprocess.run(
            words, env={**os.environ, "PYTHONPATH": ""}, cwd=self._folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def authority(self) -> str:
        """The folder of the members' authority."""
        return str(self._folder / "howdah" / PREFIX.rstrip("-") / "authority")

    def inventory(self) -> dict[str, Any]:
        """What is declared; `variables` of all nodes, and who belongs to which group, may be changed."""
        groups = {
            "etcd": {name: {} for name in (*ETCD, *self.etcd_further)},
            "postgres": {
                name: {"patroni_port": self._ports[name], **self.nodes.get(name, {})}
                for name in NODES
                if name not in self.left_out
            }
            | self.further,
            **({"retired": self.retired} if self.retired else {}),
            "proxy": {PROXY: {"proxy_port": self._ports[PROXY], "proxy_read_port": self._ports[f"{PROXY}-read"]}},
        }
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "cluster_name": PREFIX.rstrip("-"),
            **self.variables,
        }
        return {"all": {"vars": common, "children": {name: {"hosts": hosts} for name, hosts in groups.items()}}}

    def remove(self) -> None:
        """Leave nothing in the engine."""
        for entry in self.client.containers(all=True, filters={"name": f"^/{PREFIX}"}):
            if entry["State"] == "paused":
                self.client.unpause(entry["Id"])
            self.client.remove_container(entry["Id"], force=True, v=True)
        for volume in self.client.volumes(filters={"name": PREFIX})["Volumes"] or ():
            self.client.remove_volume(volume["Name"], force=True)
        for network in self.client.networks(names=[PREFIX.rstrip("-")]):
            self.client.remove_network(network["Id"])
        for image in self.client.images(name=f"{PREFIX}image"):
            self.client.remove_image(image["Id"], force=True)

    # --- Asking ----------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Where the proxy leads to the leader."""
        return self._ports[PROXY]

    def port_of(self, node: str) -> int:
        """Where a node itself can be reached."""
        return self._ports[node]

    def run(self, node: str, words: Sequence[str], stdin: bytes = b"") -> str:
        """The output of a command in a container."""
        done = subprocess.run(
            ["docker", *self.engine_of(node), "exec", "-i", node, *words],
            input=stdin, capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return done.stdout.decode()

    def engine_of(self, _node: str) -> list[str]:
        """What the command `docker` must be told to reach a node's engine."""
        return []

    def rest(self, node: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the REST interface of a node; status 0 when nobody answers."""
        request = {"command": "rest", "method": method, "path": path, "body": body, "timeout": _AGENT_SECONDS}
        answer = self.run(node, ["/opt/container/bin/agent"], json.dumps(request).encode() + b"\n")
        try:
            result = json.loads(answer)["result"]
            return result["status"], result["body"]
        except (ValueError, KeyError):
            return 0, answer

    def running(self, names: Sequence[str]) -> list[str]:
        """Those of the containers that run and are not frozen."""
        states = {name: self.client.inspect_container(name)["State"] for name in names}
        return [name for name in names if states[name]["Running"] and not states[name]["Paused"]]

    def members(self) -> list[dict[str, Any]]:
        """The members, as any of them tells it; none when nobody answers."""
        for node in self.running(self.names):
            status, body = self.rest(node, "GET", "/cluster")
            if status == 200 and "members" in body:
                return list(body["members"])
        return []

    def leader(self) -> str:
        """The name of the leader; empty without one."""
        members = self.members()
        return next((one["name"] for one in members if one["role"] == "leader" and one["state"] == "running"), "")

    def etcd_leader(self) -> str:
        """The member of etcd that leads."""
        for name in self.running(self.etcd_names):
            found = json.loads(self.etcdctl(name, "--write-out=json", "endpoint", "status") or "[]")
            if found and found[0]["Status"]["header"]["member_id"] == found[0]["Status"].get("leader"):
                return name
        return ""

    def etcdctl(self, name: str, *words: str) -> str:
        """What a member of etcd answers."""
        tls = "/etc/howdah/tls"
        options = [f"--cacert={tls}/ca.crt", f"--cert={tls}/node.crt", f"--key={tls}/node.key"]
        options.append("--endpoints=https://127.0.0.1:2379")
        return self.run(name, ["env", "ETCDCTL_API=3", "etcdctl", *options, *words])

    def have_etcd_led_by(self, name: str) -> None:
        """Move the leadership of etcd to a member."""
        leads = str(until(self.etcd_leader, "etcd has a leader"))
        if leads != name:
            (told,) = json.loads(self.etcdctl(name, "--write-out=json", "endpoint", "status"))
            self.etcdctl(leads, "move-leader", f"{told['Status']['header']['member_id']:x}")
            until(lambda: self.etcd_leader() == name, f"{name} leads etcd")

    def wait_whole(self) -> str:
        """Wait until all members follow one leader, and the standbys are synchronous where they must be; the leader."""

        def whole() -> str:
            members = self.members()
            leaders = [one["name"] for one in members if one["role"] == "leader" and one["state"] == "running"]
            standby = "quorum_standby" if self.synchronous() else "replica"
            follow = [one for one in members if one["state"] == "streaming"]
            ready = [one for one in follow if one["role"] == standby]
            if len(leaders) == 1 and len(follow) == len(self.names) - 1 > len(ready):
                # All are there; that a standby counts, Patroni writes down in two of its rounds, 5 s each. Any request
                # to configure it has it begin one.
                self.rest(leaders[0], "PATCH", "/config", {"failsafe_mode": True})
            return leaders[0] if len(leaders) == 1 and len(ready) == len(self.names) - 1 else ""

        return str(until(whole, "all members follow one leader"))

    def synchronous(self) -> bool:
        """Whether the cluster is to confirm commits on a standby."""
        for node in self.running(self.names):
            status, body = self.rest(node, "GET", "/config")
            if status == 200:
                return bool(body.get("synchronous_mode"))
        return False

    def set_synchronous(self, mode: str | bool) -> None:
        """Change it, and wait until it holds."""
        status, body = self.rest(self.wait_whole(), "PATCH", "/config", {"synchronous_mode": mode})
        assert status == 200, body
        leader = self.wait_whole()
        names = ["psql", "-Atc", "SHOW synchronous_standby_names"]
        until(lambda: bool(self.run(leader, names).strip()) == bool(mode), "the server knows its standbys")
