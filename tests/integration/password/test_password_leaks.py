# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan for leaks finds what it says it finds: each kind of leak is planted, and must be named."""
from __future__ import annotations

import base64
import contextlib
import json
import secrets
import subprocess
import time
from urllib.parse import quote

import docker
import pytest

SECRET = "planted 'leak' " + secrets.token_hex(8)
ENVIRONMENT = ["environ of a container: sh", "environ of a container: sleep", "inspect Config"]


@pytest.mark.parametrize(
    "spell",
    [
        str,
        json.dumps,
        lambda secret: secret.replace("'", "''"),
        quote,
        lambda secret: secret.encode().hex(),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(f"x{secret}end".encode()).decode(),
        lambda secret: base64.b64encode(f"xy{secret}end".encode()).decode(),
    ],
)
def test_in_a_text_however_it_is_spelled(leaks, spell):
    with leaks(SECRET) as scan:
        scan.text("output", f"before {spell(SECRET)} after")
        scan.text("other output", "nothing")
    assert scan.places() == ["output"]


def test_in_a_process_of_this_machine(leaks):
    with leaks(SECRET) as scan:
        subprocess.run(["sleep", "0.1"], check=True, env={"PASSWORD": SECRET})
        subprocess.run(["sh", "-c", "sleep 0.1; : $1", "sh", SECRET], check=True)
    assert scan.places() == ["cmdline of the machine: sh", "environ of the machine: sleep"]


@pytest.fixture
def leaky(docker_client: docker.APIClient, test_image: str):
    """Makes a container that leaks as it is told to."""
    made = []

    def start(command, image=test_image, **options):
        name = f"howdah-password-{secrets.token_hex(4)}"
        made.append(docker_client.create_container(image, command, entrypoint=["sh", "-c"], name=name, **options)["Id"])
        docker_client.start(made[-1])
        return made[-1]

    yield start
    for identity in made:
        docker_client.remove_container(identity, force=True, v=True)


@pytest.mark.parametrize(
    "program, options, places",
    [
        ("echo \"$SECRET\"", {}, ["container logs"]),
        ("echo \"$SECRET\" > /tmp/x", {}, ["file /tmp/x"]),
        ("echo \"$SECRET\" > /var/lib/postgresql/data/x", {}, ["file /var/lib/postgresql/data/x"]),
        ("echo \"$SECRET\" > /dev/shm/x", {}, ["file /dev/shm/x"]),
        ("export PASSWORD=\"$SECRET\"; sleep 1", {}, ["environ of a container: sleep"]),
        ("sh -c 'sleep 1; :' \"$SECRET\"", {}, ["cmdline of a container: sh"]),
        (":", {"labels": {"howdah.test": SECRET}}, ["inspect Config"]),
        ("sleep 1", {"environment": {"PASSWORD": SECRET}}, ENVIRONMENT),
    ],
    ids=["log", "tmp", "volume", "shm", "environ", "cmdline", "label", "environment"],
)
def test_in_a_container(leaks, leaky, docker_client, program, options, places):
    """The program takes the secret in two halves: its own command line does not count."""
    half = len(SECRET) // 2
    program = program.replace('"$SECRET"', '"$(printf %s%s "$a" "$b")"')
    halves = [json.dumps(part) for part in (SECRET[:half], SECRET[half:])]
    with leaks(SECRET) as scan:
        identity = leaky([f"a={halves[0]}; b={halves[1]}; {program}; exec sleep 60"], **options)
        until = time.monotonic() + 10
        while "sleep 60" not in str(docker_client.top(identity)) and time.monotonic() < until:
            time.sleep(0.02)
        scan.container(docker_client, identity)
    assert scan.places() == places


def test_in_the_image_s_history(leaks, leaky, docker_client):
    tag = f"howdah-password-{secrets.token_hex(4)}"
    docker_client.commit(leaky(["sleep 60"]), tag, message=SECRET)
    try:
        with leaks(SECRET) as scan:
            identity = leaky(["sleep 60"], image=tag)
            scan.container(docker_client, identity)
    finally:
        docker_client.remove_image(tag, force=True)
    assert scan.places() == ["image history", "inspect image"]


def test_in_the_server(leaks, server, role):
    """A careless ALTER ROLE is in all three places."""
    statement = f"ALTER ROLE {role} PASSWORD '{SECRET.replace(chr(39), chr(39) * 2)}'"
    with leaks(SECRET) as scan:
        server.sql("SET pg_stat_statements.track_utility = on; " + statement)
        with contextlib.closing(server.connect()) as idle:
            idle.cursor().execute(statement)
            with scan.sample(server.sql):
                pass
            scan.database(server.sql)
        server.marked_log()
        scan.container(server.client, server.container)
    places = scan.places()
    assert {"container logs", "pg_stat_activity", "pg_stat_statements"} <= set(places)
    assert [place for place in places if place.startswith("file ") and "pgss_query_texts" in place]


def test_in_what_programs_of_the_server_see(leaks, server):
    with leaks("PATH=/usr/local") as scan:
        scan.database(server.sql)
    assert "COPY FROM PROGRAM 'env'" in scan.places()


def test_a_short_secret_is_not_looked_for(leaks):
    with pytest.raises(AssertionError, match="at least 12"):
        leaks("x")
