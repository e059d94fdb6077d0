# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of three members that meet in an etcd of the user's own, as the playbook `site` makes it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import psycopg2
from ansible_runs import free_ports, run_ansible, until, write_inventory
from inside import inside

NAME = "howdah-patroni-site"
ETCD = f"{NAME}-etcd"
NODES = tuple(f"{NAME}-n{number}" for number in (1, 2, 3))
IMAGE = "howdah/postgresql:15-bookworm"
LIMIT = 300  # seconds for a playbook
PATIENCE = 90.0


class Site:
    """The cluster as the playbook `site` makes it.

    :param folder: for inventory and authority.
    """

    def __init__(self, client: docker.APIClient, folder: Path) -> None:
        self.client = client
        self.password = "canary-" + secrets.token_urlsafe(12)
        self._folder = folder
        self.authority = folder / "howdah" / NAME / "authority"
        self._ports = dict(zip(NODES, free_ports(len(NODES))))
        inventory = {
            "all": {
                "vars": {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": sys.executable,
                    "cluster_name": NAME,
                    "patroni_etcd_hosts": [f"{ETCD}:2379"],
                    "patroni_etcd": {"protocol": "http"},
                },
                "children": {"postgres": {"hosts": {node: {"patroni_port": self._ports[node]} for node in NODES}}},
            }
        }
        write_inventory(folder, inventory)

    # --- Making ----------------------------------------------------------------------------------

    def start_etcd(self) -> None:
        """An etcd that asks nobody for a certificate."""
        self.client.create_network(NAME, driver="bridge")
        identity = self.client.create_container(
            "howdah/etcd:bookworm",
            name=ETCD,
            environment={
                "ETCD_LISTEN_CLIENT_URLS": "http://0.0.0.0:2379",
                "ETCD_ADVERTISE_CLIENT_URLS": f"http://{ETCD}:2379",
            },
            host_config=self.client.create_host_config(network_mode=NAME),
        )["Id"]
        self.client.start(identity)

    def remove(self) -> None:
        """Leave nothing in the engine."""
        for entry in self.client.containers(all=True, filters={"name": f"^/{NAME}"}):
            self.client.remove_container(entry["Id"], force=True, v=True)
        for volume in self.client.volumes(filters={"name": NAME})["Volumes"] or ():
            self.client.remove_volume(volume["Name"], force=True)
        for network in self.client.networks(names=[f"^{NAME}$"]):
            self.client.remove_network(network["Id"])

    def mend(self) -> None:
        """Have all nodes at work, whatever the test before has left."""
        for node in NODES:
            if not self.exists(node):
                self.play("deploy")
            elif self.inspect(node)["State"]["Paused"]:
                self.client.unpause(node)
            self.client.start(node)
        self.client.start(ETCD)
        found = self.module("patroni_wait", timeout=PATIENCE)
        if found.get("failed"):  # of a member that serves nobody, nothing has to be kept
            self.forget(str(found.get("member") or NODES[-1]))
            self.play("deploy")

    def forget(self, name: str) -> None:
        """Remove a container, and its data; its certificates stay."""
        if self.exists(name):
            self.client.remove_container(name, force=True, v=True)
        if f"{name}-data" in self.volumes():
            self.client.remove_volume(f"{name}-data", force=True)

    def certify(self, node: str, authority: str) -> None:
        """Give a node a certificate of another authority."""
        certificate = {"name": node, "volume": f"{node}-etc", "alt_names": [node, "localhost", "127.0.0.1"]}
        done = self.module(
            "certificates", authority=str(self._folder / authority), authority_name=NAME, image=IMAGE,
            nodes=[certificate], replace_authority=True, containers=None,
        )  # fmt: skip
        assert done.get("changed"), done

    def start_twin(self, node: str, twin: str) -> None:
        """Another container that takes itself for a node, with data of its own."""
        found = self.inspect(node)
        host = self.client.create_host_config(
            network_mode=NAME, tmpfs={"/run/postgresql": "", "/tmp": ""},
            binds=[f"{node}-etc:/etc/howdah:ro", f"{twin}-data:/var/lib/postgresql/data"],
        )  # fmt: skip
        made = self.client.create_container(IMAGE, name=twin, command=["patroni"], environment=found["Config"]["Env"],
                                            host_config=host)  # fmt: skip
        self.client.start(made["Id"])

    # --- Asking ----------------------------------------------------------------------------------

    def play(self, playbook: str, *options: str, expect: int | None = 0) -> str:
        """The output of one of our playbooks.

        :param expect: the exit code that it is to end with; None for any.
        """
        done = self._run("ansible-playbook", *options, f"howdah.postgresql.{playbook}")
        assert expect is None or done.returncode == expect, done.stdout
        return str(done.stdout)

    def module(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The result of one of our modules on the first node."""
        every = {"containers": list(NODES), **arguments}
        given = json.dumps({option: value for option, value in every.items() if value is not None})
        environment = {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "true", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline"}
        done = self._run("ansible", NODES[0], "-m", f"howdah.postgresql.{name}", "-a", given, **environment)
        _host, _arrow, answer = done.stdout.partition("=> ")
        result: dict[str, Any] = json.loads(answer)
        return result

    def _run(self, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {"POSTGRES_PASSWORD": self.password, **environment}
        return run_ansible(program, self._folder, arguments, given, LIMIT)

    def identity(self) -> dict[str, dict[str, Any]]:
        """What tells of each node that nothing was restarted or promoted."""
        return {
            node: {
                "id": self.inspect(node)["Id"],
                "started": self.inspect(node)["State"]["StartedAt"],
                "server": float(self.ask(node, "SELECT extract(epoch FROM pg_postmaster_start_time())")),
                # A replica tells of its own a round late.
                "timeline": told["timeline"] if (told := self.rest(node, "/patroni")[1])["role"] != "replica" else None,
            }
            for node in NODES
        }

    def exists(self, name: str) -> bool:
        """Whether there is a container of that name."""
        return bool(self.client.containers(all=True, filters={"name": f"^/{name}$"}))

    def volumes(self) -> set[str]:
        """Names of the nodes' volumes."""
        found = self.client.volumes(filters={"name": NAME})["Volumes"] or ()
        return {volume["Name"] for volume in found}

    def inspect(self, node: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.inspect_container(node)
        return found

    def run(self, container: str, *words: str) -> str:
        """The output of a command in a container."""
        return inside(container, *words)[1]

    def ask(self, node: str, question: str) -> Any:
        """The first column of the first row of an answer."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self._ports[node], user="postgres", password=self.password, sslmode="require",
            connect_timeout=10,
        )  # fmt: skip
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(question)
                return cursor.fetchone()[0] if cursor.description else None
        finally:
            connection.close()

    def etcdctl(self, *words: str) -> str:
        """Ask etcd, or tell it something."""
        return self.run(ETCD, "env", "ETCDCTL_API=3", "etcdctl", *words)

    def leader(self) -> str:
        """Who leads, once the cluster is whole; what was said of a fault is in the logs for a while."""
        return str(until(lambda: self.module("patroni_wait", timeout=PATIENCE).get("leader"), "a whole cluster"))

    def rest(self, node: str, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
        """An answer of a node's own REST interface; status 0 when there is none."""
        request = json.dumps({"command": "rest", "method": method, "path": path, "body": body, "timeout": 30}) + "\n"
        done = subprocess.run(
            ["docker", "exec", "-i", node, "/opt/container/bin/agent"],
            input=request, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        try:
            result = json.loads(done.stdout)["result"]
            return result["status"], result["body"]
        except (ValueError, KeyError):
            return 0, done.stdout + done.stderr
