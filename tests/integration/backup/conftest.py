# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A single server and its repository, as the playbooks make them."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import docker
import pytest
import yaml
from turns import turn

PREFIX = "howdah-backup"
NODE = f"{PREFIX}-pg"
REPOSITORY = f"{PREFIX}-repository"
PLAYBOOK_TIMEOUT = 400  # seconds; several of these run on two cores


class Site:
    """Runs playbooks on an inventory of one server and one repository.

    :param folder: for the inventory and the authority.
    """

    def __init__(self, client: docker.APIClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.password = "canary-" + secrets.token_urlsafe(12)
        self.cipher = "canary-" + secrets.token_urlsafe(12)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def run(self, playbook: str, *arguments: str, code: int = 0, **variables: Any) -> str:
        """The output of ``howdah.postgresql.<playbook>``, which must end with this code."""
        inventory = {
            "all": {
                "vars": {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": sys.executable,
                    "cluster_name": PREFIX,
                    "server_port": self.port,
                    "backup_secrets": [{"cipher-pass": self.cipher}],
                    "backup_repositories": [
                        {"path": "/var/lib/pgbackrest/one", "cipher-type": "aes-256-cbc", "retention-full": 2}
                    ],
                    **variables,
                },
                "children": {"postgres": {"hosts": {NODE: {}}}, "backup": {"hosts": {REPOSITORY: {}}}},
            }
        }
        path = self.folder / "inventory.yml"
        path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        done = subprocess.run(
            [program, "-i", str(path), f"howdah.postgresql.{playbook}", *arguments],
            env={
                **os.environ,
                "PYTHONPATH": "",
                "POSTGRES_PASSWORD": self.password,
                "XDG_STATE_HOME": str(self.folder),
            },
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=PLAYBOOK_TIMEOUT, check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def sql(self, statement: str) -> str:
        """The answer of the server."""
        done = subprocess.run(
            ["docker", "exec", "-i", NODE, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=statement,
            capture_output=True, text=True, timeout=60, check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def info(self) -> dict[str, Any]:
        """What pgBackRest itself tells of the stanza."""
        words = ["docker", "exec", REPOSITORY, "pgbackrest", "--output=json", "info"]
        found: list[dict[str, Any]] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        return next(one for one in found if one["name"] == PREFIX)

    def wait_archived(self, segment: str) -> None:
        """Wait until a segment of the log has been archived."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.sql("SELECT last_archived_wal FROM pg_stat_archiver") >= segment:
                return
            time.sleep(0.2)
        raise AssertionError(f"segment {segment} is not archived within a minute")

    def remove(self) -> None:
        """Leave nothing in the engine."""
        for entry in self.client.containers(all=True, filters={"name": f"^/{PREFIX}"}):
            self.client.remove_container(entry["Id"], force=True, v=True)
        for volume in self.client.volumes(filters={"name": PREFIX})["Volumes"] or ():
            self.client.remove_volume(volume["Name"], force=True)
        for network in self.client.networks(names=[PREFIX]):
            self.client.remove_network(network["Id"])


@pytest.fixture(scope="module")
def site(
    docker_client: docker.APIClient, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server that is backed up."""
    with turn("backup"):
        found = Site(docker_client, tmp_path_factory.mktemp("backup"))
        found.remove()
        try:
            found.run("deploy")
            yield found
        finally:
            found.remove()
