# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests with the standard library: what goes out, what comes back, and every way in which it does not."""
from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    DeadlineExceeded,
    EngineError,
    EngineTooOld,
    EngineUnreachable,
    InvalidInput,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.direct import Direct, containers, fetch

PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"
HALF = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"


class Engine:
    """Answers ``/_ping`` by itself, and everything else as told; notes the requests."""

    def __init__(self, path: Path, answer: Callable[[str], Iterator[bytes]], pong: bytes = PONG) -> None:
        self.params = {"docker_host": f"unix://{path}"}
        self.requests: list[str] = []
        self.connections = 0
        self.body = b""
        self._answer, self._pong = answer, pong
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while True:
                line = file.readline().decode()
                if not line:
                    return
                headers = {name.lower(): value.strip() for name, _colon, value in
                           (text.partition(":") for text in iter(lambda: file.readline().decode().strip(), ""))}
                if headers.get("transfer-encoding") == "chunked":
                    while size := int(file.readline(), 16):
                        self.body += file.read(size + 2)[:-2]
                    file.readline()
                method, target, _version = line.split()
                try:
                    if target == "/_ping":
                        connection.sendall(self._pong)
                        continue
                    self.requests.append(f"{method} {target}")
                    for part in self._answer(target):
                        connection.sendall(part)
                except OSError:
                    return


def plain(content: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def chunked(*parts: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for part in parts:
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    made = []

    def make(answer: Callable[[str], Iterator[bytes]], pong: bytes = PONG) -> Engine:
        made.append(Engine(tmp_path / "engine.sock", answer, pong))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def test_all_requests_go_over_one_connection(engine: Callable[..., Engine]) -> None:
    def answer(target: str) -> Iterator[bytes]:
        if "none" in target:
            return iter([plain(b'{"message": "no such container"}', "404 Not Found")])
        return iter([plain(b'{"Id": "x"}')]) if "one" in target else chunked(b'{"Id"', b': "', b'y"}')

    served = engine(answer)
    direct = Direct(served.params, Deadline(5))
    assert [fetch(direct, f"/containers/{name}/json", Deadline(5), "looking") for name in ("one", "two")] == [
        {"Id": "x"}, {"Id": "y"}
    ]  # fmt: skip
    assert served.connections == 1
    assert fetch(direct, "/containers/none/json", Deadline(5), "looking") is None
    assert fetch(direct, "/containers/one/json", Deadline(5), "looking") == {"Id": "x"}
    assert served.requests[0] == "GET /v1.41/containers/one/json"


def test_names_are_quoted_and_filters_are_sent(engine: Callable[..., Engine]) -> None:
    served = engine(lambda target: iter([plain(b"[]")]))
    direct = Direct(served.params, Deadline(5))
    fetch(direct, "/images/a b?c:1@sha256:0/json", Deadline(5), "looking")
    assert containers(direct, {"volume": "v&w"}, Deadline(5), "listing") == []
    direct.call("POST", "/images/x/tag", Deadline(5), "tagging", repo="a/b", tag="1")
    assert served.requests == [
        "GET /v1.41/images/a%20b%3Fc:1@sha256:0/json",
        "GET /v1.41/containers/json?all=1&filters=%7B%22volume%22%3A+%5B%22v%26w%22%5D%7D",
        "POST /v1.41/images/x/tag?repo=a%2Fb&tag=1",
    ]


def test_a_body_is_sent_in_pieces_and_the_answer_comes_as_it_is_made(engine: Callable[..., Engine]) -> None:
    gate = threading.Event()

    def answer(_target: str) -> Iterator[bytes]:
        for number, part in enumerate(chunked(b"first", b"second")):
            yield part
            if number == 1:
                gate.wait(5)

    served = engine(answer)
    pieces = [b"a" * 70000, b"b"]
    stream = Direct(served.params, Deadline(5)).stream("POST", "/build", Deadline(5), "building", [("t", "x")], pieces)
    assert next(stream) == b"first"
    gate.set()
    assert list(stream) == [b"second"]
    assert served.body == b"".join(pieces)


def test_a_refusal_says_why_even_if_the_body_was_not_read(tmp_path: Path) -> None:
    def serve(listener: socket.socket) -> None:
        connection, _address = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(PONG)
            connection.recv(4096)
            connection.sendall(plain(b'{"message": "no such stage"}', "400 Bad Request"))

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    direct = Direct({"docker_host": f"unix://{tmp_path}/s"}, Deadline(5))
    with pytest.raises(EngineError, match="refused while building: no such stage") as refused:
        list(direct.stream("POST", "/build", Deadline(5), "building", (), (bytes(1 << 20) for _part in range(20))))
    assert refused.value.details["status"] == 400


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda _target: iter([]), id="silence"),
        pytest.param(lambda _target: iter([HALF]), id="half"),
    ],
)
def test_the_deadline_holds(engine: Callable[..., Engine], answer: Any) -> None:
    direct = Direct(engine(answer).params, Deadline(5))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="limit of 0.3 s was reached while looking"):
        fetch(direct, "/containers/x/json", Deadline(0.3), "looking")
    assert 0.25 < time.monotonic() - began < 1


@pytest.mark.parametrize("cut", [b"", HALF, b"nonsense\r\n"])
def test_a_broken_connection_is_told(engine: Callable[..., Engine], cut: bytes) -> None:
    def answer(_target: str) -> Iterator[bytes]:
        yield cut
        raise OSError("the engine dies here")

    direct = Direct(engine(answer).params, Deadline(5))
    with pytest.raises(EngineUnreachable, match="connection to the container engine broke while looking"):
        fetch(direct, "/containers/x/json", Deadline(5), "looking")


def test_an_answer_that_is_no_json_is_told(engine: Callable[..., Engine]) -> None:
    direct = Direct(engine(lambda _target: iter([plain(b"<html>")])).params, Deadline(5))
    with pytest.raises(EngineError, match="cannot be read while looking"):
        fetch(direct, "/containers/x/json", Deadline(5), "looking")


def test_who_is_no_engine_or_too_old_is_told(engine: Callable[..., Engine], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not the address of a container engine"):
        Direct({"docker_host": "npipe://x"}, Deadline(1))
    with pytest.raises(EngineUnreachable, match="No container engine answers at unix://.*No such file"):
        Direct({"docker_host": f"unix://{tmp_path}/none"}, Deadline(1))
    old = engine(lambda _target: iter([]), PONG.replace(b"1.41", b"1.40"))
    with pytest.raises(EngineTooOld, match=r"speaks API 1\.40"):
        Direct(old.params, Deadline(1))


def test_a_web_server_is_no_engine(engine: Callable[..., Engine]) -> None:
    server = engine(lambda _target: iter([]), plain(b"welcome"))
    with pytest.raises(EngineUnreachable, match=r"is not a container engine \(HTTP status 200\)"):
        Direct(server.params, Deadline(1))


def test_looking_needs_no_sdk() -> None:
    """The reason for all this: the SDK's import takes longer than an unchanged task."""
    package = "ansible_collections.howdah.postgresql.plugins.module_utils._docker"
    code = f"import json, sys; from {package} import container_list, image_run; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"docker", "requests"} & set(json.loads(done.stdout))
