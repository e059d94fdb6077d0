# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users get wrong: the playbook names cause and cure, and leaves everything as it was."""

from __future__ import annotations

import re
import socket
from typing import Any, Callable

import docker
import pytest
from conftest import NODE, VOLUME, Site, recap

Objects = Callable[[], dict[str, set[str]]]


def said(output: str) -> str:
    """The output on one line, for messages that are wrapped."""
    return re.sub(r"\s+", " ", output)


@pytest.mark.parametrize(
    ("playbook", "password", "variables", "cause"),
    [
        pytest.param(
            "site", "", {}, "Export POSTGRES_PASSWORD, or set server_password.", id="empty password"
        ),
        pytest.param("site", None, {"server_password": "a\0b"}, "holds a NUL character", id="NUL in the password"),
        pytest.param(
            "site", None, {"image_suite": "warty"}, "image_suite must be one of: bookworm, trixie", id="unknown suite"
        ),
        pytest.param(
            "site",
            None,
            {"server_image": "howdah-no-such:1"},
            "The engine has no image 'howdah-no-such:1'",
            id="image that does not exist",
        ),
        pytest.param(
            "site",
            None,
            {"docker_host": "unix:///nonexistent/docker.sock"},
            "No container engine answers at unix:///nonexistent/docker.sock",
            id="no engine",
        ),
        pytest.param(
            "site", None, {"server_settings": {"work_mem": "much"}}, "work_mem", id="setting with a bad value"
        ),
    ],
)
def test_cause_is_named_and_nothing_is_left(
    site: Site,
    engine_objects: Objects,
    test_image: str,
    playbook: str,
    password: str | None,
    variables: dict[str, Any],
    cause: str,
) -> None:
    before = engine_objects()
    done = site.run(playbook, password=password, **{"server_image": test_image, **variables})
    assert done.returncode != 0
    assert cause in said(done.stdout)
    assert "Traceback" not in done.stdout
    assert site.password not in done.stdout
    assert engine_objects() == before


def test_port_that_is_taken(site: Site, engine_objects: Objects, test_image: str) -> None:
    before = engine_objects()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", site.port))
        holder.listen()
        done = site.run("site", server_image=test_image)
    assert done.returncode != 0
    assert str(site.port) in said(done.stdout)
    assert recap(done.stdout)["failed"] == 1
    assert engine_objects() == before


def test_volume_of_another_major_version(
    site: Site, engine_objects: Objects, docker_client: docker.APIClient, test_image: str
) -> None:
    docker_client.create_volume(VOLUME)
    write = docker_client.create_container(
        test_image,
        entrypoint=["sh", "-c", "echo 11 > /var/lib/postgresql/data/PG_VERSION"],
        name=f"{NODE}-writer",
        host_config=docker_client.create_host_config(binds=[f"{VOLUME}:/var/lib/postgresql/data"]),
    )
    docker_client.start(write)
    assert docker_client.wait(write)["StatusCode"] == 0
    docker_client.remove_container(write)
    before = engine_objects()
    done = site.run("site", server_image=test_image, server_restart_policy="no")
    assert done.returncode != 0
    assert re.search(r"PostgreSQL 11", said(done.stdout)), done.stdout
    assert engine_objects() == before
