# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/quickstart, as a newcomer runs it: first, again, and down."""

from __future__ import annotations

import os
import pty
import re
import secrets
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Iterator

import docker
import psycopg2
import pytest
from ansible_runs import free_ports, until

CHECKOUT = Path(__file__).parents[3]
NAME = "howdah-product-quickstart"
VOLUME = f"{NAME}-pg1-data"
TIMEOUT = 300  # seconds


class Quickstart:
    """The command, with its state in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_ports(1)[0]
        self.credentials = folder / "howdah" / f"{NAME}.env"
        self.command = [str(CHECKOUT / "bin/quickstart"), "--name", NAME, "--port", str(self.port)]
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder)}

    def run(self, *arguments: str) -> str:
        """What it printed; it must succeed."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def answer(self, answer: str, *arguments: str) -> int:
        """Run it on a terminal of its own, and type an answer; the exit code."""
        mine, its = pty.openpty()
        with subprocess.Popen(
            [*self.command, *arguments], env=self.environment, stdin=its, stdout=subprocess.DEVNULL
        ) as process:
            os.close(its)
            os.write(mine, f"{answer}\n".encode())
            code = process.wait(TIMEOUT)
        os.close(mine)
        return code


@pytest.fixture
def quickstart(tmp_path: Path, docker_client: docker.APIClient, test_image: str) -> Iterator[Quickstart]:
    """The command; what it made is removed afterwards."""
    yield Quickstart(tmp_path)
    for container in docker_client.containers(all=True, filters={"name": f"^/{NAME}"}):
        docker_client.remove_container(container["Id"], force=True)
    for volume in docker_client.volumes(filters={"name": NAME})["Volumes"] or ():
        docker_client.remove_volume(volume["Name"])
    for network in docker_client.networks(names=[f"^{NAME}$"]):
        docker_client.remove_network(network["Id"])


def move(client: docker.APIClient, node: str) -> str:
    """Give a container another address on its network; which."""

    def address() -> str:
        return str(client.inspect_container(node)["NetworkSettings"]["Networks"][NAME]["IPAddress"])

    before, image = address(), client.inspect_container(node)["Image"]
    client.stop(node)
    host = client.create_host_config(network_mode=NAME, init=True)
    placeholder = client.create_container(image, command=["sleep", "60"], name=f"{NAME}-placeholder", host_config=host)
    client.start(placeholder)
    client.start(node)
    client.remove_container(placeholder, force=True)
    assert address() != before
    return address()


def reached(uri: str, password: str) -> set[str]:
    """The addresses of the servers that several logins come to."""
    found = set()
    for _login in range(4):
        try:
            with psycopg2.connect(uri, password=password) as session, session.cursor() as cursor:
                cursor.execute("SELECT host(inet_server_addr())")
                found.update(map(str, cursor.fetchone() or ()))
            session.close()
        except psycopg2.OperationalError:
            pass  # of a replica that follows nobody yet
    return found


