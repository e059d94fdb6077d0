# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from one engine to another: as an archive, or through a registry.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Iterator, Mapping

from .._core.canonical import digest
from .._core.deadline import Deadline
from .._core.errors import EngineError, ImageNotFound, InvalidInput, TransferFailed
from .._core.plan import Action, Plan
from . import image_store
from .client import ARGUMENT_SPEC as DOCKER_SPEC
from .client import request
from .image_store import bounded

if TYPE_CHECKING:
    from docker import APIClient

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **DOCKER_SPEC,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["saved", "loaded", "pushed", "pulled"], "required": True},
    "path": {"type": "path"},
    "image_pending": {"type": "bool", "default": False},
    "fingerprint": {"type": "str"},
    "timeout": {"type": "float", "default": 600},
    # Set by the action plugin, never by users: `recorded` (see Recorded) of the controller's archive, and `archive`,
    # its path on the target.
    "prepared": {"type": "dict"},
}
REQUIRED_IF = [("state", "saved", ("path",)), ("state", "loaded", ("path",))]

# What makes an image, in words that all engines use alike. Its ID does not: one that keeps images in containerd
# calls the same image by another digest.
_CONFIG = ("Env", "Cmd", "Entrypoint", "User", "Labels", "Volumes", "WorkingDir", "ExposedPorts", "StopSignal")
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Recorded:
    """What is known of an archive without reading it.

    :param fingerprint: of the image in it, see :func:`fingerprint`.
    :param sha256: of the archive, in hexadecimal.
    :param size: of the archive, in bytes.
    """

    fingerprint: str
    sha256: str
    size: int

    def as_dict(self) -> dict[str, Any]:
        """For the archive's companion file; ``Recorded(**content)`` is the way back."""
        return asdict(self)


def fingerprint(image: Mapping[str, Any]) -> str:
    """A digest of an image by which every engine knows it again.

    :param image: as the engine describes it.
    """
    config = image.get("Config") or {}
    return digest({
        "layers": (image.get("RootFS") or {}).get("Layers") or [],
        "created": image.get("Created"),
        "platform": [image.get("Os"), image.get("Architecture")],
        "config": {name: config[name] for name in _CONFIG if config.get(name)},
    })


def plan(verb: str, name: str, before: str, after: str) -> Plan:
    """What brings the image there.

    :param before: what is there; empty for nothing.
    :param after: what is to be there; equal to ``before`` when nothing is to be done.
    """
    if before == after:
        return Plan()
    why = "it is not there" if not before else "another one is there"
    return Plan((Action(verb, name, why),), {"image": _short(before)}, {"image": _short(after)})


def here(client: APIClient, deadline: Deadline, name: str) -> Mapping[str, Any]:
    """The engine's description of an image that must be there.

    :raises ImageNotFound: when it is not.
    """
    found = image_store.inspect(client, deadline, name)
    if found is None:
        raise ImageNotFound(f"The engine has no image {name}: build or load it first.", image=name)
    return found


def save(client: APIClient, deadline: Deadline, name: str, image: Mapping[str, Any], path: str) -> Recorded:
    """Write an image into an archive.

    :param image: as the engine describes it.
    :param path: a file that is there and empty, or is not there yet.
    """
    doing = f"saving the image {name}"
    hashed = hashlib.sha256()
    size = 0

    def chunks() -> Iterator[bytes]:
        with client.get(client._url("/images/{0}/get", name), stream=True, timeout=client.timeout) as response:
            client._raise_for_status(response)
            yield from response.iter_content(_CHUNK)

    try:
        with open(path, "wb") as file:
            for chunk in bounded(chunks(), client, deadline, doing):
                hashed.update(chunk)
                size += file.write(chunk)
    except OSError as error:
        raise TransferFailed(f"The image {name} cannot be written to {path}: {error.strerror}.", path=path) from error
    return Recorded(fingerprint(image), hashed.hexdigest(), size)


