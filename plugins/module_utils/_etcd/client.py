# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcd, asked from inside a member's container, with the member's own certificate.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import ContainerFailed, ContainerNotFound, EtcdRefused, HowdahError
from .._docker import client as docker_client
from .._docker.exec import run
from .members import Member, parse

_TLS = "/etc/howdah/tls"
_WORDS = (
    "etcdctl", "--endpoints=https://127.0.0.1:2379", f"--cacert={_TLS}/ca.crt", f"--cert={_TLS}/node.crt",
    f"--key={_TLS}/node.key", "--write-out=json",
)  # fmt: skip
_COMMAND_SECONDS = 10.0
_PAUSE = 0.5
# The cluster does not take changes while members are not connected for long enough: it says so, and takes them later.
_LATER = ("unhealthy cluster", "too many learner", "request timed out", "leader changed", "no leader")


class Etcd:
    """The members that have a container on one engine.

    :param params: module parameters: ``containers``, and those of the doc fragment ``docker``.
    """

    def __init__(self, params: Mapping[str, Any], deadline: Deadline) -> None:
        self._client = docker_client.connect(params, deadline)
        self._containers: Sequence[str] = params["containers"]
        self._deadline = deadline

    def members(self) -> tuple[Member, ...]:
        """Who belongs to the cluster."""
        return parse(self._ask("member", "list"))

    def announce(self, name: str, peer: str) -> None:
        """Have the cluster expect a further member.

        :raises EtcdRefused: when it does not, within the time limit.
        """
        self._until_taken("member", "add", name, f"--peer-urls={peer}")

    def remove(self, member: Member) -> None:
        """Have the cluster do without a member.

        :raises EtcdRefused: when it does not, within the time limit.
        """
        self._until_taken("member", "remove", member.identity)

    def _until_taken(self, *words: str) -> None:
        while True:
            try:
                self._ask(*words)
                return
            except EtcdRefused as error:
                if not any(hint in error.message for hint in _LATER) or self._deadline.left() < _COMMAND_SECONDS:
                    raise
            time.sleep(_PAUSE)

    def _ask(self, *words: str) -> str:
        """The output of a command, in the first container that can run it.

        :raises EtcdRefused: when it fails.
        """
        errors: list[HowdahError] = []
        for container in self._containers:
            seconds = min(_COMMAND_SECONDS, self._deadline.check("asking etcd"))
            # The engine cannot end what it runs: it must do so itself.
            bound = ["timeout", "--kill-after=1", f"{seconds:.1f}", *_WORDS, f"--command-timeout={seconds * 0.8:.1f}s"]
            try:
                done = run(self._client, container, [*bound, *words], b"", Deadline(seconds + 2))
            except (ContainerFailed, ContainerNotFound) as error:
                errors.append(error)
                continue
            if done.code == 0:
                return done.stdout.decode("utf-8", "replace")
            said = " ".join(done.stderr.decode("utf-8", "replace").split()) or f"exit code {done.code}"
            raise EtcdRefused(f"etcd in {container} refused `{' '.join(words[:2])}`: {said[-500:]}")
        raise errors[0]
