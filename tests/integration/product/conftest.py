# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product as users run it: playbooks by their full names, on a real engine."""

from __future__ import annotations

import os
import re
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import pytest
from ansible_runs import free_ports, run_ansible, write_inventory
from turns import turn

NODE = "howdah-product-node"
VOLUME = f"{NODE}-data"


@dataclass
class Site:
    """An inventory with one node, and a way to run playbooks on it."""

    folder: Path
    collections: str
    port: int = field(default_factory=lambda: free_ports(1)[0])
    password: str = field(default_factory=lambda: "canary-" + secrets.token_urlsafe(12))

    def run(self, playbook: str, *arguments: str, password: str | None = None, **variables: Any) -> Any:
        """Run ``howdah.postgresql.<playbook>``; gives the finished process, its output in ``stdout``."""
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "server_port": self.port,
            **variables,
        }
        write_inventory(self.folder, {"postgres": {"hosts": {NODE: host}}})
        given = {
            "ANSIBLE_COLLECTIONS_PATH": self.collections,
            "POSTGRES_PASSWORD": self.password if password is None else password,
        }
        words = [*arguments, f"howdah.postgresql.{playbook}"]
        return run_ansible("ansible-playbook", self.folder, words, given)


def recap(output: str) -> dict[str, int]:
    """The counts of the node's line in the play recap."""
    lines = [line for line in output.splitlines() if line.startswith(NODE) and "ok=" in line]
    assert lines, output
    return {key: int(value) for key, value in (part.split("=") for part in lines[-1].split(":", 1)[1].split())}


def said(output: str) -> str:
    """The output on one line, for messages that are wrapped."""
    return re.sub(r"\s+", " ", output)


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """One test of this folder at a time."""
    with turn("product"):
        yield


@pytest.fixture
def engine_objects(docker_client: docker.APIClient) -> Callable[[], dict[str, set[str]]]:
    """What there is on the engine. Other tests run at the same time, so only what can be this area's counts."""

    def ours(names: set[str]) -> set[str]:
        return {name for name in names if name.startswith("howdah-product-") or len(name) == 64}

    def look() -> dict[str, set[str]]:
        return {
            "containers": ours({entry["Names"][0].lstrip("/") for entry in docker_client.containers(all=True)}),
            "networks": ours({entry["Name"] for entry in docker_client.networks()}),
            "volumes": {
                entry["Name"]
                for entry in docker_client.volumes()["Volumes"] or ()
                if entry["Name"].startswith("howdah-product-")
            },
        }

    return look


@pytest.fixture
def site(tmp_path: Path, docker_client: docker.APIClient) -> Iterator[Site]:
    """A site of its own; node and data are removed afterwards."""
    yield Site(tmp_path, os.environ["ANSIBLE_COLLECTIONS_PATH"])
    for container in docker_client.containers(all=True, filters={"name": f"^/{NODE}"}):
        docker_client.remove_container(container["Id"], force=True)
    for volume in docker_client.volumes(filters={"name": VOLUME})["Volumes"] or ():
        docker_client.remove_volume(volume["Name"])
