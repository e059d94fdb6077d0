# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be backed up is refused before anything is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
import pytest
from backup_site import Site

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "howdah-backup-refused"
NOWHERE = "unix:///nonexistent/howdah.sock"


class Declared(Site):
    """A site with host variables of the test's own."""

    hosts: dict[str, dict[str, dict[str, Any]]]

    def inventory(self, **variables: Any) -> dict[str, Any]:
        found = super().inventory(**variables)
        for group, hosts in self.hosts.items():
            for host, its in hosts.items():
                found["all"]["children"][group]["hosts"].setdefault(host, {}).update(its)
        return found


@pytest.fixture
def declared(docker_client: docker.APIClient, tmp_path: Path) -> Declared:
    """A single server and its repository, of which nothing is deployed."""
    return Declared(docker_client, PREFIX, tmp_path)


def made(client: docker.APIClient) -> list[Any]:
    """What there is of it in the engine."""
    containers = client.containers(all=True, filters={"name": f"^/{PREFIX}"})
    return [*containers, *(client.volumes(filters={"name": PREFIX})["Volumes"] or ()), *client.networks(names=[PREFIX])]


def test_a_single_server_on_another_engine_than_its_repository(declared: Declared) -> None:
    declared.hosts = {"backup": {declared.repository: {"docker_host": NOWHERE}}}
    output = " ".join(declared.run("deploy", code=2).split())
    assert f"{declared.nodes[0]} is a single server, and its repository {declared.repository} is on another" in output
    assert made(declared.client) == []


def test_an_encrypted_repository_without_a_passphrase(declared: Declared) -> None:
    declared.hosts = {}
    for secrets in ([], [{"cipher-pass": ""}]):
        for words in (("deploy",), ("deploy", "--check"), ("site",)):
            output = " ".join(declared.run(*words, code=2, backup_secrets=secrets).split())
            assert "TASK [Provide the images]" not in output, "which takes minutes"
            assert f"A repository of {declared.repository} is to be encrypted (cipher-type), and there is no" in output
    assert made(declared.client) == []


def test_two_single_servers_with_one_repository(declared: Declared) -> None:
    other = f"{PREFIX}-other"
    declared.hosts = {"postgres": {other: {}}}
    output = " ".join(declared.run("deploy", code=2).split())
    assert f"{other}, {declared.nodes[0]} are no cluster. Give each a repository of its own" in output
    assert made(declared.client) == []
