# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a port that a container is to publish.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any, Collection, Iterable, Mapping

from .._core.deadline import Deadline
from .._core.errors import PortTaken
from . import values
from .direct import containers
from .spec import SUFFIX_NEW, SUFFIX_OLD, Wish
from .values import Port

if TYPE_CHECKING:
    from .direct import Engine
    from .reconcile import ContainerPlan


def running(engine: Engine, deadline: Deadline) -> list[Mapping[str, Any]]:
    """The engine's running containers, as it lists them with what they publish."""
    return containers(engine, {"status": "running"}, deadline, "looking for the holder of a port")


def holder(listed: Iterable[Mapping[str, Any]], ip: str, port: int) -> str | None:
    """The name of the container that has the port; None if none has."""
    for entry in listed:
        for published in entry.get("Ports") or ():
            if published.get("PublicPort") == port and values.meet(published.get("IP") or "", ip):
                return str(entry["Names"][0].lstrip("/"))
    return None


def taken(name: str, port: int, by: str | None) -> PortTaken:
    """The error of container ``name`` that cannot have a port.

    :param by: the container that has it; None for a process on the engine's host.
    """
    if by is not None:
        told = f"container {by}: stop that one"
    else:
        told = "a process on the engine's host, not by a container (`ss -ltnp` there shows it): stop that one"
    return PortTaken(
        f"Port {port} for container {name} is taken by {told}, or choose another port.", port=port, holder=by
    )


def taken_by_containers(engine: Engine, wish: Wish, wanted: Collection[Port], deadline: Deadline) -> PortTaken | None:
    """The error that the container would fail with, as another one has a port of it; None if none has."""
    if not wanted:
        return None
    own = {name + suffix for name in (wish.name, *wish.leaving) for suffix in ("", SUFFIX_NEW, SUFFIX_OLD)}
    listed = [entry for entry in running(engine, deadline) if entry["Names"][0].lstrip("/") not in own]
    for port in sorted(wanted):
        found = holder(listed, port.host_ip, port.host_port)
        if found is not None:
            return taken(wish.name, port.host_port, found)
    return None


def forecast(engine: Engine, wish: Wish, decided: ContainerPlan, here: bool, deadline: Deadline) -> PortTaken | None:
    """The error that a plan would fail with as things are now; None if its ports are free, as far as one can see.

    What has a port may give it up before the plan is carried out, so this is a forecast.

    :param decided: something that changes the container.
    :param here: whether the engine is on this machine, so that its ports can be tried.
    """
    if wish.spec is None or not decided.runs:
        return None
    current = decided.current
    own = {_outside(text) for text in current.fields["ports"]} if current is not None and current.running else set()
    wanted = [port for port in wish.spec.ports if _outside(str(port)) not in own]
    error = taken_by_containers(engine, wish, wanted, deadline)
    if error is None and here:
        busy = [port.host_port for port in sorted(wanted) if port.proto == "tcp" and _in_use(port)]
        error = taken(wish.name, busy[0], None) if busy else None
    return error


def _outside(port: str) -> str:
    """Address and port on the host, of a port as fields.py spells it."""
    return port.rpartition(":")[0]


def _in_use(port: Port) -> bool:
    family = socket.AF_INET6 if ":" in port.host_ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the engine's proxy does: connections that are ending are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((port.host_ip, port.host_port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False
