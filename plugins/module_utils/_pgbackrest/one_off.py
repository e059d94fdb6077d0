# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container of its own for one restore: made, watched to its end, removed.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Mapping

from .._core.deadline import Deadline
from .._core.errors import (
    ContainerFailed,
    ContainerNotFound,
    EngineError,
    HowdahError,
    ImageNotFound,
    InvalidInput,
    NameConflict,
)
from .._docker import container_logs, observe
from .._docker.client import request
from .._docker.exec import raise_failure

if TYPE_CHECKING:
    from docker import APIClient

_PROGRAM = ("/usr/bin/dumb-init", "--single-child", "--", "/opt/container/bin/restore")
_DATA = "/var/lib/postgresql/data"
_CONFIG = "/etc/howdah"
_REPOSITORY = "/var/lib/pgbackrest"
_GRACE = 5.0  # seconds of the limit that the program does not get, so that it can still answer
_REMOVAL_SECONDS = 30.0


@dataclass(frozen=True)
class Place:
    """Where to restore, and from where.

    :param name: of the container.
    :param volume: that the data are in; None for one that goes with the container.
    :param config: volume with the node's settings and certificate; None with ``repository``.
    :param repository: the container whose repository is used, with its volumes and keys.
    :param network: that the repository, or the storage, is reached by; None: the repository's.
    """

    name: str
    image: str
    volume: str | None
    config: str | None = None
    repository: str | None = None
    network: str | None = None


class OneOff:
    """The container.

    :param warn: is told when the container could not be removed, which changes nothing in what came of it.
    """

    def __init__(self, client: APIClient, place: Place, deadline: Deadline, warn: Callable[[str], None]) -> None:
        self._client = client
        self._place = place
        self._deadline = deadline
        self._warn = warn

    def volume_exists(self) -> bool:
        """Whether there is anything to look at."""
        if self._place.volume is None:
            return False
        try:
            with request(self._client, self._deadline, f"inspecting volume {self._place.volume}"):
                self._client.inspect_volume(self._place.volume)
        except EngineError as error:
            if error.details["status"] == 404:
                return False
            raise
        return True

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The program's result.

        :param message: a request of the image's ``restore``.
        :raises HowdahError: that the program ended on; its findings so far are in the details.
        """
        doing = f"waiting for container {self._place.name}"
        limit = max(1.0, self._deadline.check(doing) - _GRACE)
        identity = self._create({**message, "timeout": limit})
        try:
            with request(self._client, self._deadline, f"starting container {self._place.name}"):
                self._client.start(identity)
            with request(self._client, self._deadline, doing):
                code = self._client.wait(identity, timeout=self._deadline.check(doing))["StatusCode"]
            answer = self._answer(identity, code)
        finally:
            self._remove(identity)
        if answer.get("error"):
            answer["error"]["details"] = {**answer["result"], **answer["error"]["details"]}
        raise_failure(answer)
        result: dict[str, Any] = answer["result"]
        return result

    def _remove(self, identity: str) -> None:
        name = self._place.name
        try:
            with request(self._client, Deadline(_REMOVAL_SECONDS), f"removing container {name}"):
                self._client.remove_container(identity, force=True, v=True)
        except HowdahError as error:
            told = error.message.rstrip(". ")
            self._warn(f"Container {name} is left: {told}. Remove it before the next run: docker rm -fv {name}.")

    def _answer(self, identity: str, code: int) -> dict[str, Any]:
        deadline = Deadline(_REMOVAL_SECONDS)
        with request(self._client, deadline, "reading the answer of the restore"):
            # All of it, which is one line: the engine counts a tail's lines before it leaves out the other stream.
            output = self._client.logs(identity, stdout=True, stderr=False)
        try:
            answer: dict[str, Any] = json.loads(output.strip().rpartition(b"\n")[2])
            return answer
        except ValueError as error:
            lines = container_logs.read(self._client, identity, (), deadline)
            raise ContainerFailed(
                f"The restore in container {self._place.name} ended with code {code}, without an answer:"
                f" {container_logs.headline(lines)}", lines=lines,
            ) from error

    def _create(self, message: Mapping[str, Any]) -> str:
        place = self._place
        binds = [f"{place.volume}:{_DATA}"] if place.volume else []
        environment: list[str] = []
        network = place.network
        if place.config:
            binds.append(f"{place.config}:{_CONFIG}:ro")
        if place.repository:
            more, environment, found = self._of_repository(place.repository)
            binds += more
            network = network or found
        doing = f"creating container {place.name}"
        try:
            with request(self._client, self._deadline, doing):
                created = self._client.create_container(
                    place.image,
                    name=place.name,
                    command=[*_PROGRAM, json.dumps(message)],
                    environment=environment,
                    healthcheck={"test": ["NONE"]},
                    labels={"io.howdah.postgresql.one-off": "restore"},
                    host_config=self._client.create_host_config(
                        binds=binds, network_mode=network or "none", read_only=True,
                        tmpfs={"/tmp": "", "/run/postgresql": ""}, cap_drop=["ALL"],
                        security_opt=["no-new-privileges"], shm_size="256m",
                    ),
                )
        except EngineError as error:
            if error.details["status"] == 404:
                raise ImageNotFound(
                    f"The engine has no image {place.image!r}, or no network {network!r}: {error.message}",
                    image=place.image,
                ) from error
            if error.details["status"] == 409:
                raise self._taken() from error
            raise
        identity: str = created["Id"]
        return identity

    def _taken(self) -> NameConflict:
        """The error that there is a container of that name, by what it does."""
        name = self._place.name
        found = observe.container(self._client, name, self._deadline)
        if found is not None and found.running:
            return NameConflict(
                f"Another restore, or the check of one, is at work in container {name}: wait until that has ended.",
                name=name,
            )
        return NameConflict(
            f"There is a container {name} already, of a restore that was cut off; it does not run. Remove it:"
            f" docker rm {name}.", name=name,
        )

    def _of_repository(self, container: str) -> tuple[list[str], list[str], str]:
        """Volumes (read-only), keys and network of the repository's container."""
        try:
            with request(self._client, self._deadline, f"inspecting container {container}"):
                told = self._client.inspect_container(container)
        except EngineError as error:
            if error.details["status"] == 404:
                raise ContainerNotFound(
                    f"There is no container {container!r} on this engine: the repository must be on the engine that is"
                    " restored on."
                ) from error
            raise
        wanted = (_CONFIG, _REPOSITORY)
        binds = [
            f"{mount['Name']}:{mount['Destination']}:ro"
            for mount in told["Mounts"] if mount["Type"] == "volume" and mount["Destination"] in wanted
        ]
        if len(binds) != len(wanted):
            raise InvalidInput(f"Container {container!r} is no repository of this collection's.")
        keys = [one for one in told["Config"]["Env"] or () if one.startswith("PGBACKREST_")]
        network = next(iter(told["NetworkSettings"]["Networks"]), "none")
        return binds, keys, network
