# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a command in a container that is of another image, or ends in this moment."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import ContainerFailed, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import AGENT, Executed, _answer, run
from docker import APIClient
from docker.errors import APIError
from requests import Response

LIBPQ = 'connection to server on socket "/tmp/.s.PGSQL.5432" failed: No such file'
REFUSED = "OCI runtime exec failed: exec failed: unable to start container process: "


@pytest.mark.parametrize("code", [126, 127])
@pytest.mark.parametrize("why", [f"stat {AGENT}: no such file or directory: unknown", "permission denied: unknown"])
def test_an_image_without_the_agent_is_the_users_to_change(code: int, why: str) -> None:
    with pytest.raises(InvalidInput, match="not built by this collection"):
        _answer("pg1", Executed(code, f'{REFUSED}exec: "{AGENT}": {why}'.encode(), b""))


# As Engine 20.10 and runc 1.1 say it of a container that is killed between the request and the start of the command.
@pytest.mark.parametrize(
    "said", ["read init-p: connection reset by peer: unknown", "error executing setns process: exit status 1: unknown"]
)
def test_a_container_that_ends_in_this_moment_is_not_taken_for_one_of_another_image(said: str) -> None:
    with pytest.raises(ContainerFailed, match=said):
        _answer("pg1", Executed(126, (REFUSED + said).encode(), b""))


def test_an_agent_that_says_nothing_has_failed() -> None:
    with pytest.raises(ContainerFailed, match="137: no output"):
        _answer("pg1", Executed(137, b"", b""))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("There is no role on /var/run/postgresql/.s.PGSQL.5432. Create it.", "There is no role on pg1. Create it."),
        ("/tmp/.s.PGSQL.5433: refused", "pg1: refused"),
        (LIBPQ, LIBPQ),  # they are about the path
    ],
)
def test_a_server_is_called_by_its_container(said: str, told: str) -> None:
    answer = {"error": {"message": said, "number": 1404}}
    assert _answer("pg1", Executed(1, json.dumps(answer).encode(), b""))["error"]["message"] == told


# As Engine 20.10 says it.
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Container {} is not running", "it is not running"),
        ("Container {} is paused, unpause the container before", "it is paused, unpause the container before"),
    ],
)
def test_a_container_is_called_by_its_name(said: str, told: str) -> None:
    class Client:
        timeout = 60

        def exec_create(self, *_arguments: object, **_options: object) -> NoReturn:
            response = Response()
            response.status_code = 409
            raise APIError("409 Client Error", response, said.format("c6f9" * 16))

    with pytest.raises(ContainerFailed, match=f"in container 'pg1': {told}. Start it"):
        run(Client(), "pg1", ["true"], b"", Deadline(5))


# What an engine answers to the three requests of a command that has written so much.
FRAMES = b"".join(bytes([stream, 0, 0, 0]) + len(part).to_bytes(4, "big") + part for stream, part in [
    (1, b"[1,"), (2, b"a warning"), (1, b"2" * 20_000), (1, b"]"),
])  # fmt: skip
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def _answers(listener: socket.socket) -> None:
    """An engine whose commands end before anybody reads: headers and output arrive together."""
    # Its end may be noticed after its output has been closed.
    ends = (_json({"ExitCode": None}), _json({"ExitCode": 3}))
    for answer in (_json({"Id": "e1"}), UPGRADED + FRAMES, *ends):
        connection, _peer = listener.accept()
        with connection, connection.makefile("rb") as request:
            request.readline()
            request.read(int(http.client.parse_headers(request)["Content-Length"] or 0))
            connection.sendall(answer)


def _json(content: object) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_nothing_is_lost_of_a_command_that_was_faster_than_its_reader(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "engine"))
        listener.listen()
        threading.Thread(target=_answers, args=(listener,), daemon=True).start()
        client = APIClient(f"unix://{tmp_path}/engine", version="1.41")
        executed = run(client, "pg1", ["true"], b"", Deadline(10))
        client.close()
    assert executed == Executed(3, b"[1," + b"2" * 20_000 + b"]", b"a warning")
