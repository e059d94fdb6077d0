# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A single server is operated by the same playbooks as a cluster."""

from __future__ import annotations

import io
import secrets
import socket

import docker
import psycopg2
import yaml
from conftest import NODE, Site, recap, said


def lets_in(site: Site, password: str) -> bool:
    try:
        login = {"host": "127.0.0.1", "port": site.port, "user": "postgres", "connect_timeout": 10}
        psycopg2.connect(password=password, **login).close()
    except psycopg2.OperationalError as error:
        assert "password authentication failed" in str(error)
        return False
    return True


def test_the_password_of_a_single_server_is_rotated(site: Site) -> None:
    deployed = site.run("site")
    assert deployed.returncode == 0, deployed.stdout
    old, new = site.password, "canary-" + secrets.token_urlsafe(12)
    for playbook in ("site", "rotate_password"):
        foreseen = site.run(playbook, "--check", password=new)
        assert recap(foreseen.stdout)["changed"] == 1 and not lets_in(site, new), foreseen.stdout
    assert "Would set password of role postgres: another password is stored." in foreseen.stdout
    rehearsed = site.run("site", "--check").stdout
    assert recap(rehearsed)["changed"] == 0
    assert "No image would be built, no container made, replaced or removed, and no setting" in said(rehearsed)
    rotated = site.run("rotate_password", password=new)
    assert rotated.returncode == 0, rotated.stdout
    assert recap(rotated.stdout)["changed"] == 1
    assert old not in rotated.stdout and new not in rotated.stdout
    assert lets_in(site, new) and not lets_in(site, old)
    again = site.run("rotate_password", password=new)
    assert again.returncode == 0 and recap(again.stdout)["changed"] == 0, again.stdout


def test_what_cannot_work_is_told_before_it_is_done(
    site: Site, docker_client: docker.APIClient, test_image: str
) -> None:
    deployed = site.run("site")
    assert deployed.returncode == 0, deployed.stdout
    rehearsed = site.run("site", "--check", image_postgres_major=16)
    assert rehearsed.returncode == 2, rehearsed.stdout
    assert "This would be PostgreSQL 16, and howdah-product-node has the data of 15." in said(rehearsed.stdout)
    newer = f"FROM {test_image}\nLABEL io.howdah.postgresql.major=17\n"
    built = list(docker_client.build(fileobj=io.BytesIO(newer.encode()), tag=f"{NODE}:17", rm=True, decode=True))
    try:
        there = site.run("site", "--check", server_image=f"{NODE}:17")
    finally:
        docker_client.remove_image(f"{NODE}:17")
    assert there.returncode == 2, (there.stdout, built)
    assert "This would be PostgreSQL 17, and howdah-product-node has the data of 15." in said(there.stdout)
    refused = site.run("update", password="")
    assert refused.returncode == 2 and recap(refused.stdout)["changed"] == 0, refused.stdout
    assert f"The password of the superuser of {NODE} is empty or not given." in said(refused.stdout)
    nobody = site.run("rotate_password", "-e", '{"rotate_roles": {"app": "HOWDAH_NOT_EXPORTED"}}')
    assert nobody.returncode == 2 and "Empty or not exported: what rotate_roles names for app." in said(nobody.stdout)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        warned = site.run("site", "--check", server_port=port)
    assert recap(warned.stdout)["changed"] == 1, warned.stdout
    taken = f"Port {port} for container howdah-product-node is taken by a process on the engine's host"
    assert taken in said(warned.stdout)
    told = said(warned.stdout).rpartition("PLAY [Tell what would be done]")[2]
    assert "Would recreate container howdah-product-node: ports. Certificates" in told, told
    assert lets_in(site, site.password)


def test_a_machine_out_of_reach_has_a_row(site: Site) -> None:
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    away = site.folder / "away.yml"
    away.write_text(yaml.safe_dump({"postgres": {"hosts": {"howdah-product-away": nowhere}}}), encoding="utf-8")
    told = site.run("status", "-i", str(away))
    assert told.returncode == 4, told.stdout
    rows = [line for line in told.stdout.splitlines() if line.startswith("howdah-product-") and "ok=" not in line]
    assert [row.split()[0] for row in rows] == [NODE, "howdah-product-away"], told.stdout
    assert rows[0].endswith("its container is missing") and rows[1].endswith("its machine could not be asked")
    asked = site.run("status", "-i", str(away), "-e", "jmespath='nodes[].problem'")
    assert '"its machine could not be asked"' in asked.stdout