def load(client: APIClient, deadline: Deadline, name: str, recorded: Recorded, path: str) -> None:
    """Load an archive, once it has proved to have arrived whole.

    :raises TransferFailed: when the archive is not what was saved, or the engine refuses it.
    """
    try:
        with open(path, "rb") as file:
            arrived = sha256(file, deadline)
            if arrived != recorded.sha256:
                raise TransferFailed(
                    f"The archive of the image {name} is not what was saved: its SHA-256 is {arrived}, not"
                    f" {recorded.sha256}. Remove it on the controller, and save the image again.",
                    path=path,
                )
            file.seek(0)
            error = ""
            messages = _loading(client, file)
            for message in bounded(messages, client, deadline, f"loading the image {name}"):
                error = message.get("error") or error
    except OSError as failure:
        raise TransferFailed(f"The archive {path} cannot be read: {failure.strerror}.", path=path) from failure
    if error:
        raise TransferFailed(f"The engine cannot load the image {name}: {error}")
    if fingerprint(here(client, deadline, name)) != recorded.fingerprint:
        raise TransferFailed(f"The archive holds another image than {name} was when it was saved: save it again.")


def sha256(file: BinaryIO, deadline: Deadline) -> str:
    """The SHA-256 of a file's rest, in hexadecimal."""
    hashed = hashlib.sha256()
    while True:
        deadline.check("reading the archive of the image")
        chunk = file.read(_CHUNK)
        if not chunk:
            return hashed.hexdigest()
        hashed.update(chunk)


def local_digest(image: Mapping[str, Any] | None, name: str) -> str:
    """The digest by which the name's registry would know the engine's image; empty if it never had it."""
    repository = name.rpartition(":")[0] + "@"
    known = (image or {}).get("RepoDigests") or ()
    return next((entry[len(repository):] for entry in known if entry.startswith(repository)), "")


def registry_digest(client: APIClient, deadline: Deadline, name: str) -> str:
    """The digest of what a registry has under the name.

    :raises ImageNotFound: when it has nothing, or tells nothing.
    """
    try:
        with request(client, deadline, f"asking the registry for {name}"):
            return str(client.inspect_distribution(name)["Descriptor"]["digest"])
    except EngineError as error:
        raise ImageNotFound(f"The registry of {name} does not tell of it: {error.message}", image=name) from error


def push(client: APIClient, deadline: Deadline, name: str) -> None:
    """Push an image to the registry in its name, with the engine's host's own credentials.

    :raises TransferFailed: when the registry does not take it.
    """
    error = ""

    def messages() -> Iterator[Any]:
        yield from client.push(name, stream=True, decode=True)

    try:
        for message in bounded(messages(), client, deadline, f"pushing {name}"):
            error = message.get("error") or error
    except EngineError as refused:
        error = refused.message
    if error:
        raise TransferFailed(
            f"The image {name} cannot be pushed: {error}. Its name must begin with the registry's address; the login is"
            " that of `docker login` on the engine's host.",
            image=name,
        )


def recorded_of(prepared: Mapping[str, Any] | None) -> Recorded | None:
    """What the action plugin knows of the controller's archive.

    :raises InvalidInput: without the action plugin.
    """
    if prepared is None:
        raise InvalidInput(
            "The module image_transfer works only through its action plugin; call it as"
            " howdah.postgresql.image_transfer."
        )
    return Recorded(**prepared["recorded"]) if prepared.get("recorded") else None


def _loading(client: APIClient, file: BinaryIO) -> Iterator[Mapping[str, Any]]:
    with client.post(
        client._url("/images/load"),
        data=file,
        params={"quiet": "1"},
        headers={"Content-Type": "application/x-tar"},
        stream=True,
        timeout=client.timeout,
    ) as response:
        client._raise_for_status(response)
        yield from client._stream_helper(response, decode=True)


def _short(image: str) -> str:
    return image.rpartition(":")[2][:12] or "absent"
