# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One question to the REST interface of Patroni, with the certificate of the node that asks.

By hand: a health check that loads a client for HTTP would take three times as long. As an HTTP/1.0
request the answer ends where the connection does.

Patroni's server writes head and body, and before them what ends the handshake, one by one, and the kernel keeps each
back until the one before is acknowledged (Nagle's algorithm). Its peer's kernel does that after 40 ms only, as an
answer might carry it along. So this side has it done at once: a question takes 4 ms instead of 48.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import select
import socket
from typing import Callable, NamedTuple

from .._core.errors import DeadlineExceeded, RestUnreachable

_MOST_BYTES = 16 * 1024 * 1024
# What ends the handshake comes within a millisecond, and from some servers not at all.
_END_OF_HANDSHAKE_SECONDS = 0.005


class Rest(NamedTuple):
    """Where to ask.

    :param host: name or address.
    :param port: its port.
    :param tls: the folder of ca.crt, node.crt and node.key; empty: without TLS.
    :param own: whether it is the interface of this very node, whose certificate may name it otherwise.
    """

    host: str
    port: int
    tls: str = ""
    own: bool = False

    @classmethod
    def at(cls, address: str, tls: str = "", own: bool = False) -> Rest:
        """From host:port, with brackets around an address that has colons."""
        host, _colon, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} is not host:port")
        return cls(host.strip("[]"), int(port), tls, own)


def ask(rest: Rest, method: str, path: str, body: str | None, left: Callable[[], float]) -> tuple[int, str]:
    """The status and the body of the answer.

    :param left: the seconds that are left, more than 0; asked before each step.
    :raises RestUnreachable: when nobody answers, or not as HTTP.
    :raises DeadlineExceeded: when the time is over.
    """
    where = f"{rest.host}:{rest.port}"
    try:
        with socket.create_connection((rest.host, rest.port), left()) as plain:
            with _secured(plain, rest) as connection:
                _acknowledge(connection)
                if rest.tls:
                    select.select([connection], [], [], _END_OF_HANDSHAKE_SECONDS)
                connection.sendall(_request(rest, method, path, body))
                answer = _all(connection, left)
    except socket.timeout as error:
        raise DeadlineExceeded(
            f"Patroni's REST interface at {where} did not answer in time.", doing=f"asking {where}"
        ) from error
    except (OSError, ValueError) as error:
        raise RestUnreachable(
            f"Patroni's REST interface at {where} cannot be asked: {_reason(error).rstrip('.')}."
            " Is the container running, is that its address (patroni_address), and is its certificate of the same"
            " authority?",
            address=where,
        ) from error
    if not answer:
        raise RestUnreachable(
            f"Patroni's REST interface at {where} broke off without an answer, as it does when etcd does not answer it:"
            " see that more than half of etcd's members run.",
            address=where,
        )
    head, _blank, content = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise RestUnreachable(f"What answers at {where} is not Patroni's REST interface.", address=where)
    return int(words[1]), content.decode("utf-8", "replace")


def _secured(plain: socket.socket, rest: Rest) -> socket.socket:
    if not rest.tls:
        return plain
    import ssl

    context = ssl.create_default_context(cafile=f"{rest.tls}/ca.crt")
    context.load_cert_chain(f"{rest.tls}/node.crt", f"{rest.tls}/node.key")
    context.check_hostname = not rest.own
    return context.wrap_socket(plain, server_hostname=rest.host)


def _acknowledge(connection: socket.socket) -> None:
    """Have the kernel acknowledge at once what has come. It goes back to its habit soon."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _request(rest: Rest, method: str, path: str, body: str | None) -> bytes:
    if not method.isalpha() or not path.startswith("/") or any(character.isspace() for character in path):
        raise ValueError(f"{method} {path} is no request")
    content = b"" if body is None else body.encode("utf-8")
    head = f"{method} {path} HTTP/1.0\r\nHost: {rest.host}:{rest.port}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return (head + "\r\n").encode("ascii") + content


def _all(connection: socket.socket, left: Callable[[], float]) -> bytes:
    answer = bytearray()
    while True:
        _acknowledge(connection)
        connection.settimeout(left())
        part = connection.recv(65536)
        if not part:
            return bytes(answer)
        answer += part
        if len(answer) > _MOST_BYTES:
            raise ValueError(f"the answer has more than {_MOST_BYTES} bytes")


def _reason(error: Exception) -> str:
    return getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
