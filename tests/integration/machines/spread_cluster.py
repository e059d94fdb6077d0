# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster on several machines, as the playbooks make it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Sequence

import docker
from fault_cluster import Cluster
from machine_bed import NETWORK, Bed, Machine

WRITE_PORT, READ_PORT = 6432, 6433
NAME = "howdah-machines"


PROXY = f"{NAME}-proxy"


class Spread(Cluster):
    """Etcd and PostgreSQL on every machine, a proxy on this one, as with the applications.

    :param client: this machine's engine.
    :param ssh: variables of the hosts for a connection by SSH; None for a local one and the machines' sockets.
    """

    host = f"{NETWORK}.1"

    def __init__(self, bed: Bed, client: docker.APIClient, folder: Path, ssh: dict[str, Any] | None = None) -> None:
        super().__init__(client, folder)
        self.bed, self.ssh = bed, ssh
        self.addresses = {machine.name: machine.address for machine in bed.machines}
        self.names = tuple(f"{machine.name}-pg" for machine in bed.machines)
        self.etcd_names = tuple(f"{machine.name}-etcd" for machine in bed.machines)

    @property
    def port(self) -> int:
        """Where the proxy leads to the leader."""
        return WRITE_PORT

    def inventory(self) -> dict[str, Any]:
        """What is declared."""
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

        def host(machine: Machine, **more: Any) -> dict[str, Any]:
            by_ssh = {"ansible_host": machine.address, **(self.ssh or {})}
            by_socket = {"docker_host": machine.socket, **here}
            return {**(by_ssh if self.ssh else by_socket), **more}

        machines = self.bed.machines
        proxy = {"proxy_address": self.host, "proxy_publish_address": self.host}
        groups = {
            "etcd": {f"{one.name}-etcd": host(one, etcd_address=one.address) for one in machines},
            "postgres": {f"{one.name}-pg": host(one, patroni_address=self.addresses[one.name]) for one in machines},
            "proxy": {PROXY: {**here, **proxy, "proxy_port": WRITE_PORT, "proxy_read_port": READ_PORT}},
        }
        common = {"cluster_name": NAME, "cluster_network_mode": "host", **self.variables}
        return {"all": {"vars": common, "children": {name: {"hosts": hosts} for name, hosts in groups.items()}}}

    def play(self, playbook: str, *arguments: str, expect: int = 0, **environment: str) -> str:
        """As for a cluster on one engine; image archives stay with the test."""
        return super().play(playbook, *arguments, expect=expect, XDG_CACHE_HOME=str(self._folder), **environment)

    def remove(self) -> None:
        """Leave nothing on this machine and the others."""
        engines = [(self.client, NAME), *((machine.client(), machine.name) for machine in self.bed.machines)]
        for engine, prefix in engines:
            for entry in engine.containers(all=True, filters={"name": f"^/{prefix}-"}):
                engine.remove_container(entry["Id"], force=True, v=True)
            for volume in engine.volumes(filters={"name": f"{prefix}-"})["Volumes"] or ():
                engine.remove_volume(volume["Name"], force=True)
        for network in self.client.networks(names=[f"^{NAME}$"]):
            self.client.remove_network(network["Id"])

    # --- Asking ----------------------------------------------------------------------------------

    def machine_of(self, node: str) -> Machine:
        """Where it runs."""
        return next(machine for machine in self.bed.machines if node.startswith(f"{machine.name}-"))

    def engine_of(self, node: str) -> list[str]:
        """Its machine's."""
        return ["-H", self.machine_of(node).socket]

    def running(self, names: Sequence[str]) -> list[str]:
        """Those that run, on machines that others reach."""
        found = []
        for name in names:
            machine = self.machine_of(name)
            entries = [] if machine.away else machine.client().containers(filters={"name": f"^/{name}$"})
            found += [name for entry in entries if entry["State"] == "running"]
        return found

    def engines_image(self, machine: Machine, name: str) -> str:
        """The ID of an image there; empty without it."""
        found = machine.client().images(name=name)
        return str(found[0]["Id"]) if found else ""
