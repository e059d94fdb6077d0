# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a server whether it answers: by hand, as loading a driver takes longer than the question."""
from __future__ import annotations

import os
import socket
import struct
from typing import Iterator, NamedTuple

_PROTOCOL_3 = 196608
_QUERY = b"SELECT 1\0"
_END = b"X" + struct.pack("!I", 4)
# SQLSTATE cannot_connect_now: it starts, recovers, or stops.
_NOT_YET = "57P03"


class Running(NamedTuple):
    """What postmaster.pid tells of a server.

    :param port: its port.
    :param socket_dir: the directory of its first Unix socket; empty without one.
    :param address: of its first listener; empty without TCP.
    :param ready: whether it accepts logins, by its own account.
    """

    port: int
    socket_dir: str
    address: str
    ready: bool


class Answer(NamedTuple):
    """What a server said.

    :param state: ``ready``; ``not_yet`` (alive, but no logins now); ``silent``.
    :param detail: in words.
    """

    state: str
    detail: str


def running(pgdata: str) -> Running | None:
    """The server of a cluster; None when there is none, or it is at its very beginning."""
    try:
        with open(f"{pgdata}/postmaster.pid", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except OSError:
        return None
    if len(lines) < 8 or not lines[3].isdigit():
        return None
    address = lines[5].strip()
    return Running(
        port=int(lines[3]),
        socket_dir=lines[4].strip(),
        address="127.0.0.1" if address in ("*", "0.0.0.0") else address,
        ready=lines[7].strip() in ("ready", "standby"),
    )


def ask(server: Running, user: str, timeout: float) -> Answer:
    """Log in over the socket as the container's user, and have the server answer a question.

    :param timeout: in seconds, for each of the few steps.
    """
    path = f"{server.socket_dir}/.s.PGSQL.{server.port}"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            return _converse(connection, user)
    except OSError as error:
        return Answer("silent", f"no answer at {path}: {error.strerror or error}")


def value(server: Running, user: str, query: str, timeout: float) -> str | None:
    """The first column of the one row that a query answers; None for NULL, or when there is no answer.

    :param timeout: in seconds, for each of the few steps.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(f"{server.socket_dir}/.s.PGSQL.{server.port}")
            _greet(connection, user, b"howdah.follow-up")
            for kind, data in _messages(connection):
                if kind == b"Z":
                    _query(connection, query.encode("ascii") + b"\0")
                elif kind == b"D":
                    connection.sendall(_END)
                    length = struct.unpack("!i", data[2:6])[0]
                    return None if length < 0 else data[6 : 6 + length].decode("utf-8", "replace")
                elif kind == b"E":
                    return None
    except OSError:
        pass  # it stops, or has other troubles, and will tell them itself
    return None


def reaches(server: Running, timeout: float) -> bool:
    """Whether the port accepts connections; nothing is said, and so nothing is logged."""
    try:
        socket.create_connection((server.address, server.port), timeout).close()
    except OSError:
        return False
    return True


def _greet(connection: socket.socket, user: str, application: bytes) -> None:
    words = (b"user", os.fsencode(user), b"database", b"postgres", b"application_name", application)
    body = struct.pack("!I", _PROTOCOL_3) + b"\0".join(words) + b"\0\0"
    connection.sendall(struct.pack("!I", len(body) + 4) + body)


def _query(connection: socket.socket, query: bytes) -> None:
    connection.sendall(b"Q" + struct.pack("!I", len(query) + 4) + query)


def _converse(connection: socket.socket, user: str) -> Answer:
    _greet(connection, user, b"howdah.health")
    asked = False
    for kind, data in _messages(connection):
        if kind == b"E":
            return _refusal(data)
        if kind == b"R" and struct.unpack("!I", data[:4]) != (0,):
            return Answer("ready", "the server asks for a password on its socket")
        if kind == b"Z" and not asked:
            _query(connection, _QUERY)
            asked = True
        elif kind == b"D":
            connection.sendall(_END)
            return Answer("ready", "the server answers")
    return Answer("silent", "the server closed the connection")


def _messages(connection: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while True:
        head = _exactly(connection, 5)
        if len(head) < 5:
            return
        yield head[:1], _exactly(connection, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            break
        data += more
    return data


def _refusal(data: bytes) -> Answer:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in data.split(b"\0") if part}
    message = fields.get(b"M", "")
    if fields.get(b"C") == _NOT_YET:
        return Answer("not_yet", message)
    # Whatever else it refuses (a role that was renamed, too many clients), it does serve.
    return Answer("ready", message)
