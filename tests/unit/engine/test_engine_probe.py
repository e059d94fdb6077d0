# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking an engine with nothing but the standard library: every way in which it may not answer."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    DeadlineExceeded,
    EngineUnreachable,
    InvalidInput,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.engine import (
    EngineFacts,
    parse_facts,
    probe,
    too_old,
)

VERSION = {"Version": "28.5.2", "ApiVersion": "1.51", "Os": "linux", "Arch": "arm64"}
INFO = {
    "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "Driver": "overlay2",
    "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
}
FACTS = EngineFacts(
    "28.5.2", "1.51", "linux", "Debian GNU/Linux 13 (trixie)", "arm64", "2", "systemd", "overlay2", rootless=True
)
Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server on a Unix socket that handles each connection in the way given; returns its address."""
    servers = []

    def start(handle: Callable[[socket.socket], None]) -> str:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()
        servers.append(server)

        def loop() -> None:
            while True:
                try:
                    connection, _address = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        handle(connection)
                    except OSError:
                        pass  # the client has gone

        threading.Thread(target=loop, daemon=True).start()
        return f"unix://{tmp_path}/engine.sock"

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def engine(connection: socket.socket) -> None:
    """Answers as an engine does."""
    while request := connection.recv(4096):
        body = json.dumps(VERSION if b"/version" in request else INFO).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def ask(url: str, seconds: float = 5.0, **options: Any) -> EngineFacts:
    return probe({"docker_host": url}, Deadline(seconds), **options)


def test_an_engine_tells_of_itself(serve: Serve) -> None:
    assert ask(serve(engine)) == FACTS


def test_an_old_engine_has_fewer_facts() -> None:
    old = parse_facts(VERSION, {"OperatingSystem": "x", "CgroupDriver": "cgroupfs", "Driver": "vfs"})
    assert (old.cgroup_version, old.rootless) == ("1", False)


@pytest.mark.parametrize(
    ("api", "expected"), [("1.40", True), ("1.9", True), ("1.41", False), ("1.100", False), ("2.0", False)]
)
def test_too_old(api: str, expected: bool) -> None:
    error = too_old(parse_facts({**VERSION, "ApiVersion": api}, INFO), "unix:///x")
    assert (error is not None) == expected


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match="No such file"):
        ask(f"unix://{tmp_path}/none.sock")


def test_a_socket_that_nobody_serves(tmp_path: Path) -> None:
    left_over = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left_over.bind(str(tmp_path / "old.sock"))
    left_over.close()
    with pytest.raises(EngineUnreachable, match="refused"):
        ask(f"unix://{tmp_path}/old.sock")


def test_a_closed_port() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EngineUnreachable, match="refused"):
        ask(f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n<",
        b"",
    ],
)
def test_something_else_answers(serve: Serve, answer: bytes) -> None:
    with pytest.raises(EngineUnreachable):
        ask(serve(lambda connection: connection.sendall(answer)))


def test_an_engine_that_takes_the_connection_and_hangs(serve: Serve) -> None:
    start = time.monotonic()
    with pytest.raises((DeadlineExceeded, EngineUnreachable)):
        ask(serve(lambda connection: time.sleep(5)), 0.3)
    assert time.monotonic() - start < 1


def test_an_answer_that_trickles_is_bounded_as_a_whole(serve: Serve) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _byte in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        ask(serve(trickle), 0.3)
    assert time.monotonic() - start < 1


def test_waiting_ends_when_the_engine_comes(serve: Serve, tmp_path: Path) -> None:
    timer = threading.Timer(0.5, serve, [engine])
    timer.start()
    start = time.monotonic()
    assert ask(f"unix://{tmp_path}/engine.sock", wait=True) == FACTS
    assert 0.4 < time.monotonic() - start < 3
    timer.join()


def test_waiting_is_bounded_and_tells_the_cause(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(EngineUnreachable, match="No such file"):
        ask(f"unix://{tmp_path}/never.sock", 0.6, wait=True)
    assert 0.3 < time.monotonic() - start < 1


@pytest.mark.parametrize("url", ["", "/var/run/docker.sock", "ssh://host", "tcp://host", "tcp://host:x", "unix://"])
def test_an_address_that_cannot_be_one(url: str) -> None:
    with pytest.raises(InvalidInput, match="not the address"):
        ask(url)
