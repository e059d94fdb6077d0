# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni's REST interface, asked from inside the members' containers, with the members' own certificates.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    ContainerFailed,
    ContainerNotFound,
    DeadlineExceeded,
    HowdahError,
    NoLeader,
    PatroniRefused,
    RestUnreachable,
)
from .._docker import client as docker_client
from .._docker.exec import ask, raise_failure
from .cluster import Cluster, parse

if TYPE_CHECKING:
    from docker import APIClient

# The options of the doc fragment `patroni`, without those of `docker`.
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "containers": {"type": "list", "elements": "str", "required": True, "aliases": ["container"]},
}
# A member that cannot be asked shall not use up the time of the others.
_ASK_SECONDS = 10.0
# Patroni closes its interface for a moment when it reads a new certificate, and refuses whoever asks then.
_CLOSED_SECONDS = 1.5
_PAUSE = 0.5


class Rest:
    """The members' REST interfaces, through the containers of one engine.

    :param params: module parameters: ``containers``, and those of the doc fragment ``docker``.
    """

    def __init__(self, params: Mapping[str, Any], deadline: Deadline) -> None:
        self.client: APIClient = docker_client.connect(params, deadline)
        self.containers: list[str] = list(params["containers"])
        self.deadline = deadline

    def ask(
        self, method: str, path: str, host: str | None = None, body: Any = None, seconds: float | None = None
    ) -> tuple[int, Any]:
        """A status and a body, from the first container that can ask.

        :param host: host:port of another member; None for the container's own.
        :param seconds: bounds a request that takes long; by default a few seconds.
        :raises RestUnreachable: when no answer comes.
        """
        until = self.deadline.elapsed() + _CLOSED_SECONDS
        while True:
            try:
                return self._ask(method, path, host, body, seconds)
            except RestUnreachable:
                if method != "GET" or self.deadline.elapsed() + _PAUSE > until or self.deadline.left() <= _PAUSE:
                    raise
            time.sleep(_PAUSE)

    def _ask(self, method: str, path: str, host: str | None, body: Any, seconds: float | None) -> tuple[int, Any]:
        errors: list[HowdahError] = []
        for container in list(self.containers):
            bound = Deadline(min(seconds or _ASK_SECONDS, self.deadline.check(f"asking Patroni for {path}")))
            message = {"command": "rest", "method": method, "path": path, "url_host": host, "body": body}
            try:
                answer = ask(self.client, container, message, bound)
                raise_failure(answer)
            except DeadlineExceeded as error:
                # That one does not answer in time, on a busy machine, is not the end of the task.
                if method != "GET" or self.deadline.left() <= 0:
                    raise
                errors.append(RestUnreachable(error.message))
                continue
            except (ContainerFailed, ContainerNotFound, RestUnreachable) as error:
                errors.append(error)
                if method != "GET" and isinstance(error, RestUnreachable):
                    raise  # it may have arrived
                continue
            # Whoever has answered is asked first from now on.
            self.containers.sort(key=lambda name, first=container: name != first)  # type: ignore[misc]
            return answer["result"]["status"], answer["result"]["body"]
        raise errors[0]

    def command(
        self, container: str, message: Mapping[str, Any], seconds: float = _ASK_SECONDS
    ) -> dict[str, Any]:
        """The result of another command of the agent, in one container."""
        answer = ask(self.client, container, message, Deadline(min(seconds, self.deadline.check("asking the agent"))))
        raise_failure(answer)
        result: dict[str, Any] = answer["result"]
        return result

    def cluster(self) -> Cluster:
        """The cluster as it is now.

        :raises PatroniRefused: when Patroni does not know it, for example because etcd does not answer.
        """
        status, body = self.ask("GET", "/cluster")
        if status != 200 or not isinstance(body, dict):
            raise PatroniRefused(f"Patroni does not tell about the cluster (HTTP status {status}): {_text(body)}")
        return parse(body)

    def config(self) -> dict[str, Any]:
        """The dynamic configuration.

        :raises NoLeader: when there is none yet, as the cluster was not initialised.
        """
        status, body = self.ask("GET", "/config")
        if status != 200 or not isinstance(body, dict):
            raise NoLeader(f"The cluster has no configuration yet (HTTP status {status}): {_text(body)}")
        return body

    def must(self, method: str, path: str, host: str | None, body: Any, seconds: float, doing: str) -> Any:
        """The body of a request that must succeed.

        :param doing: completes "refused to …".
        """
        status, answer = self.ask(method, path, host, body, seconds)
        if status not in (200, 202):
            raise PatroniRefused(
                f"Patroni refused to {doing} (HTTP status {status}): {_text(answer)}", status=status
            )
        return answer

    def settle(self, expected: Sequence[str], deadline: Deadline, doing: str) -> Cluster:
        """Wait until the cluster is whole again.

        :param expected: names of the members that it is to have.
        :raises ClusterFailed: when waiting is in vain.
        :raises DeadlineExceeded: when it is not in time; the message tells what it lacks.
        """
        from .waiting import wait  # which knows this class

        cluster, _whole = wait(self, expected, (), deadline, False, doing=doing)
        return cluster or self.cluster()


def _text(body: Any) -> str:
    return (body if isinstance(body, str) else str(body)).strip()[:500] or "no reason given"