def test_up_again_and_down(quickstart: Quickstart, docker_client: docker.APIClient) -> None:
    first = quickstart.run()
    assert re.search(r"runs in the cluster .*; the login through the proxy took \d+ ms", first)
    serving = rf"^{NAME}-pg\d +(?:leader|quorum standby|replica) +(?:running|streaming) "
    assert len(re.findall(serving, first, re.MULTILINE)) == 3
    del quickstart.command[-2:]  # the port: it stays where it is
    again = quickstart.run()
    assert not re.findall(r" changed=[1-9]", again)
    # By now Patroni counts the standbys, too.
    counted = rf"^{NAME}-pg\d +(?:leader +running|quorum standby +streaming) "
    assert len(re.findall(counted, again, re.MULTILINE)) == 3

    lines = quickstart.credentials.read_text().splitlines()
    assert quickstart.credentials.stat().st_mode & 0o777 == 0o600
    login = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert login["PGPASSWORD"] not in first
    assert login["PGPORT"] == str(quickstart.port)
    proxied, direct = re.findall(r"postgresql://\S+", first)
    for uri in (proxied, direct):
        with psycopg2.connect(uri, password=login["PGPASSWORD"]) as session, session.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert cursor.fetchone() == (False, True)
        session.close()

    # A replica that has another address, as after a start in another order: the proxy finds it.
    replica = re.findall(rf"^({NAME}-pg\d) +quorum standby", again, re.MULTILINE)[0]
    readable = proxied.replace(f":{quickstart.port}/", f":{quickstart.port + 1}/")
    moved = move(docker_client, replica)
    assert until(lambda: moved in reached(readable, login["PGPASSWORD"]), "the replica is reached where it is", 60)

    # As a newcomer types it, whose shell knows nothing of the checkout.
    typed = re.findall(r"^  (export PATH=.*|ansible-playbook .* howdah.postgresql.switchover)$", first, re.MULTILINE)
    assert len(typed) == 2
    fresh = {"HOME": os.environ["HOME"], "PATH": os.defpath, "LANG": "C.UTF-8"}
    script = "; ".join(["set -e", *typed]) + " --check"
    switched = subprocess.run(
        ["bash", "-c", script], env=fresh, cwd="/", capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert re.search(rf"Would hand the leadership over from {NAME}-pg\d to {NAME}-pg\d", switched.stdout), switched

    # Another password, as a shell reads it: by psql's environment and by the inventory.
    another = "canary $x `id` \"q\" {{ 1 }} \N{ELEPHANT} " + secrets.token_urlsafe(12)
    rest = [line for line in lines if not line.startswith("PGPASSWORD=")]
    credentials = "\n".join([*rest, f"PGPASSWORD={shlex.quote(another)}", ""])
    quickstart.credentials.write_text(credentials)
    script = "; ".join(["set -e", typed[0], typed[1].replace("switchover", "rotate_password")])
    rotated = subprocess.run(
        ["bash", "-c", script], env=fresh, cwd="/", capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert rotated.returncode == 0 and "canary" not in rotated.stdout + rotated.stderr, rotated.returncode
    psycopg2.connect(proxied, password=another).close()

    # Whoever changes the inventory does not find it as it was, unless that is asked for.
    inventory = quickstart.credentials.parent / NAME / "inventory.yml"
    as_it_was = inventory.read_text()
    inventory.write_text(as_it_was + "# another line\n")
    refused = subprocess.run(
        quickstart.command, env=quickstart.environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    checksum = f"{inventory}.sha256"
    assert refused.returncode == 1 and f"{inventory} was changed, and would be written anew" in refused.stderr
    assert f"To have it written anew, remove {checksum} first." in refused.stderr
    os.unlink(checksum)
    anew = quickstart.run()
    assert inventory.read_text() == as_it_was and os.path.exists(checksum)
    assert quickstart.credentials.read_text() == credentials, "it is read and written as it is"
    assert not re.findall(rf"^{NAME}.* changed=[1-9]", anew, re.MULTILINE)

    kept = quickstart.run("--down")
    assert "stay in the volumes" in kept
    assert not docker_client.containers(all=True, filters={"name": f"^/{NAME}"})
    assert docker_client.volumes(filters={"name": VOLUME})["Volumes"]
    assert quickstart.credentials.exists()

    assert quickstart.answer("no", "--down") == 0
    assert docker_client.volumes(filters={"name": VOLUME})["Volumes"]
    assert quickstart.answer(NAME, "--down") == 0
    assert not docker_client.volumes(filters={"name": VOLUME})["Volumes"]
    assert not quickstart.credentials.exists()


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--name", "a/b"], "'a/b' cannot be the name of a cluster"),
        (["--port", "0"], "'0' is no port"),
        (["--port"], "--port needs a value"),
        (["--frob"], "does not know the argument '--frob'"),
    ],
)
def test_wrong_arguments(arguments: list[str], cause: str) -> None:
    done = subprocess.run([CHECKOUT / "bin/quickstart", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert cause in done.stderr


def test_a_port_that_is_taken_is_told_before_anything_is_built(quickstart: Quickstart) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            [*quickstart.command[:-1], str(port - 1)], env=quickstart.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
    assert done.returncode == 1 and "PLAY" not in done.stdout, done.stdout
    assert f"Port {port} of 127.0.0.1 is taken. Name five that follow each other by --port" in done.stderr
