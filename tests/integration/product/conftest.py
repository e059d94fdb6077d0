# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product as users run it: playbooks by their full names, on a real engine."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import pytest
import yaml
from turns import turn

NODE = "howdah-product-node"
VOLUME = f"{NODE}-data"
RUN_TIMEOUT = 300  # seconds; the image may have to be built


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Site:
    """An inventory with one node, and a way to run playbooks on it."""

    folder: Path
    collections: str
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: "canary-" + secrets.token_urlsafe(12))

    def run(self, playbook: str, *arguments: str, password: str | None = None, **variables: Any) -> Any:
        """Run ``howdah.postgresql.<playbook>``; gives the finished process, its output in ``stdout``."""
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "server_port": self.port,
            **variables,
        }
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"postgres": {"hosts": {NODE: host}}}))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": self.collections,
            "PYTHONPATH": "",
            "POSTGRES_PASSWORD": self.password if password is None else password,
        }
        return subprocess.run(
            [*command, f"howdah.postgresql.{playbook}"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=RUN_TIMEOUT,
            check=False,
        )


def recap(output: str) -> dict[str, int]:
    """The counts of the node's line in the play recap."""
    lines = [line for line in output.splitlines() if line.startswith(NODE) and "ok=" in line]
    assert lines, output
    return {key: int(value) for key, value in (part.split("=") for part in lines[-1].split(":", 1)[1].split())}


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
