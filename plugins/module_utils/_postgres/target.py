# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server may be, as addresses.

Names are looked up in names.py; addresses need none of it. What an unchanged password needs is kept small throughout
this package: Ansible sends modules as source, and each run compiles what it imports.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import socket
from typing import NamedTuple, Sequence

from .._core.basic_errors import InvalidInput
from .._core.deadline import Deadline


class Target(NamedTuple):
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
    password: str | None = None
    dbname: str = "postgres"
    ssl: tuple[tuple[str, str], ...] = ()
    require_auth: str | None = None

    def __repr__(self) -> str:
        """Without the password: a target in a traceback must not leak it."""
        return f"Target(hosts={self.hosts!r}, port={self.port}, user={self.user!r}, dbname={self.dbname!r})"


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


def check(target: Target) -> None:
    """Refuse what libpq would cut off or guess.

    :raises InvalidInput: for a NUL, and an empty login role.
    """
    texts = [*target.hosts, target.socket_dir, target.user, target.dbname, *[value for _name, value in target.ssl]]
    if any("\0" in text for text in texts):
        raise InvalidInput("A NUL character is in one of the connection's options. Remove it.")
    if not target.user:
        raise InvalidInput("The name of the login role is empty. Set login_user.")


def split_host(text: str, port: int) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address.

    :param port: where the text names none.
    :raises InvalidInput: for anything else.
    """
    text = text.strip()
    if text.startswith("["):
        host, end, rest = text[1:].partition("]")
        known = bool(end) and rest[:1] in ("", ":")
        digits = rest[1:] if rest else str(port)
    elif text.count(":") > 1:
        host, digits, known = text, str(port), "]" not in text
    else:
        host, colon, digits = text.partition(":")
        known = True
        digits = digits if colon else str(port)
    if not (known and host and digits.isascii() and digits.isdigit()):
        raise InvalidInput(f"{text!r} is not a host: write a name or an address, optionally with :port.")
    if not 1 <= int(digits) <= 65535:
        raise InvalidInput(f"{text!r} names port {digits}; ports are 1 to 65535.")
    return host, int(digits)


def resolve(target: Target, deadline: Deadline) -> tuple[list[Address], dict[str, str]]:
    """All addresses of the target in the order of its hosts, and why the other hosts have none.

    :param deadline: the whole of it may be used while there is no address at all.
    :raises InvalidInput: for what is no host, and for options that cannot be.
    """
    check(target)
    if not target.hosts:
        return [Address(target.socket_dir, None, target.port)], {}
    hosts = [split_host(host, target.port) for host in target.hosts]
    found: dict[int, Sequence[str]] = {}
    names = {}
    for index, (host, _port) in enumerate(hosts):
        try:
            found[index] = addresses_of(host, socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            names[index] = host
    why: dict[int, str] = {}
    if names:
        from .names import look_up

        answers, why = look_up(names, deadline, bool(found))
        found.update(answers)
    addresses = [Address(hosts[index][0], ip, hosts[index][1]) for index in sorted(found) for ip in found[index]]
    return addresses, {f"{hosts[index][0]}:{hosts[index][1]}": cause for index, cause in why.items()}


def addresses_of(host: str, flags: int = 0) -> list[str]:
    """The IP addresses of a host; blocks for as long as name servers do, unless the flags forbid to ask any."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys([str(entry[4][0]) for entry in found]))
