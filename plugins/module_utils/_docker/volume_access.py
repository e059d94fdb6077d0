# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes files in named volumes through the engine's archive API.

It works with read-only containers, running or not, and needs no shell in them. Where no container has the volume yet,
a temporary one does, which is never started.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import EngineError, ImageNotFound, InvalidInput
from . import health
from .client import request
from .volume_files import MARK, PENDING, SENT, File, Found, Observed, VolumePlan, Wish, archive, unpack

if TYPE_CHECKING:
    from docker import APIClient

_MOUNTS = "/howdah-volumes"
# Volumes of configuration are small; whatever is larger was not made by us.
_MOST_BYTES = 32 * 1024 * 1024
_REMOVAL_SECONDS = 10.0


@dataclass(frozen=True)
class _Place:
    """Where a container has a volume."""

    container: str
    folder: str
    writable: bool


class Volumes:
    """The volumes of one call; a context, as a temporary container may have to be removed.

    :param image: what a temporary container is made of.
    """

    def __init__(self, client: APIClient, wishes: Sequence[Wish], image: str | None, deadline: Deadline) -> None:
        self._client = client
        self._wishes = wishes
        self._image = image
        self._deadline = deadline
        self._temporary: str | None = None
        self._places: dict[str, _Place] = {}

    def __enter__(self) -> Volumes:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._temporary is not None:
            deadline = Deadline(_REMOVAL_SECONDS)
            with request(self._client, deadline, "removing a temporary container"):
                self._client.remove_container(self._temporary, force=True, v=True)

    def observe(self) -> list[Observed]:
        """What there is, volume by volume.

        :raises InvalidInput: when a temporary container is needed, and no image was given.
        """
        states = [self._container(wish) for wish in self._wishes]
        existing = [
            (wish, wish.volume in self._places or self._exists(wish.volume)) for wish in self._wishes
        ]
        self._borrow([wish for wish, exists in existing if exists and wish.volume not in self._places])
        return [
            Observed(exists, self._read(wish.volume) if exists else {}, running)
            for (wish, exists), running in zip(existing, states)
        ]

    def write(self, plans: Sequence[VolumePlan]) -> None:
        """Write what the plans say, and send the signals.

        :raises ContainerFailed: when a container is not healthy afterwards; then the signal is still owed.
        """
        todo = [(wish, decided) for wish, decided in zip(self._wishes, plans) if decided.write or decided.signals]
        self._open([wish for wish, _decided in todo])
        for wish, decided in todo:
            if decided.write:
                self._put(wish, [*decided.write, *_mark(PENDING if decided.signals else SENT, wish)])
            if decided.signals and wish.container is not None:
                with request(self._client, self._deadline, f"sending {wish.signal} to container {wish.container}"):
                    self._client.kill(wish.container, wish.signal)
                if wish.healthy_after:
                    health.await_pass(self._client, wish.container, wish.signal or "", self._deadline)
                self._put(wish, _mark(SENT, wish))

    def _open(self, wishes: Sequence[Wish]) -> None:
        """See that these volumes can be written to; through a container that has them read-only none can."""
        places = {wish.volume: self._places.get(wish.volume) for wish in wishes}
        if not all(place and place.writable for place in places.values()):
            # A container gets its mounts at its creation: one for all that no other container has open.
            shut = [name for name, at in places.items() if not (at and at.writable and at.container != self._temporary)]
            self._borrow([wish for wish in wishes if wish.volume in shut])

    def _container(self, wish: Wish) -> bool:
        """Note where the wish's container has the volume; tells whether that container runs."""
        if wish.container is None:
            return False
        told = self._inspect(wish.container)
        if told is None:
            return False
        for mount in told["Mounts"]:
            if mount["Type"] == "volume" and mount["Name"] == wish.volume:
                self._places[wish.volume] = _Place(told["Id"], mount["Destination"], mount["RW"])
                return bool(told["State"]["Running"])
        return False

    def _inspect(self, container: str) -> Mapping[str, Any] | None:
        try:
            with request(self._client, self._deadline, f"inspecting container {container}"):
                told: Mapping[str, Any] = self._client.inspect_container(container)
                return told
        except EngineError as error:
            if error.details["status"] == 404:
                return None
            raise

    def _exists(self, volume: str) -> bool:
        try:
            with request(self._client, self._deadline, f"inspecting volume {volume}"):
                self._client.inspect_volume(volume)
        except EngineError as error:
            if error.details["status"] == 404:
                return False
            raise
        return True

    def _borrow(self, wishes: Sequence[Wish]) -> None:
        """Have these volumes in a temporary container; volumes that do not exist are created with it."""
        if not wishes:
            return
        if self._image is None:
            raise InvalidInput(
                f"No container has the volume {wishes[0].volume} yet: give image, so that a temporary one can be made."
            )
        if self._temporary is not None:  # made for reading, without the volumes that did not exist then
            with request(self._client, self._deadline, "removing a temporary container"):
                self._client.remove_container(self._temporary, force=True, v=True)
            self._temporary = None
        binds = [f"{wish.volume}:{_MOUNTS}/{number}" for number, wish in enumerate(wishes)]
        try:
            with request(self._client, self._deadline, "creating a temporary container"):
                created = self._client.create_container(
                    self._image,
                    name=f"howdah-volume-files-{uuid.uuid4().hex[:12]}",
                    entrypoint=["/bin/true"],
                    host_config=self._client.create_host_config(binds=binds, network_mode="none"),
                )
        except EngineError as error:
            if error.details["status"] == 404:
                raise ImageNotFound(
                    f"The engine has no image {self._image!r}: build or pull it first.", image=self._image
                ) from error
            raise
        self._temporary = created["Id"]
        for number, wish in enumerate(wishes):
            self._places[wish.volume] = _Place(created["Id"], f"{_MOUNTS}/{number}", True)

    def _read(self, volume: str) -> dict[str, Found]:
        place = self._places[volume]
        data = bytearray()
        with request(self._client, self._deadline, f"reading volume {volume}"):
            stream, _stat = self._client.get_archive(place.container, place.folder)
            for part in stream:
                data += part
                if len(data) > _MOST_BYTES:
                    raise InvalidInput(
                        f"The volume {volume} holds more than {_MOST_BYTES} bytes: it is no volume of configuration."
                    )
                self._deadline.check(f"reading volume {volume}")
        return unpack(bytes(data))

    def _put(self, wish: Wish, files: Sequence[File]) -> None:
        place = self._places[wish.volume]
        folder, below = place.folder, ""
        if place.container == self._temporary:
            # From the root, so that the volume's own folder gets its owner, too.
            folder, below = "/", folder.lstrip("/")
        with request(self._client, self._deadline, f"writing to volume {wish.volume}"):
            self._client.put_archive(place.container, folder, archive(files, wish.uid, wish.gid, below))


def _mark(state: bytes, wish: Wish) -> list[File]:
    return [File(MARK, state, 0o600, False)] if wish.signal is not None else []
