# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server may be, as addresses: name resolution within a budget.

libpq resolves names inside PQconnectStart, where nothing can bound it. Names are therefore resolved
here, in threads that are left behind when a name server does not answer.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple, Sequence

from .._core.deadline import Deadline
from .._core.errors import InvalidInput

_HOST = re.compile(
    r"\[(?P<v6>[^\]]+)\](?::(?P<port6>\d+))?|(?P<name>[^:]+)(?::(?P<port>\d+))?|(?P<bare6>[^\[\]]*:.*:.*)"
)
# While one name server is silent, the names that were resolved shall still be tried.
_SHARE = 0.4


@dataclass(frozen=True)
class Target:
    """One database login, at one or several places.

    :param hosts: names or addresses, each optionally with ``:port``; none means the Unix socket.
    :param port: where a host names none; also a part of the socket's name.
    :param socket_dir: the directory of the Unix socket.
    :param password: in clear text, as login needs it.
    :param ssl: libpq's ``sslmode``, ``sslrootcert``, ``sslcert``, ``sslkey``, those that are set.
    :param require_auth: libpq's option of that name (libpq 16 or newer), or None.
    """

    hosts: tuple[str, ...] = ()
    port: int = 5432
    socket_dir: str = "/var/run/postgresql"
    user: str = "postgres"
    password: str | None = field(default=None, repr=False)
    dbname: str = "postgres"
    ssl: tuple[tuple[str, str], ...] = ()
    require_auth: str | None = None

    def __post_init__(self) -> None:
        values = (*self.hosts, self.socket_dir, self.user, self.dbname, *(value for dummy, value in self.ssl))
        if any("\0" in value for value in values):
            raise InvalidInput("A NUL character is in one of the connection's options. Remove it.")
        if not self.user:
            raise InvalidInput("The name of the login role is empty. Set login_user.")


class Address(NamedTuple):
    """One place to connect to.

    :param host: as the user wrote it, for certificates and messages; or the socket's directory.
    :param hostaddr: the IP address; None for a Unix socket.
    """

    host: str
    hostaddr: str | None
    port: int

    def __str__(self) -> str:
        return f"{self.host}/.s.PGSQL.{self.port}" if self.hostaddr is None else f"{self.host}:{self.port}"


def split_host(text: str, port: int) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address.

    :param port: where the text names none.
    :raises InvalidInput: for anything else.
    """
    match = _HOST.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"{text!r} is not a host: write a name or an address, optionally with :port.")
    host = match["v6"] or match["name"] or match["bare6"]
    number = int(match["port6"] or match["port"] or port)
    if not 1 <= number <= 65535:
        raise InvalidInput(f"{text!r} names port {number}; ports are 1 to 65535.")
    return host, number


def resolve(target: Target, deadline: Deadline) -> tuple[list[Address], dict[str, str]]:
    """All addresses of the target in the order of its hosts, and why the other hosts have none.

    :param deadline: the whole of it may be used while there is no address at all.
    """
    if not target.hosts:
        return [Address(target.socket_dir, None, target.port)], {}
    hosts = [split_host(host, target.port) for host in target.hosts]
    found: dict[int, list[Address]] = {}
    failures: dict[str, str] = {}
    for index, answer in _lookups(hosts, deadline):
        host, port = hosts[index]
        if isinstance(answer, OSError):
            failures[f"{host}:{port}"] = answer.strerror or str(answer)
        else:
            found[index] = [Address(host, hostaddr, port) for hostaddr in answer]
    for index, (host, port) in enumerate(hosts):
        if index not in found:
            failures.setdefault(f"{host}:{port}", "the name server does not answer")
    return [address for index in sorted(found) for address in found[index]], failures


def _lookups(hosts: Sequence[tuple[str, int]], deadline: Deadline) -> Iterator[tuple[int, list[str] | OSError]]:
    names = {}
    for index, (host, _port) in enumerate(hosts):
        try:
            yield index, _addresses(host, socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            names[index] = host
    if names:
        yield from _look_up(names, deadline, len(names) < len(hosts))


def _look_up(names: dict[int, str], deadline: Deadline, resolved: bool) -> Iterator[tuple[int, list[str] | OSError]]:
    """Ask name servers, all at once.

    :param resolved: whether there are addresses already.
    """
    import queue  # numeric addresses need none, and each import counts in a module's run

    answers: queue.Queue[tuple[int, list[str] | OSError]] = queue.Queue()

    def look_up(index: int, host: str) -> None:
        try:
            answers.put((index, _addresses(host)))
        except OSError as error:
            answers.put((index, error))
        except UnicodeError:
            answers.put((index, OSError(0, "the name is not a host name")))

    for index, host in names.items():
        threading.Thread(target=look_up, args=(index, host), daemon=True).start()
    early = deadline.left() * _SHARE
    for _dummy in names:
        # As long as nothing is resolved there is nothing better to do with the time.
        left = deadline.left() - (early if resolved else 0.0)
        try:
            answer = answers.get(timeout=max(0.0, left))
        except queue.Empty:
            return
        resolved = resolved or isinstance(answer[1], list)
        yield answer


def _addresses(host: str, flags: int = 0) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
