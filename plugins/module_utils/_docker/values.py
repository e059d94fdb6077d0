# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text forms of container options, read into values that compare equal when they mean the same.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import calendar
import ipaddress
import posixpath
import re
import signal
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .._core.errors import InvalidInput

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|s|m|h)?")
_DURATION_UNITS = {"us": 10**3, "ms": 10**6, "": 10**9, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PORT = re.compile(
    r"(?:(?P<ip>\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?P<host>\d+):(?P<container>\d+)(?:/(?P<proto>tcp|udp|sctp))?"
)
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PERMISSIONS = re.compile(r"(?!.*(.).*\1)[rwm]{1,3}")
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(?::[1-9]\d*)?")
_ULIMIT = re.compile(r"(?P<name>[a-z]+)=(?P<soft>-?\d+)(?::(?P<hard>-?\d+))?")


@dataclass(frozen=True, order=True)
class Port:
    """A published port; ``host_ip`` is in the standard spelling, without brackets."""

    host_ip: str
    host_port: int
    container_port: int
    proto: str

    def __str__(self) -> str:
        ip = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        return f"{ip}:{self.host_port}:{self.container_port}/{self.proto}"


@dataclass(frozen=True, order=True)
class Mount:
    """A named volume or a path of the host, at a path of the container."""

    target: str
    source: str
    read_only: bool

    @property
    def is_volume(self) -> bool:
        """Whether the source is the name of a volume, not a path."""
        return not self.source.startswith("/")

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + (":ro" if self.read_only else "")


@dataclass(frozen=True, order=True)
class Device:
    """A device of the host; ``permissions`` are of the letters r, w and m (make the node), in this order."""

    inside: str
    source: str
    permissions: str

    def __str__(self) -> str:
        return f"{self.source}:{self.inside}:{self.permissions}"


def size(option: str, text: str) -> int:
    """Bytes from ``256m``, ``1.5 GiB``, ``1048576``; units are powers of 1024, as in Docker.

    :raises InvalidInput: for anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise InvalidInput(f"{option} must be a size like 256m or 2g; got {text!r}.")
    return int(Fraction(match["number"]) * _SIZE_UNITS[match["unit"].lower()])


def duration(option: str, text: str) -> int:
    """Nanoseconds from ``5s``, ``1m30s``, ``500ms``, or a bare number of seconds.

    :raises InvalidInput: for anything else.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or (len(parts) > 1 and not parts[-1][1]):
        raise InvalidInput(f"{option} must be a duration like 5s, 1m30s or 500ms; got {text!r}.")
    return int(sum(Fraction(number) * _DURATION_UNITS[unit] for number, unit in parts))


def address(option: str, text: str) -> str:
    """The standard spelling of an IP address.

    :raises InvalidInput: when it is none.
    """
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise InvalidInput(f"{option} must be an IP address; got {text!r}.") from error


def port(text: str) -> Port:
    """A port from ``[host_ip:]host_port:container_port[/proto]``; the address defaults to 127.0.0.1.

    Published ports bypass a host's firewall, so that open ones must be asked for by address.

    :raises InvalidInput: for anything else.
    """
    match = _PORT.fullmatch(text)
    numbers = [int(match["host"]), int(match["container"])] if match else [0]
    if not match or not all(0 < number < 65536 for number in numbers):
        raise InvalidInput(
            f"ports must be like 5432:5432, 0.0.0.0:5432:5432 or [::1]:5432:5432/tcp, with ports from 1 to 65535;"
            f" got {text!r}."
        )
    ip = address("the address in ports", match["ip"].strip("[]")) if match["ip"] else "127.0.0.1"
    return Port(ip, numbers[0], numbers[1], match["proto"] or "tcp")


def meet(one: str, other: str) -> bool:
    """Whether the same port on these two addresses (empty: all addresses) is one port."""
    everywhere = ("", "0.0.0.0", "::")
    return one == other or one in everywhere or other in everywhere


def mount(text: str) -> Mount:
    """A mount from ``name_or_/path:/target[:ro|:rw]``.

    :raises InvalidInput: for anything else.
    """
    parts = text.split(":")
    mode = parts.pop() if len(parts) == 3 else "rw"
    if len(parts) != 2 or mode not in ("ro", "rw") or not parts[1].startswith("/"):
        raise InvalidInput(f"volumes must be like name:/path, /host/path:/path or name:/path:ro; got {text!r}.")
    source, target = parts
    if source.startswith("/"):
        source = clean_path(source)
    elif not _VOLUME_NAME.fullmatch(source):
        raise InvalidInput(
            f"The source in volumes must be an absolute path or the name of a volume (letters, digits, '_', '.', '-');"
            f" got {text!r}."
        )
    return Mount(clean_path(target), source, mode == "ro")


def clean_path(path: str) -> str:
    """The path without doubled and trailing slashes; POSIX leaves a leading ``//`` alone, engines do not."""
    return posixpath.normpath("/" + path.lstrip("/"))


def tmpfs(text: str) -> tuple[str, str]:
    """Path and options (sorted) from ``/path[:options]``.

    :raises InvalidInput: when the path is not absolute.
    """
    path, _colon, options = text.partition(":")
    if not path.startswith("/"):
        raise InvalidInput(f"tmpfs must be like /run or /run:size=64m,mode=0755; got {text!r}.")
    return clean_path(path), tmpfs_options(options)


def tmpfs_options(options: str) -> str:
    """Options of a tmpfs in a fixed order, which has no meaning."""
    return ",".join(sorted(filter(None, options.split(","))))


def restart_policy(text: str) -> str:
    """A restart policy as given.

    :raises InvalidInput: when it is none.
    """
    if not _RESTART.fullmatch(text):
        raise InvalidInput(f"restart_policy must be no, always, unless-stopped or on-failure[:n]; got {text!r}.")
    return text


def ulimit(text: str) -> tuple[str, tuple[int, int]]:
    """Name and (soft, hard) limit from ``nofile=1024[:2048]``.

    :raises InvalidInput: for anything else.
    """
    match = _ULIMIT.fullmatch(text)
    if not match:
        raise InvalidInput(f"ulimits must be like nofile=65536 or nofile=1024:65536; got {text!r}.")
    return match["name"], (int(match["soft"]), int(match["hard"] or match["soft"]))


def capability(text: str) -> str:
    """A capability without the prefix ``CAP_``, in capitals."""
    name = text.upper()
    return name[len("CAP_"):] if name.startswith("CAP_") else name


def device(text: str) -> Device:
    """A device from ``/dev/host[:/dev/container][:rwm]``.

    :raises InvalidInput: for anything else.
    """
    parts = text.split(":")
    allowed = parts.pop() if len(parts) > 1 and not parts[-1].startswith("/") else "rwm"
    paths = [part.startswith("/") for part in parts]
    if not all(paths) or len(paths) > 2 or not _PERMISSIONS.fullmatch(allowed):
        raise InvalidInput(f"devices must be like /dev/a, /dev/a:/dev/b or /dev/a:/dev/b:rw; got {text!r}.")
    return Device(clean_path(parts[-1]), clean_path(parts[0]), permissions(allowed))


def permissions(text: str) -> str:
    """Permissions of a device in the order that people write them in; engines take any."""
    return "".join(letter for letter in "rwm" if letter in text)


def security_option(text: str) -> str:
    """A security option in the spelling ``name=value``, whose value is left out when it is ``true``."""
    name, _colon, value = text.replace("=", ":", 1).partition(":")
    return name if value in ("", "true") else f"{name}={value}"


def stop_signal(text: str) -> str:
    """A signal's name with the prefix ``SIG``; engines take numbers and bare names too.

    :raises InvalidInput: when there is no such signal.
    """
    try:
        if text.isdigit():
            return signal.Signals(int(text)).name
        name = text.upper()
        name = name if name.startswith("SIG") else f"SIG{name}"
        # Real-time signals are written as an offset, which Python's enumeration does not know.
        return name if name.startswith("SIGRTM") else signal.Signals[name].name
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"stop_signal must be a signal like SIGINT; got {text!r}.") from error


def strings(option: str, values: dict[str, Any]) -> dict[str, str]:
    """A mapping with string values; whole numbers are written out.

    :raises InvalidInput: for other values, which YAML makes of unquoted words (``yes``, ``1.10``).
        The message never shows a value.
    """
    result = {}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            kind = type(value).__name__
            raise InvalidInput(f"The value of {name} in {option} is a {kind}, not a string: write it in quotes.")
        if "\0" in str(value) or "\0" in str(name) or not str(name):
            raise InvalidInput(f"{option} has an empty name, or a NUL character at {name!r}: neither can be passed on.")
        result[str(name)] = str(value)
    return result


def nanoseconds(stamp: str) -> int:
    """Nanoseconds since 1970 from the engine's ``2026-01-31T12:00:00.123456789Z``."""
    whole, _point, fraction = stamp.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(fraction.ljust(9, "0") or 0)
