# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/install.md from its first server to where nothing is left, as it stands there.

Only names, ports and the place of the authority are others, and a value stands where the page leaves it to the reader.
What comes before, packages and the collection itself, is in test_product_artifact.py.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Iterator

import docker
import psycopg2
import pytest
from ansible_runs import free_ports, type_commands, until
from guides import blocks, commands, fill_in

pytestmark = pytest.mark.full  # a server, a cluster and a failover

PAGE = (Path(__file__).parents[3] / "docs/install.md").read_text(encoding="utf-8")
PREFIX = "howdah-install"
NAMES = ("db1", "pg1", "pg2", "pg3", "etcd1", "proxy1")
PORTS = ("5440", "5441", "5442")


class Reader:
    """Somebody with the page."""

    def __init__(self, client: docker.APIClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.password = "canary-" + secrets.token_urlsafe(12)
        self.ports = dict(zip(PORTS, map(str, free_ports(len(PORTS)))))

    def ours(self, text: str) -> str:
        """The text with other names, ports and places."""
        for name in NAMES:
            text = re.sub(rf"\b{name}\b", f"{PREFIX}-{name}", text)
        for port, other in self.ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        text = text.replace("$HOME/.local/state", str(self.folder)).replace("howdah/main", f"howdah/{PREFIX}")
        return re.sub(r"\b(cluster_name: |destroy_data=)main\b", rf"\1{PREFIX}", text)

    def write(self, inventory: str) -> None:
        """Keep an inventory of the page's in the file that its first line names."""
        (self.folder / inventory.split(maxsplit=2)[1]).write_text(self.ours(inventory), encoding="utf-8")

    def type(self, *typed: str) -> str:
        """All commands in one shell, which stops at the first that fails; what they print."""
        given = [f"export POSTGRES_PASSWORD={self.password} PGPASSWORD={self.password}"]
        return type_commands(self.folder, [*given, *(fill_in(self.ours(one), self.password) for one in typed)])

    def leads(self, port: str) -> bool:
        """Whether somebody who takes writes answers at that port of the page's."""
        login = {"host": "127.0.0.1", "user": "postgres", "password": self.password, "connect_timeout": 5}
        try:
            session = psycopg2.connect(port=self.ports[port], target_session_attrs="read-write", **login)
        except psycopg2.OperationalError:
            return False
        session.close()
        return True

    def left(self) -> list[str]:
        """What there is of it in the engine, but for volumes."""
        containers = self.client.containers(all=True, filters={"name": f"^/{PREFIX}"})
        networks = self.client.networks(names=[f"^{PREFIX}"])
        return [one["Names"][0] for one in containers] + [one["Name"] for one in networks]

    def volumes(self) -> set[str]:
        """Those whose names begin as ours."""
        return {one["Name"] for one in self.client.volumes(filters={"name": PREFIX})["Volumes"] or ()}

    def remove(self) -> None:
        """Leave nothing in the engine."""
        for container in self.client.containers(all=True, filters={"name": f"^/{PREFIX}"}):
            self.client.remove_container(container["Id"], force=True)
        for volume in self.volumes():
            self.client.remove_volume(volume)
        for network in self.client.networks(names=[f"^{PREFIX}"]):
            self.client.remove_network(network["Id"])


@pytest.fixture
def reader(docker_client: docker.APIClient, test_image: str, tmp_path: Path) -> Iterator[Reader]:
    """A reader; what they deployed is removed afterwards."""
    found = Reader(docker_client, tmp_path)
    found.remove()
    try:
        yield found
    finally:
        found.remove()


def test_the_page_leads_to_a_cluster_and_away_from_it(reader: Reader) -> None:
    single, cluster = (block.text for block in blocks(PAGE, "yaml"))
    _packages, _collection, deploy, login, away = (commands(block) for block in blocks(PAGE, "console"))
    assert [len(deploy), len(login), len(away)] == [3, 1, 3], "more commands than this test knows the order of"
    destroy, destroy_data, destroy_server = away
    site, status = (command.replace("-i server.yml", "-i inventory.yml") for command in deploy[1:])

    reader.write(single)
    reader.type(*deploy)
    assert reader.leads("5440") and f"{PREFIX}-db1-data" in reader.volumes()
    assert not re.findall(r"changed=[1-9]", reader.type(deploy[1], f"{deploy[1]} --check --diff"))

    reader.write(cluster)
    table = reader.type(site, status)
    assert re.search(rf"^{PREFIX}-pg\d +leader +running ", table, re.MULTILINE), table
    assert "f" in reader.type(f"{login[0]} -Atc 'SELECT pg_is_in_recovery()'").split()
    assert reader.leads("5440"), "the server of before stays"
    assert "`docker kill pg1`" in PAGE and "`docker start pg1` brings it back" in PAGE
    reader.type("docker kill pg1")
    until(lambda: reader.leads("5441"), "another one leads, at the latest 20 s later", 30)
    reader.type("docker start pg1")
    until(lambda: "streaming" in member(reader.type(status), "pg1"), "it comes back", 60)
    assert not re.findall(r"changed=[1-9]", reader.type(site))

    before = reader.volumes()
    reader.type(destroy)
    assert reader.volumes() == before
    assert reader.left() == [f"/{PREFIX}-db1"]
    reader.type(destroy_data)
    assert reader.volumes() == {f"{PREFIX}-db1-data"}
    reader.type(destroy_server)
    assert reader.volumes() == set() and reader.left() == []


def member(table: str, name: str) -> str:
    """The line of a member."""
    return next((line for line in table.splitlines() if line.startswith(f"{PREFIX}-{name} ")), "")
