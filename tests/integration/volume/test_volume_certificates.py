# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of one authority in the volumes of nodes, with a real engine: made, left alone, renewed in place."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Iterator

import docker
import pytest
import yaml
from ansible_collections.howdah.postgresql.plugins.plugin_utils._authority import Authority

NAMES = ("howdah-volume-a", "howdah-volume-b")
TIMEOUT = 60  # seconds


class Node:
    """Runs the module on this machine, for two nodes at once."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder
        self.authority = folder / "authority"
        self.image = image

    def run(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """The module's result."""
        nodes = [
            {
                "name": name, "volume": name, "container": name, "signal": "SIGHUP",
                "alt_names": ["localhost", "127.0.0.1"],
                "files": [{"path": "patroni.yml", "content": "{}"}],
            }
            for name in NAMES
        ]
        task = {"authority": str(self.authority), "image": self.image, "nodes": nodes, **options}
        play = {
            "hosts": "localhost", "connection": "local", "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [
                {"howdah.postgresql.certificates": task, "register": "done", "ignore_errors": True},
                {"ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(self.folder / "result")},
                 "check_mode": False},
            ],
        }
        playbook = self.folder / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-vvv", "--diff"]
        finished = subprocess.run(
            [*command, *arguments, str(playbook)], env={**os.environ, "PYTHONPATH": ""}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False,
        )
        assert finished.returncode == 0, finished.stdout
        assert "PRIVATE KEY" not in finished.stdout
        result: dict[str, Any] = json.loads((self.folder / "result").read_text())
        return result


@pytest.fixture
def node(tmp_path: Path, docker_client: docker.APIClient, test_image: str) -> Iterator[Node]:
    """Two nodes; what was made for them is removed afterwards."""
    yield Node(tmp_path, test_image)
    for entry in docker_client.containers(all=True, filters={"name": "^/howdah-volume-"}):
        docker_client.remove_container(entry["Id"], force=True, v=True)
    for volume in docker_client.volumes(filters={"name": "howdah-volume-"})["Volumes"] or ():
        docker_client.remove_volume(volume["Name"])


def files(client: docker.APIClient, container: str) -> dict[str, tuple[bytes, int, int]]:
    """Content, mode and owner of what is in the node's volume."""
    stream, _stat = client.get_archive(container, "/etc/howdah")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                found[member.name.partition("/")[2]] = (content.read(), stat.S_IMODE(member.mode), member.uid)
    return found


def test_made_left_alone_and_renewed_in_place(node: Node, docker_client: docker.APIClient) -> None:
    preview = node.run("--check")
    assert preview["changed"] and not node.authority.exists()
    assert not docker_client.volumes(filters={"name": "howdah-volume-"})["Volumes"]
    first = node.run()
    assert [one["reason"] for one in first["nodes"]] == ["there is none", "there is none"]
    assert first["actions"] == preview["actions"]
    assert stat.S_IMODE(node.authority.stat().st_mode) == 0o700
    assert sorted(path.name for path in node.authority.iterdir()) == ["ca.crt", "ca.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in node.authority.iterdir()} == {0o600}
    # Temporary containers are gone.
    assert not docker_client.containers(all=True, filters={"name": "howdah-volume-files-"})

    for name in NAMES:
        config = docker_client.create_host_config(binds=[f"{name}:/etc/howdah:ro"], read_only=True, init=True)
        made = docker_client.create_container(node.image, name=name, command=["sleep", "300"], host_config=config)
        docker_client.start(made)
    before = files(docker_client, NAMES[0])
    assert before["tls/node.key"][1:] == (0o600, 999)
    assert not node.run()["changed"] and not node.run("--check")["changed"]

    renewed = node.run(days=900, renew_before=400)
    assert [one["reason"] for one in renewed["nodes"]] == ["it ends in 364 days"] * 2
    assert all(one["signalled"] for one in renewed["nodes"])
    after = files(docker_client, NAMES[0])
    assert after["tls/node.key"][0] != before["tls/node.key"][0]
    assert after["tls/ca.crt"] == before["tls/ca.crt"]
    assert not node.run(days=900, renew_before=400)["changed"]


def test_another_clusters_volumes_are_left_alone(node: Node) -> None:
    """Inventories call their hosts alike, and a container of one cluster would become the other one's."""
    node.run(authority_name="ours")
    theirs = node.folder / "theirs"
    theirs.mkdir()
    Authority.create("theirs").store(str(theirs))
    for folder in (node.folder / "none", theirs):
        for arguments in (("--check",), ()):
            refused = node.run(*arguments, authority=str(folder), authority_name="theirs")
            assert refused["code"] == 1303 and refused["msg"].startswith(f"{', '.join(NAMES)}: "), refused
            assert "called ours, and not theirs (cluster_name). If ours is this" in refused["msg"]
    assert not node.run(authority_name="ours")["changed"]
    replaced = node.run(authority=str(theirs), authority_name="theirs", replace_authority=True)
    assert all("authority" in one["reason"] for one in replaced["nodes"])


def test_a_controller_that_lacks_the_authority_makes_no_other_one(node: Node) -> None:
    node.run()
    for path in node.authority.iterdir():
        path.unlink()
    refused = node.run()
    assert refused["code"] == 1600 and "has certificates of one. Nodes that trust different" in refused["msg"]
    replaced = node.run(replace_authority=True)
    assert all("authority" in one["reason"] for one in replaced["nodes"])
