# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of the image under test, and questions to them."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import psycopg2
import pytest
from builder import Builder
from inside import inside

VOLUME = "/var/lib/postgresql/data"
PATIENCE = 30.0  # seconds; no wait of these tests takes longer
# Options of a container that are none of its host's.
_OF_THE_CONTAINER = ("user", "entrypoint", "healthcheck", "networking_config")


class Box:
    """One container."""

    def __init__(self, client: docker.APIClient, identity: str) -> None:
        self.client = client
        self.id = identity

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.inspect_container(self.id)["State"]
        return found

    def wait_exit(self) -> int:
        return int(self.client.wait(self.id, timeout=PATIENCE)["StatusCode"])

    def raw_lines(self, stdout: bool = True, stderr: bool = True) -> list[str]:
        text: bytes = self.client.logs(self.id, stdout=stdout, stderr=stderr)
        if self.state()["Running"]:  # the engine takes a long line in pieces
            text = text[: text.rfind(b"\n") + 1]
        return text.decode().splitlines()

    def lines(self) -> list[dict[str, Any]]:
        """All log lines; one that is not as the documentation says fails the test."""
        parsed = [json.loads(line) for line in self.raw_lines()]
        assert [line for line in parsed if not _is_documented(line)] == []
        return parsed

    def errors(self) -> list[str]:
        return [line["message"] for line in self.lines() if line.get("level") == "ERROR"]

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines() if "event" in line]

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of an event, once there is one: what a container has said is not in the engine's log at once."""
        found: list[dict[str, Any]] = until(lambda: [line for line in self.lines() if line.get("event") == event])
        return found

    def said(self, text: str) -> list[str]:
        """The messages that hold a text, once there is one."""
        found: list[str] = until(lambda: [line["message"] for line in self.lines() if text in line["message"]])
        return found

    def port(self) -> int:
        ports = self.client.inspect_container(self.id)["NetworkSettings"]["Ports"]
        return int(ports["5432/tcp"][0]["HostPort"])

    def login(self, password: str, user: str = "postgres", dbname: str = "postgres") -> Any:
        """A connection over TCP, once the server accepts logins."""

        def attempt() -> Any:
            try:
                return psycopg2.connect(
                    host="127.0.0.1", port=self.port(), user=user, password=password, dbname=dbname, connect_timeout=5
                )
            except psycopg2.OperationalError as error:
                if "authentication failed" in str(error) or not self.state()["Running"]:
                    raise
                return None

        return until(attempt)

    def answers(self, password: str) -> bool:
        """Whether a login over TCP works at this moment."""
        try:
            port = self.port()
            psycopg2.connect(host="127.0.0.1", port=port, user="postgres", password=password, connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def refuses(self, password: str, user: str = "postgres") -> bool:
        try:
            self.login(password, user).close()
        except psycopg2.OperationalError as error:
            return "authentication failed" in str(error)
        return False

    def ask(self, password: str, question: str, **login: str) -> Any:
        """The first column of the first row of an answer."""
        connection = self.login(password, **login)
        try:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(question)
            return cursor.fetchone()[0] if cursor.description else None
        finally:
            connection.close()

    def run(self, *words: str, user: str = "") -> tuple[int, str]:
        """Exit code and output of a command inside."""
        return inside(self.id, *words, user=user)

    def kill(self, signal: str) -> None:
        self.client.kill(self.id, signal)


def _is_documented(line: Any) -> bool:
    """Whether it is a line of ours, or one that PostgreSQL itself has written as JSON."""
    if not isinstance(line, dict):
        return False
    if "error_severity" in line:
        return {"timestamp", "pid", "message"} <= line.keys()
    return (
        list(line)[:5] == ["time", "level", "component", "event", "message"]
        and not line.keys() - {"time", "level", "component", "event", "message", "fields"}
        and line["level"] in ("DEBUG", "INFO", "WARN", "ERROR")
        and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) is not None
    )


def until(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait for something true, and return it."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {patience:g} s in vain")


@dataclass
class Engine:
    """Makes containers and volumes, and removes them; ``major`` is the image's PostgreSQL version."""

    client: docker.APIClient
    image: str
    prefix: str

    def __post_init__(self) -> None:
        environ = dict(entry.split("=", 1) for entry in self.client.inspect_image(self.image)["Config"]["Env"])
        self.major = environ["PG_MAJOR"]
        self._containers: list[str] = []
        self._volumes: list[str] = []

    def volume(self, size: str = "") -> str:
        """A volume; with a size, one that is kept only as long as a container uses it."""
        name = f"{self.prefix}{uuid.uuid4().hex[:8]}"
        memory = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size},mode=1777"}
        self.client.create_volume(name, driver_opts=memory if size else None)
        self._volumes.append(name)
        return name

    def start(
        self,
        volume: str | None = None,
        env: dict[str, str] | None = None,
        command: list[str] | None = None,
        files: dict[str, bytes] | None = None,
        mount: str = VOLUME,
        **options: Any,
    ) -> Box:
        """Start a container with a volume, a port on 127.0.0.1, and files by their paths."""
        create = {name: options.pop(name) for name in _OF_THE_CONTAINER if name in options}
        mode, more = options.pop("mode", "rw"), options.pop("binds", [])
        host = self.client.create_host_config(
            binds=[f"{volume or self.volume()}:{mount}:{mode}", *more],
            port_bindings={5432: ("127.0.0.1",)},
            **{"shm_size": "256m", **options},
        )
        identity = self.client.create_container(
            self.image,
            command,
            name=f"{self.prefix}{uuid.uuid4().hex[:8]}",
            # Nothing here cuts the power: without waiting for the disk a cluster is made in half the time.
            environment={"POSTGRES_INITDB_ARGS": "--no-sync", **(env or {})},
            ports=[5432],
            host_config=host,
            **create,
        )["Id"]
        self._containers.append(identity)
        for path, content in (files or {}).items():
            self.client.put_archive(identity, path.rpartition("/")[0], _tar(path, content))
        self.client.start(identity)
        return Box(self.client, identity)

    def remove(self, box: Box) -> None:
        self.client.remove_container(box.id, force=True, v=True)
        self._containers.remove(box.id)

    def clean(self) -> None:
        for identity in self._containers:
            self.client.remove_container(identity, force=True, v=True)
        for name in self._volumes:
            self.client.remove_volume(name, force=True)


def _tar(path: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(path.rpartition("/")[2])
        entry.size = len(content)
        entry.mode = 0o755 if content.startswith(b"#!") else 0o644
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def engine(docker_client: docker.APIClient, test_image: str) -> Iterator[Engine]:
    """An engine that is left as it was."""
    made = Engine(docker_client, test_image, "howdah-image-")
    yield made
    made.clean()


@pytest.fixture
def engine_of(docker_client: docker.APIClient) -> Iterator[Callable[[str], Engine]]:
    """The same for other images, by their names."""
    made: list[Engine] = []

    def make(image: str) -> Engine:
        made.append(Engine(docker_client, image, "howdah-image-"))
        return made[-1]

    yield make
    for one in made:
        one.clean()


@pytest.fixture
def build(docker_client: docker.APIClient, tmp_path: Path) -> Iterator[Builder]:
    """Builds images; they are removed at the end."""
    made = Builder(docker_client, tmp_path)
    yield made
    made.clean()


@pytest.fixture
def box_until() -> Callable[..., Any]:
    """Waiting, bounded."""
    return until
