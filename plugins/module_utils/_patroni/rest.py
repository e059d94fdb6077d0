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
# What was told along with something else is what there is now for so long.
_FRESH_SECONDS = 1.0


class Rest:
    """The members' REST interfaces, through the containers of one engine.

    :param params: module parameters: ``containers``, and those of the doc fragment ``docker``.
    """

    def __init__(self, params: Mapping[str, Any], deadline: Deadline) -> None:
        self.client: APIClient = docker_client.connect(params, deadline)
        self.containers: list[str] = list(params["containers"])
        self.deadline = deadline
        self._along: list[dict[str, Any]] = []
        self._kept: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._kept_until = 0.0

    def ask_along(self, *messages: dict[str, Any]) -> None:
        """Have the next question take these along: that a process is started in a container takes longest by far.

        Whoever asks one of them right afterwards is given the answer that there is, once. Another command than a
        question to Patroni concerns the container that has answered, and its answer is given for that one only.
        """
        self._along = list(messages)

    def _given(self, message: Mapping[str, Any], container: str | None = None) -> tuple[str, dict[str, Any]] | None:
        """Who has answered that already, and how. What failed is no answer: along with others it had little time."""
        if self.deadline.elapsed() >= self._kept_until:
            self._kept = []
        for number, (place, asked, answer) in enumerate(self._kept):
            if asked == message and container in (None, place):
                del self._kept[number]
                return None if "error" in answer else (place, answer)
        return None

    def _sent(self, container: str, message: dict[str, Any], bound: Deadline) -> dict[str, Any]:
        """The answer to a message, and what goes along kept for later."""
        if not self._along:
            return ask(self.client, container, message, bound)
        messages = [message, *self._along]
        told = ask(self.client, container, {"command": "several", "messages": messages}, bound)
        raise_failure(told)
        answers: list[dict[str, Any]] = told["result"]["answers"]
        self._along = []
        self._kept = [(container, *one) for one in zip(messages[1:], answers[1:])]
        self._kept_until = self.deadline.elapsed() + _FRESH_SECONDS
        return answers[0]

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
        given = self._given(rest_message(method, path, host, body))
        if given is not None:
            return given[1]["result"]["status"], given[1]["result"]["body"]
        errors: list[HowdahError] = []
        for container in list(self.containers):
            bound = Deadline(min(seconds or _ASK_SECONDS, self.deadline.check(f"asking Patroni for {path}")))
            message = rest_message(method, path, host, body)
            try:
                answer = self._sent(container, message, bound)
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
        given = self._given(message, container)
        bound = Deadline(min(seconds, self.deadline.check("asking the agent")))
        answer = given[1] if given else ask(self.client, container, message, bound)
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


def rest_message(method: str, path: str, host: str | None = None, body: Any = None) -> dict[str, Any]:
    """The agent's request for a question to a REST interface, see :meth:`Rest.ask`."""
    return {"command": "rest", "method": method, "path": path, "url_host": host, "body": body}


def _text(body: Any) -> str:
    return (body if isinstance(body, str) else str(body)).strip()[:500] or "no reason given"
