# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking Patroni's REST interface: what its answers, and other than answers, are taken for."""

from __future__ import annotations

import socket
import threading
from typing import Iterator

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import RestUnreachable
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.rest import Rest, ask


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Who listens on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def asked(listener: socket.socket, answer: bytes) -> tuple[int, str]:
    """What becomes of a question that is answered so."""

    def serve() -> None:
        connection, _address = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    server = threading.Thread(target=serve)
    server.start()
    try:
        return ask(Rest("127.0.0.1", listener.getsockname()[1]), "GET", "/cluster", None, lambda: 5.0)
    finally:
        server.join()


def test_an_answer(listener: socket.socket) -> None:
    assert asked(listener, b"HTTP/1.0 503 Not Now\r\nServer: x\r\n\r\nlater") == (503, "later")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "broke off without an answer, as it does when etcd does not answer it"),
        (b"SSH-2.0-none\r\n", "is not Patroni's REST interface"),
        (b"HTTP/1.0 fine\r\n\r\n", "is not Patroni's REST interface"),
    ],
)
def test_what_is_no_answer(listener: socket.socket, answer: bytes, told: str) -> None:
    with pytest.raises(RestUnreachable, match=told):
        asked(listener, answer)
