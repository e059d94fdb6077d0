# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a base image comes from: what is planned, and the engine's part in it.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import BaseImageFailed, DeadlineExceeded, EngineError, EngineUnreachable, ImageNotFound
from .._core.plan import Action, Plan
from .bootstrap import RootFs
from .client import request
from .image_store import inspect, pull, remove_superseded
from .sources import Source, split_credentials

if TYPE_CHECKING:
    from docker import APIClient

LABELS = "io.howdah.base."
PULLED, BOOTSTRAPPED = "pulled", "bootstrapped"
# A machine without a registry shall not wait long to learn so.
_REGISTRY_SECONDS = 15.0


@dataclass(frozen=True)
class Base:
    """A base image, as the engine has it.

    :param id: the image's ID.
    :param origin: ``pulled``, ``bootstrapped``, or empty where that cannot be told.
    :param digests: the registry's digests of it, ``name@sha256:…``.
    :param labels: all of the image's labels.
    """

    id: str
    origin: str
    digests: tuple[str, ...]
    labels: Mapping[str, str]


def describe(image: Mapping[str, Any]) -> Base:
    """A base image from the engine's description of it."""
    labels = (image.get("Config") or {}).get("Labels") or {}
    digests = tuple(image.get("RepoDigests") or ())
    # An image from a registry is left as it is, so it has no label of ours; an imported one has no digest.
    origin = labels.get(LABELS + "origin") or (PULLED if digests else "")
    return Base(image["Id"], origin if origin in (PULLED, BOOTSTRAPPED) else "", digests, labels)


def find(client: APIClient, deadline: Deadline, name: str) -> Base | None:
    """The base image of that name, if the engine has it."""
    image = inspect(client, deadline, name)
    return describe(image) if image else None


def registry_digest(client: APIClient, deadline: Deadline, name: str) -> tuple[str, str]:
    """The digest that the registry has for the image's name now, or an empty string and the reason for it."""
    short = Deadline(min(_REGISTRY_SECONDS, deadline.check("asking the registry")))
    try:
        with request(client, short, f"asking the registry for {name}"):
            return str(client.inspect_distribution(name)["Descriptor"]["digest"]), ""
    except (DeadlineExceeded, EngineError, EngineUnreachable) as error:
        deadline.check(f"asking the registry for {name}")
        return "", error.message


def fetch(client: APIClient, deadline: Deadline, name: str) -> None:
    """Pull the image.

    :raises BaseImageFailed: when the registry, which knows the image, does not deliver it.
    """
    try:
        pull(client, deadline, name)
    except ImageNotFound as error:
        raise BaseImageFailed(
            f"The registry knows {name}, but pulling it failed: {error.message} Run again,"
            " or set pull: false to bootstrap the image.",
            reason="pull_failed",
        ) from error


def manifest(packages: str) -> str:
    """The digest of a list of packages."""
    return hashlib.sha256(packages.encode()).hexdigest()


def origin_labels(sources: Sequence[Source]) -> dict[str, str]:
    """The labels that tell where a bootstrapped image comes from; without credentials."""
    return {
        LABELS + "origin": BOOTSTRAPPED,
        LABELS + "mirror": split_credentials(sources[0].uri)[0],
        LABELS + "suites": " ".join(suite for source in sources for suite in source.suites),
    }


def plan_nothing(name: str, here: Base) -> Plan:
    """The plan that keeps the image as it is."""
    shown = _show(name, here)
    return Plan((), shown, shown)


def plan_pull(name: str, here: Base | None, digest: str) -> Plan:
    """The plan that has the engine pull the image of this digest from its registry, unless it is that already."""
    if here and any(known.endswith("@" + digest) for known in here.digests):
        return plan_nothing(name, here)
    after = {"image": name, "origin": PULLED, "digest": digest}
    return Plan((Action("pull", f"image {name}"),), _show(name, here), after)


def plan_import(name: str, here: Base | None, labels: Mapping[str, str]) -> Plan:
    """The plan that imports a bootstrapped image with these labels, unless it is there with the same packages.

    :param labels: those of :func:`origin_labels`; to replace an image, with the label ``packages``.
    """
    if here and all(here.labels.get(label) == value for label, value in labels.items()):
        return plan_nothing(name, here)
    after = {"image": name, **{label[len(LABELS) :]: value for label, value in labels.items()}}
    action = Action("bootstrap", f"image {name}", f"from {labels[LABELS + 'mirror']}")
    return Plan((action,), _show(name, here), after)


def _show(name: str, here: Base | None) -> dict[str, Any]:
    if here is None:
        return {}
    if here.origin != BOOTSTRAPPED:
        digest = {"digest": here.digests[0].rpartition("@")[2]} if here.digests else {}
        return {"image": name, "origin": here.origin, **digest}
    own = ("origin", "mirror", "suites", "packages")
    return {"image": name, **{key: here.labels[LABELS + key] for key in own if LABELS + key in here.labels}}


def load(client: APIClient, deadline: Deadline, name: str, root: RootFs, labels: Mapping[str, str]) -> None:
    """Import a root file system as an image with these labels, its packages' digest and the date.

    :raises BaseImageFailed: when the engine does not take it.
    """
    repository, _colon, tag = name.rpartition(":")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    every = {**labels, LABELS + "packages": manifest(root.packages), LABELS + "created": now.isoformat()}
    changes = ['CMD ["bash"]', *(f"LABEL {_quote(key)}={_quote(value)}" for key, value in every.items())]
    doing = f"importing the image {name}"
    with request(client, deadline, doing), root.tar.open("rb") as body:
        response = client.post(
            f"{client.base_url}/v{client.api_version}/images/create",
            params={"fromSrc": "-", "repo": repository, "tag": tag, "changes": changes},
            headers={"Content-Type": "application/tar"},
            data=_chunks(body, deadline, doing),
            timeout=client.timeout,
        )
    problem = _problem(response)
    if problem:
        raise BaseImageFailed(f"The engine does not take the image {name}: {problem}", reason="import_failed")


def drop(client: APIClient, deadline: Deadline, replaced: Base | None) -> None:
    """Remove the image whose name a newer one has taken, unless something still needs it."""
    if replaced:
        remove_superseded(client, deadline, replaced.id)


def _chunks(body: Any, deadline: Deadline, doing: str) -> Iterator[bytes]:
    while chunk := body.read(1 << 20):
        deadline.check(doing)
        yield chunk


def _problem(response: Any) -> str:
    """What is wrong, in the engine's words: it may tell so after it has begun to answer with success."""
    messages = [json.loads(line) for line in response.text.splitlines() if line.strip()]
    told = [message.get("error") or message.get("message") for message in messages]
    return next((text for text in told if text), "" if response.status_code < 400 else f"status {response.status_code}")


def _quote(text: str) -> str:
    # The engine reads changes as lines of a Dockerfile, where a dollar sign begins a variable.
    return json.dumps(text).replace("$", "\\$")
