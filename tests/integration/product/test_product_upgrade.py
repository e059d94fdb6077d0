# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How docs/upgrade.md has data copied to another server: its commands, between two servers of one version."""

from __future__ import annotations

import re
import secrets
import subprocess
from pathlib import Path
from typing import Iterator

import docker
import pytest
from ansible_runs import until
from guides import blocks, commands

PAGE = Path(__file__).parents[3] / "docs/upgrade.md"
OLD, NEW = "howdah-product-pg1", "howdah-product-new1"
APPLICATION = """
CREATE ROLE app LOGIN CONNECTION LIMIT 7;
CREATE DATABASE shop OWNER app;
\\connect shop
SET ROLE app;
CREATE TABLE orders AS SELECT generate_series(1, 1000) AS n;
"""


def run(command: list[str], stdin: str = "") -> str:
    """What a command prints, which must succeed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def healthy(client: docker.APIClient, container: str) -> bool:
    """Whether the engine finds it so."""
    return bool(client.inspect_container(container)["State"]["Health"]["Status"] == "healthy")


@pytest.fixture
def servers(docker_client: docker.APIClient, test_image: str) -> Iterator[None]:
    """Two servers; the old one has a database, and a role of an application's."""
    made = []
    try:
        for name in (OLD, NEW):
            environment = {"POSTGRES_PASSWORD": "canary-" + secrets.token_urlsafe(12)}
            made.append(docker_client.create_container(test_image, name=name, environment=environment)["Id"])
            docker_client.start(made[-1])
        until(lambda: all(healthy(docker_client, one) for one in made), "both are healthy")
        run(["docker", "exec", "-i", OLD, "psql", "-q", "-v", "ON_ERROR_STOP=1"], APPLICATION)
        yield
    finally:
        for one in made:
            docker_client.remove_container(one, force=True, v=True)


def test_roles_and_databases_are_copied(servers: None) -> None:
    (block,) = (block for block in blocks(PAGE.read_text(encoding="utf-8"), "console") if "pg_dump " in block.text)
    for command in commands(block):
        ours = re.sub(r"\bpg1\b", OLD, re.sub(r"\bnew1\b", NEW, command))
        assert ours.count(OLD) == ours.count(NEW) == 1
        run(["bash", "-o", "pipefail", "-c", ours])
    ask = ["docker", "exec", NEW, "psql", "-At", "-d", "shop", "-c"]
    assert run([*ask, "SELECT count(*), max(n) FROM orders"]) == "1000|1000"
    owner = "SELECT rolname, rolconnlimit FROM pg_tables, pg_roles WHERE rolname = tableowner AND tablename = 'orders'"
    assert run([*ask, owner]) == "app|7"
