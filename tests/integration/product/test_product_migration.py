# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/migration.md, followed with a volume as the official image leaves it, and the network of its project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Iterator

import docker
import psycopg2
import pytest
import yaml
from ansible_runs import until
from conftest import NODE, Site, recap
from guides import blocks, commands

PAGE = Path(__file__).parents[3] / "docs/migration.md"
NETWORK = "howdah-product-shop"
OLD = "canary-of-before"
# What the official image's entrypoint does with POSTGRES_USER and POSTGRES_DB, and what an application then wrote.
OFFICIAL = """
set -e
D=/var/lib/postgresql/data
export LC_ALL=en_US.utf8
initdb -D $D -U app --pwfile=<(echo canary-of-before) -A scram-sha-256 --auth-local=trust --no-sync >/dev/null
echo 'host all all all scram-sha-256' >> $D/pg_hba.conf
pg_ctl -D $D -o '-c listen_addresses= -c unix_socket_directories=/tmp' -w start >/dev/null
psql -h /tmp -U app -d postgres -qc 'CREATE DATABASE shop'
psql -h /tmp -U app -d shop -qc 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS n'
pg_ctl -D $D -m fast -w stop >/dev/null
"""


@pytest.fixture
def project(docker_client: docker.APIClient, test_image: str, site: Site) -> Iterator[str]:
    """The volume of a compose project, with data, and its network; the volume's name."""
    volume = f"{NODE}-data"
    network = docker_client.create_network(NETWORK)
    config = docker_client.create_host_config(binds=[f"{volume}:/var/lib/postgresql/data"])
    made = docker_client.create_container(
        test_image, entrypoint=["bash", "-c", OFFICIAL], host_config=config, name=f"{NODE}-official"
    )
    docker_client.start(made)
    ended = docker_client.wait(made, timeout=60)
    assert ended["StatusCode"] == 0, docker_client.logs(made).decode()
    docker_client.remove_container(made, v=False)
    yield volume
    for container in docker_client.containers(all=True, filters={"name": f"^/{NODE}"}):
        docker_client.remove_container(container["Id"], force=True)
    docker_client.remove_network(network["Id"])


def node() -> dict[str, Any]:
    """The variables of the page's node."""
    compose, inventory = (yaml.safe_load(block.text) for block in blocks(PAGE.read_text(encoding="utf-8"), "yaml"))
    (service,) = compose["services"].values()
    (found,) = inventory["postgres"]["hosts"].values()
    environment = service["environment"]
    # What the page's two examples say must be the same.
    assert found["server_superuser"] == environment["POSTGRES_USER"]
    assert found["server_database"] == environment["POSTGRES_DB"]
    assert [f"{name}={value}" for name, value in found["server_settings"].items()] == service["command"][1:]
    assert re.fullmatch(r"shop_(\w+)", found["server_volume"])[1] in compose["volumes"]  # type: ignore[index]
    return dict(found)


def looked_at() -> list[str]:
    """What the page has typed in the container."""
    lines = [line for block in blocks(PAGE.read_text(encoding="utf-8"), "console") for line in commands(block)]
    return [line for line in lines if line.startswith("docker exec db ")]


def typed(command: str) -> str:
    """What a command of a page prints."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_compose_service_becomes_a_node(
    site: Site, project: str, docker_client: docker.APIClient, test_image: str
) -> None:
    declared = node()
    networks = [{**network, "name": NETWORK} for network in declared["server_networks"]]
    here = {"server_volume": project, "server_networks": networks, "server_port": site.port}
    # As somebody else runs it: under the node's name, with another superuser than is usual.
    config = docker_client.create_host_config(binds=[f"{project}:/var/lib/postgresql/data"])
    environment = {"POSTGRES_USER": "app"}
    former = docker_client.create_container(test_image, name=NODE, environment=environment, host_config=config)
    docker_client.start(former)
    until(lambda: docker_client.inspect_container(former)["State"]["Health"]["Status"] == "healthy", "it serves")
    foreseen = site.run("site", "--check", "--diff", **{**declared, **here})
    assert foreseen.returncode == 0, foreseen.stdout
    done = site.run("site", **{**declared, **here})
    assert done.returncode == 0, done.stdout
    # The container, and its password.
    assert recap(foreseen.stdout)["changed"] == recap(done.stdout)["changed"] == 2, foreseen.stdout + done.stdout
    login = {"host": "127.0.0.1", "port": site.port, "user": "app", "dbname": "shop", "connect_timeout": 10}
    with psycopg2.connect(**login, password=site.password) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), current_setting('work_mem'), current_setting('data_directory') FROM orders")
        assert cursor.fetchone() == (1000, "16MB", "/var/lib/postgresql/data")
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(**login, password=OLD)
    asked, rebuilt = (re.sub(r"^docker exec db ", f"docker exec {NODE} ", line) for line in looked_at())
    assert re.search(r"\d\.\d+ +\| +\d\.\d+", typed(asked)), "the versions of the collation"
    assert "REINDEX" in typed(rebuilt)
    attached = docker_client.inspect_container(NODE)["NetworkSettings"]["Networks"][NETWORK]
    assert "db" in attached["Aliases"]
    again = site.run("site", **{**declared, **here})
    assert recap(again.stdout)["changed"] == 0, again.stdout
