# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users get wrong: the playbook names cause and cure, and leaves everything as it was."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import pytest
from ansible_runs import run_ansible, write_inventory
from conftest import NODE, VOLUME, Site, recap, said

Objects = Callable[[], dict[str, set[str]]]


class OldEngine(BaseHTTPRequestHandler):
    """What Docker Engine 19.03 says of itself."""

    def do_GET(self) -> None:
        facts = {"Version": "19.03.15", "ApiVersion": "1.40", "Os": "linux", "Arch": "amd64"}
        more = {"OperatingSystem": "Debian", "CgroupDriver": "cgroupfs", "Driver": "overlay2", "SecurityOptions": []}
        body = json.dumps({**facts, **more}).encode()
        self.send_response(200)
        self.send_header("Api-Version", "1.40")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a Unix socket has no address"

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def old_engine(tmp_path: Path) -> Iterator[str]:
    """The docker_host of an engine that is too old."""
    path = tmp_path / "old.sock"
    with socketserver.UnixStreamServer(str(path), OldEngine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()


def test_engine_that_is_too_old(site: Site, old_engine: str) -> None:
    done = site.run("site", docker_host=old_engine)
    assert done.returncode != 0
    assert "The container engine 19.03.15 at unix://" in said(done.stdout)
    assert "needs 1.41 or newer. Upgrade it to Docker Engine 20.10" in said(done.stdout)


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
        pytest.param(
            "site",
            None,
            {"server_setings": {}, "docker_host": "unix:///nonexistent/docker.sock"},
            "[WARNING]: No variable of this collection, and so without effect: server_setings (server_settings?).",
            id="misspelt variable",
        ),
        pytest.param(
            "site",
            None,
            {"server_password": "canary-of-the-inventory", "docker_host": "unix:///nonexistent/docker.sock"},
            f"[WARNING]: POSTGRES_PASSWORD is exported, and has no effect on {NODE}: what server_password says",
            id="password that does not count",
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
    assert site.password not in done.stdout and "canary-of" not in done.stdout
    assert engine_objects() == before


def test_a_restore_with_a_misspelt_variable(site: Site, engine_objects: Objects) -> None:
    """What was meant to stop it would not."""
    before = engine_objects()
    done = site.run("restore", "-e", "restore_from=backup1 restore_exclusve=true restore_type=time")
    assert done.returncode != 0
    told = "No variable of this collection: restore_exclusve (restore_exclusive?). Nothing was done."
    assert told in said(done.stdout)
    assert engine_objects() == before


@pytest.mark.parametrize(
    ("playbook", "typed", "told"),
    [
        ("status", "fial_on_problem=true", "No variable of this collection: fial_on_problem (fail_on_problem?)."),
        ("status", "output=yaml", "No variable of this collection: output=yaml (table, or json)."),
        ("destroy", f"destroy_dat={NODE}", "No variable of this collection: destroy_dat (destroy_data?)."),
        ("restore", "restore_from=backup1 restore_type=tiem", "restore_type is tiem. It has to be one of default,"),
    ],
)
def test_what_was_typed_wrongly_does_not_end_well(site: Site, playbook: str, typed: str, told: str) -> None:
    done = site.run(playbook, "-e", typed)
    assert done.returncode == 2
    assert told in said(done.stdout)


def test_the_password_of_the_environment_is_not_passed_over(site: Site, engine_objects: Objects) -> None:
    """It changes nothing where the inventory has another one, and would look like success."""
    before = engine_objects()
    done = site.run("rotate_password", server_password="canary-of-the-inventory")
    assert done.returncode == 2
    told = f"Two passwords for the superuser of {NODE}: the inventory has one (server_password), which is the one that"
    assert told in said(done.stdout) and "canary" not in done.stdout
    assert engine_objects() == before


def test_what_a_running_server_would_refuse_is_told_beforehand(
    site: Site, docker_client: docker.APIClient, test_image: str
) -> None:
    # It knows this one by another spelling.
    done = site.run("site", server_image=test_image, server_settings={"timezone": "UTC"}, server_setings={})
    assert done.returncode == 0
    assert done.stdout.count("[WARNING]: No variable of this collection") == 1, "site looks, and deploy once more"
    last = said(done.stdout).partition("PLAY [Deploy the proxies]")[2]
    assert "Without effect: server_setings (server_settings?), unless it is a name of your own." in last
    before = docker_client.inspect_container(NODE)["Id"]
    for settings, told in (
        ({"timezone": "Mars/X", "work_mem": "much"}, 'invalid value for parameter "TimeZone": "Mars/X"'),
        ({"work_memm": "5MB"}, "it does not know work_memm."),
    ):
        done = site.run("site", "--check", server_image=test_image, server_settings=settings)
        assert done.returncode == 2
        assert f"PostgreSQL would not start with server_settings of {NODE}: " in said(done.stdout)
        assert told in said(done.stdout).replace('\\"', '"')
    taken = {"TimeZone": "Europe/Paris", "my.own": "x"}
    assert site.run("site", "--check", server_image=test_image, server_settings=taken).returncode == 0
    assert docker_client.inspect_container(NODE)["Id"] == before


def test_proxies_are_for_clusters(site: Site, engine_objects: Objects) -> None:
    before = engine_objects()
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    groups = {"postgres": {"hosts": {NODE: {}}}, "proxy": {"hosts": {f"{NODE}-proxy": {}}}}
    write_inventory(site.folder, {"all": {"vars": local, "children": groups}})
    given = {"ANSIBLE_COLLECTIONS_PATH": site.collections, "POSTGRES_PASSWORD": site.password}
    done = run_ansible("ansible-playbook", site.folder, ["howdah.postgresql.site", "--check"], given)
    assert done.returncode == 2
    assert "it has no group etcd (nor patroni_etcd_hosts)" in said(done.stdout)
    assert engine_objects() == before


@pytest.mark.parametrize("playbook", ["site", "deploy"])
def test_what_the_inventory_alone_tells(site: Site, engine_objects: Objects, playbook: str) -> None:
    """Before anything is built: two servers on one port, one that is to have it only sometimes set aside."""
    before = engine_objects()
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    write_inventory(
        site.folder, {"all": {"vars": local, "children": {"postgres": {"hosts": {NODE: {}, f"{NODE}2": {}}}}}}
    )
    given = {"ANSIBLE_COLLECTIONS_PATH": site.collections, "POSTGRES_PASSWORD": site.password}
    done = run_ansible("ansible-playbook", site.folder, [f"howdah.postgresql.{playbook}"], given)
    assert done.returncode == 2
    told = f"{NODE} (server_port) and {NODE}2 (server_port) want the same port of this machine, 5432. Nothing was done."
    assert f"The inventory cannot be deployed: {told}" in said(done.stdout)
    assert engine_objects() == before
    one = ["--check", f"howdah.postgresql.{playbook}", "-e", f"target={NODE}"]
    assert run_ansible("ansible-playbook", site.folder, one, given).returncode == 0


def test_a_restore_without_a_password(site: Site, engine_objects: Objects) -> None:
    """It would be missed when the servers are stopped, and their data replaced."""
    before = engine_objects()
    done = site.run("restore", "-e", "restore_from=backup1", password="")
    assert done.returncode != 0
    told = f"The password of the superuser of {NODE} is empty or not given."
    assert f"{told} Export POSTGRES_PASSWORD, or set server_password. Nothing was changed." in said(done.stdout)
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


def test_a_cluster_of_which_one_engine_is_away_is_not_changed_in_parts(site: Site, engine_objects: Objects) -> None:
    before = engine_objects()
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "cluster_name": NODE}
    hosts = {NODE: {}, f"{NODE}2": {"docker_host": "unix:///nonexistent/docker.sock"}}
    groups = {"postgres": {"hosts": hosts}, "etcd": {"hosts": {f"{NODE}-etcd": {}}}}
    write_inventory(site.folder, {"all": {"vars": local, "children": groups}})
    given = {"ANSIBLE_COLLECTIONS_PATH": site.collections, "POSTGRES_PASSWORD": site.password}
    done = run_ansible("ansible-playbook", site.folder, ["howdah.postgresql.site"], given)
    assert done.returncode == 2
    assert "No container engine answers at unix:///nonexistent/docker.sock" in said(done.stdout)
    assert "Provide the images" not in done.stdout
    assert engine_objects() == before


def test_a_single_server_does_not_wait_for_another_one_that_fails(site: Site, test_image: str) -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    port = {"server_port": site.port, "server_image": test_image}
    hosts = {"howdah-product-away": {"docker_host": "unix:///nonexistent/docker.sock"}, NODE: port}
    write_inventory(site.folder, {"all": {"vars": local, "children": {"postgres": {"hosts": hosts}}}})
    given = {"ANSIBLE_COLLECTIONS_PATH": site.collections, "POSTGRES_PASSWORD": site.password}
    done = run_ansible("ansible-playbook", site.folder, ["howdah.postgresql.site"], given)
    assert done.returncode == 2
    assert "No container engine answers at unix:///nonexistent/docker.sock" in said(done.stdout)
    assert recap(done.stdout)["failed"] == 0 and recap(done.stdout)["changed"] > 0, done.stdout
    given["POSTGRES_PASSWORD"] = f"{site.password}-new"
    done = run_ansible("ansible-playbook", site.folder, ["howdah.postgresql.rotate_password"], given)
    assert done.returncode == 2
    assert recap(done.stdout)["failed"] == 0 and recap(done.stdout)["changed"] == 1, done.stdout
