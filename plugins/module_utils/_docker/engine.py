# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container engine answers, and what it is: needs nothing but Python's standard library.

The role that installs the engine and its SDK asks before either is there, so the SDK cannot be used.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Mapping

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, EngineTooOld, EngineUnreachable, HowdahError
from .client import OLDEST_API
from .direct import check_address
from .direct import connection as open_connection

# How long to pause between two questions while an engine starts; dockerd needs 1 to 3 s.
_PAUSE = 0.2


@dataclass(frozen=True)
class EngineFacts:
    """What an engine tells of itself."""

    version: str
    api_version: str
    os: str
    os_name: str
    architecture: str
    cgroup_version: str
    cgroup_driver: str
    storage_driver: str
    rootless: bool

    def result(self) -> dict[str, Any]:
        """As a return value of a module."""
        return asdict(self)


def parse_facts(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineFacts:
    """The facts in the answers to ``GET /version`` and ``GET /info``.

    :raises KeyError: when these are not the answers of an engine.
    """
    return EngineFacts(
        version=version["Version"],
        api_version=version["ApiVersion"],
        os=version["Os"],
        os_name=info["OperatingSystem"],
        architecture=version["Arch"],
        cgroup_version=str(info.get("CgroupVersion", "1")),  # engines before 20.10 do not tell, and know 1 only
        cgroup_driver=info["CgroupDriver"],
        storage_driver=info["Driver"],
        rootless=any("rootless" in option for option in info.get("SecurityOptions") or ()),
    )


def too_old(facts: EngineFacts, docker_host: str) -> EngineTooOld | None:
    """The error that says so when an engine's API is older than what this collection needs."""
    major, minor = facts.api_version.split(".")
    if (int(major), int(minor)) >= OLDEST_API:
        return None
    needed = ".".join(map(str, OLDEST_API))
    return EngineTooOld(
        f"The container engine {facts.version} at {docker_host} speaks API {facts.api_version}; this collection needs"
        f" {needed} or newer. Upgrade it to Docker Engine 20.10 (as in Debian 12) or newer.",
    )


def probe(params: Mapping[str, Any], deadline: Deadline, wait: bool = False) -> EngineFacts:
    """Ask the engine that the options name.

    :param params: module parameters with the options of ``client.ARGUMENT_SPEC``.
    :param deadline: bounds everything: name resolution, connecting, and an engine that answers bit by bit.
    :param wait: keep asking until the deadline while nothing answers.
    :raises InvalidInput: for an address that cannot be one.
    :raises EngineUnreachable: when nothing answers there, or the answer is not an engine's.
    :raises DeadlineExceeded: when something took the connection, but did not answer in time.
    """
    check_address(params["docker_host"])
    while True:
        outcome = _bounded(params, deadline)
        if isinstance(outcome, EngineFacts):
            return outcome
        if not wait or not isinstance(outcome, EngineUnreachable) or deadline.left() <= _PAUSE:
            raise outcome
        time.sleep(_PAUSE)


def _bounded(params: Mapping[str, Any], deadline: Deadline) -> EngineFacts | HowdahError:
    """:func:`_ask` in a thread of its own: the only way to bound name resolution, and a slow trickle of bytes."""
    outcome: list[EngineFacts | HowdahError] = []
    doing = f"waiting for the answer of the container engine at {params['docker_host']}"
    left = deadline.check(doing)
    thread = threading.Thread(target=lambda: outcome.append(_ask(params, left)), daemon=True)
    thread.start()
    thread.join(left)
    if thread.is_alive():
        return DeadlineExceeded(f"The time limit of {deadline.seconds:g} s was reached while {doing}.", doing=doing)
    return outcome[0]


def _ask(params: Mapping[str, Any], seconds: float) -> EngineFacts | HowdahError:
    url = params["docker_host"]
    try:
        connection = open_connection(params, seconds)
        try:
            return parse_facts(_get(connection, "/version"), _get(connection, "/info"))
        finally:
            connection.close()
    except PermissionError as error:
        return EngineUnreachable(
            f"The container engine's socket {url} may not be used ({error.strerror}): become root,"
            " or a member of the group that owns the socket.",
        )
    except OSError as error:
        return EngineUnreachable(f"No container engine answers at {url} ({error.strerror or error}).")
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return EngineUnreachable(f"What answers at {url} is not a container engine ({type(error).__name__}).")


def _get(connection: http.client.HTTPConnection, path: str) -> Any:
    # "Host" is mandatory in HTTP/1.1, but a socket's path is no host name.
    connection.request("GET", path, headers={"Host": "docker"})
    return json.loads(connection.getresponse().read())
