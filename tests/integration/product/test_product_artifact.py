# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed artifact does all of it, with no checkout near: image, server, password, status, removal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import docker
import psycopg2
import pytest
from conftest import NODE, VOLUME, Site, recap

CHECKOUT = Path(__file__).parents[3]
IMAGE = "howdah-product-artifact:1"
# What shells, SQL, Jinja, JSON and terminals would trip over, in one.
HOSTILE = "canary-two '\"`id`$(id)$HOME\\ {{ 7*7 }}{% raw %}%s \U0001f418\u202e:'x'\n\ttail "


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections folder that holds the built and installed artifact, and nothing else."""
    folder = tmp_path_factory.mktemp("artifact")
    target = folder / "collections"
    # Where ansible-galaxy sees the checkout, it thinks that the collection is installed already.
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(target), "PYTHONPATH": ""}

    def galaxy(*arguments: str) -> None:
        command = [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", *arguments]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    galaxy("build", "--output-path", str(folder), str(CHECKOUT))
    (archive,) = folder.glob("howdah-postgresql-*.tar.gz")
    galaxy("install", "--offline", "-p", str(target), str(archive))
    return target


@pytest.fixture
def artifact_site(site: Site, installed: Path, docker_client: docker.APIClient) -> Iterator[Site]:
    """The site, served by the installed artifact; its image is removed afterwards."""
    site.collections = str(installed)
    yield site
    for container in docker_client.containers(all=True, filters={"name": f"^/{NODE}"}):
        docker_client.remove_container(container["Id"], force=True)
    if docker_client.images(IMAGE):
        docker_client.remove_image(IMAGE)


def test_from_nothing_to_nothing(artifact_site: Site, docker_client: docker.APIClient) -> None:
    site = artifact_site
    names: dict[str, Any] = {"image_name": IMAGE, "server_image": IMAGE}

    first = site.run("site", "-vvv", "--diff", **names)
    assert first.returncode == 0, first.stdout
    assert recap(first.stdout)["changed"] == 2  # image and container; the password was set at initialisation
    (image,) = docker_client.images(IMAGE)
    container = docker_client.inspect_container(NODE)
    assert container["Image"] == image["Id"]

    second = site.run("site", "-vvv", "--diff", **names)
    assert recap(second.stdout) | {"ok": 0, "skipped": 0} == dict.fromkeys(recap(second.stdout), 0)
    preview = site.run("site", "--check", "--diff", **names)
    assert recap(preview.stdout)["changed"] == 0

    status = site.run("status", **names)
    assert status.returncode == 0, status.stdout
    assert f"{NODE}" in status.stdout
    (extract,) = re.findall(r"sed -n '(.+?)'", (CHECKOUT / "docs/operations.md").read_text(encoding="utf-8"))
    told = subprocess.run(
        ["sed", "-n", extract], input=site.run("status", "-e", "output=json", **names).stdout,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(told.stdout)["nodes"][0]["node"] == NODE
    query = site.run("status", "-e", "jmespath=nodes[].role", **names)
    assert '"primary"' in query.stdout
    assert "reserved name" not in query.stdout
    assert site.run("status", "-e", "fail_on_problem=true", **names).returncode == 0

    other = site.run("site", "--diff", "-vvv", password=HOSTILE, **names)
    assert recap(other.stdout)["changed"] == 1
    assert docker_client.inspect_container(NODE)["Id"] == container["Id"]
    login = {"host": "127.0.0.1", "port": site.port, "user": "postgres"}
    psycopg2.connect(**login, password=HOSTILE).close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(**login, password=site.password)

    for done in (first, second, preview, status, query, other):
        assert site.password not in done.stdout
        assert "canary-two" not in done.stdout
        assert "SCRAM-SHA-256$" not in done.stdout
    seen = str(docker_client.inspect_container(NODE)) + str(docker_client.history(IMAGE))
    assert site.password not in seen

    kept = site.run("destroy", **names)
    assert recap(kept.stdout)["changed"] == 1
    assert f"-e destroy_data={NODE}" in kept.stdout
    assert not docker_client.containers(all=True, filters={"name": f"^/{NODE}$"})
    assert docker_client.volumes(filters={"name": VOLUME})["Volumes"]
    assert site.run("status", **names).returncode == 0
    problem = site.run("status", "-e", "fail_on_problem=true", **names)
    assert problem.returncode == 2 and f"{NODE}: its container is missing" in problem.stdout

    removed = site.run("destroy", "-e", f"destroy_data={NODE}", **names)
    assert recap(removed.stdout)["changed"] == 1
    assert "stay in the volumes" not in removed.stdout
    assert not docker_client.volumes(filters={"name": VOLUME})["Volumes"]
    assert recap(site.run("destroy", "-e", f"destroy_data={NODE}", **names).stdout)["changed"] == 0
