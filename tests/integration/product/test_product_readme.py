# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the README, run as it stands there: by a shell, in a folder without the checkout.

Only names and ports are others, so that nobody's own nodes are touched, and a value stands where the README leaves it
to the reader.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import docker
import psycopg2
import pytest
from ansible_runs import free_ports
from conftest import NODE
from guides import blocks, commands, fill_in

CHECKOUT = Path(__file__).parents[3]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
TIMEOUT = 600  # seconds
# Commands that other tests run, as they stand.
ELSEWHERE = {
    "bin/quickstart": "tests/integration/product/test_product_quickstart.py",
    "bin/test": ".ci/run",
}


def of_console() -> list[str]:
    """All commands, without those that other tests run."""
    typed = [command for block in blocks(README, "console") for command in commands(block)]
    bare = [re.sub(r"\s+#.*", "", command) for command in typed]
    for command, place in ELSEWHERE.items():
        assert command in bare, f"{place} runs a command that the README no longer has"
    return [command for command in bare if command not in ELSEWHERE]


def test_what_others_run_they_run() -> None:
    for command, place in ELSEWHERE.items():
        assert command in (CHECKOUT / place).read_text(encoding="utf-8")


class Reader:
    """Somebody with the README and the tarball, and nothing else.

    :param folder: where they sit; the tarball is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = "canary-" + secrets.token_urlsafe(12)
        self.port = free_ports(1)[0]
        self._renamed: dict[str, str] = {}

    def write(self, inventory: str, **renamed: str) -> None:
        """Keep an inventory of the README's, with other names and ports."""
        for name, other in renamed.items():
            assert re.search(rf"\b{name}\b", inventory), f"the README's inventory no longer has {name}"
            inventory = re.sub(rf"\b{name}\b", other, inventory)
        (self.folder / "inventory.yml").write_text(inventory, encoding="utf-8")

    def type(self, typed: list[str]) -> str:
        """All commands in one shell, which stops at the first that fails; what they print."""
        script = "\n".join(["set -eux", *(fill_in(command, self.password) for command in typed)])
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))},
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_GALAXY_SERVER_LIST": "",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path, docker_client: docker.APIClient) -> Iterator[Reader]:
    """A reader; what they deployed is removed afterwards."""
    command = [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", "build"]
    subprocess.run([*command, "--output-path", str(tmp_path)], cwd=CHECKOUT, check=True, capture_output=True)
    yield Reader(tmp_path)
    for container in docker_client.containers(all=True, filters={"name": f"^/{NODE}"}):
        docker_client.remove_container(container["Id"], force=True)
    for volume in docker_client.volumes(filters={"name": NODE})["Volumes"] or ():
        docker_client.remove_volume(volume["Name"])


def test_the_commands_of_the_readme(reader: Reader, docker_client: docker.APIClient, test_image: str) -> None:
    single = blocks(README, "yaml")[0].text
    (port,) = re.findall(r"server_port: (\d+)", single)
    reader.write(single, db1=NODE, **{port: str(reader.port)})
    typed = of_console()
    assert len(typed) == 4, "more commands than this test knows the order of"
    output = reader.type(typed)
    assert re.search(rf"^{NODE} +: .*failed=0", output, re.MULTILINE)
    recaps = re.findall(rf"^{NODE} +: .*changed=(\d+)", output, re.MULTILINE)
    assert len(recaps) == 2 and int(recaps[0]) > 0
    assert recaps[1] == "0", "check mode tells of changes that are none"
    login = {"host": "127.0.0.1", "port": reader.port, "user": "postgres", "password": reader.password}
    with psycopg2.connect(**login, connect_timeout=10) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW work_mem")
        assert cursor.fetchone() == ("16MB",)
    connection.close()
    assert reader.password not in output.replace(f"POSTGRES_PASSWORD={reader.password}", "")
