# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on an engine: looking, pulling, tagging, removing.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, EngineError, HowdahError, ImageInUse, ImageNotFound
from . import image_age
from .build_plan import Observed, Removal, Request
from .client import request
from .direct import Direct, containers, fetch

if TYPE_CHECKING:
    from docker import APIClient

    from .direct import Engine

# Pieces of an answer that may be read before they are used: an image is larger than the memory may be.
_AHEAD = 64


def bounded(lines: Iterable[Any], client: APIClient, deadline: Deadline, doing: str) -> Iterator[Any]:
    """Iterate over an engine's answer with an exact deadline.

    The SDK's own time limit starts anew with every chunk that arrives. A thread reads; when this
    iterator is left early, the process ends or the engine notices the closed connection.

    :raises DeadlineExceeded: when the deadline hits between two items.
    :raises HowdahError: what the connection raised, see :func:`client.request`.
    """
    items: queue.Queue[Any] = queue.Queue(_AHEAD)
    end = object()

    def read() -> None:
        try:
            with request(client, deadline, doing):
                for item in lines:
                    items.put(item)
        except HowdahError as error:
            items.put(error)
        finally:
            items.put(end)

    threading.Thread(target=read, name="howdah-reader", daemon=True).start()
    while True:
        try:
            item = items.get(timeout=deadline.check(doing))
        except queue.Empty:
            continue  # the deadline has passed: check() says so
        if item is end:
            return
        if isinstance(item, HowdahError):
            raise item
        yield item


def image_id(client: Engine, deadline: Deadline, name: str) -> str | None:
    """The ID of the image called so, or None."""
    found = inspect(client, deadline, name)
    return str(found["Id"]) if found else None


def inspect(client: Engine, deadline: Deadline, name: str) -> Mapping[str, Any] | None:
    """The engine's description of an image, or None."""
    found: Mapping[str, Any] | None = fetch(client, f"/images/{name}/json", deadline, f"looking for the image {name}")
    return found


def observe(
    client: Engine, deadline: Deadline, wanted: Request, connect: Callable[[], APIClient] | None
) -> Observed:
    """What the engine has of the wanted image and of what it is built upon.

    :param connect: makes the connection on which the engine is asked for what registries have; None not to ask them.
    """
    found = {name: inspect(client, deadline, name) for name in wanted.names}
    main = found[wanted.names[0]] or {}
    outdated: list[str] = []
    bases: dict[str, str | None] = {}
    for base in wanted.sources.bases:
        here = inspect(client, deadline, base)
        bases[base] = str(here["Id"]) if here else None
        if here and connect and _is_outdated(connect(), deadline, base, here):
            outdated.append(base)
    return Observed(
        {name: str(image["Id"]) if image else None for name, image in found.items()},
        (main.get("Config") or {}).get("Labels") or {},
        bases,
        tuple(outdated),
        image_age.days(image_age.built_at(client, deadline, main)) if main and wanted.max_age is not None else None,
    )


def observe_removal(client: Engine, deadline: Deadline, names: Sequence[str]) -> Removal:
    """What the engine has of images that shall go, and who uses them."""
    found = {name: inspect(client, deadline, name) for name in names}
    here = {str(image["Id"]): image for image in found.values() if image}
    users: dict[str, list[str]] = {}
    for image in here:
        found_by = containers(client, {"ancestor": image}, deadline, "looking for containers that use the image")
        # The filter also finds containers of images built upon this one: those do not need its name.
        users[image] = sorted(each["Names"][0].lstrip("/") for each in found_by if each["ImageID"] == image)
    return Removal(
        {name: str(image["Id"]) if image else None for name, image in found.items()},
        {image: tuple(about.get("RepoTags") or ()) for image, about in here.items()},
        users,
        _children(client, deadline, here) if here else {},
    )


def _children(
    client: Engine, deadline: Deadline, parents: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """The names of images that have all layers of one of these images, and more; a short ID for one without a name.

    An engine itself knows of parents only where its classic builder has made the child.
    """
    doing = "looking for images that were built upon the image"
    layers = {image: (about.get("RootFS") or {}).get("Layers") or [] for image, about in parents.items()}
    found: dict[str, list[str]] = {image: [] for image in parents}
    for listed in fetch(client, "/images/json", deadline, doing) or ():
        other = str(listed["Id"])
        about = None if other in parents else inspect(client, deadline, other)
        theirs = ((about or {}).get("RootFS") or {}).get("Layers") or []
        for image, ours in layers.items():
            if ours and len(theirs) > len(ours) and theirs[: len(ours)] == ours:
                found[image] += (about or {}).get("RepoTags") or [other.partition(":")[2][:12]]
    return found


def pull(client: APIClient, deadline: Deadline, name: str) -> None:
    """Pull an image within the deadline.

    :raises ImageNotFound: when the registry cannot be reached or does not have it.
    """
    error = ""

    def messages() -> Iterator[Any]:
        # Begins in the reading thread: the engine keeps silent until the registry answers.
        yield from client.pull(name, stream=True, decode=True)

    try:
        for message in bounded(messages(), client, deadline, f"pulling {name}"):
            error = message.get("error") or error
    except EngineError as refused:
        error = refused.message
    if error:
        raise ImageNotFound(
            f"The image {name} is not on the engine and cannot be pulled: {error}. Without a registry, the role"
            " howdah.postgresql.image bootstraps debian:<suite> from the host's Debian mirror; for other images,"
            " load them first.",
            image=name,
        )


def tag(client: Direct, deadline: Deadline, image: str, name: str) -> None:
    """Give an image a further name."""
    repository, _separator, label = name.rpartition(":")
    client.call("POST", f"/images/{image}/tag", deadline, f"tagging {name}", repo=repository, tag=label)


def remove(client: Engine, deadline: Deadline, name: str) -> None:
    """Remove a name, and the image with its last one.

    :raises ImageInUse: when something began to use it meanwhile.
    """
    doing = f"removing the image {name}"
    try:
        if isinstance(client, Direct):
            client.call("DELETE", f"/images/{name}", deadline, doing)
        else:
            with request(client, deadline, doing):
                client.remove_image(name)
    except EngineError as error:
        status = error.details.get("status")
        if status == 409:
            raise ImageInUse(f"The image {name} cannot be removed: {error.message}") from error
        if status != 404:
            raise


def remove_superseded(client: Engine, deadline: Deadline, image: str) -> None:
    """Remove an image that a build has taken the name from, unless something still needs it.

    Best effort: the build has succeeded, and an image that stays costs nothing but room.
    """
    try:
        about = inspect(client, deadline, image)
        if about and not about.get("RepoTags"):
            remove(client, deadline, image)
    except HowdahError:
        return


def _is_outdated(client: APIClient, deadline: Deadline, name: str, here: Mapping[str, Any]) -> bool:
    try:
        with request(client, deadline, f"asking the registry for {name}"):
            remote = client.inspect_distribution(name)["Descriptor"]["digest"]
    except DeadlineExceeded:
        raise
    except EngineError as error:
        raise ImageNotFound(
            f"pull is set, but the registry of {name} does not tell of it: {error.message}."
            " Turn pull off to build upon what the engine has.",
            image=name,
        ) from error
    return not any(digest.endswith("@" + remote) for digest in here.get("RepoDigests") or ())
