# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels that only a build itself can tell, such as versions of the packages that it installed.

A Dockerfile's labels are settled before its first step runs. So the build leaves a file, and the image is built upon
once more: nothing runs in that, and no layer is added.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import io
import json
import tarfile
import uuid
from typing import TYPE_CHECKING, Iterator, Mapping

from .._core.deadline import Deadline
from .._core.errors import BuildFailed, EngineError
from .client import request

if TYPE_CHECKING:
    from docker import APIClient

_KEY = "labels"
_MOST_BYTES = 8 << 20
_REMOVAL_SECONDS = 10.0


def read(client: APIClient, deadline: Deadline, image: str, path: str) -> dict[str, str]:
    """The labels that a file of the image tells.

    :param path: of a file of JSON, whose object ``labels`` counts.
    :raises BuildFailed: when there is no such file, or not such a content.
    """
    doing = f"reading {path} of the image {image}"
    with request(client, deadline, doing):
        made = client.create_container(
            image, name=f"howdah-image-labels-{uuid.uuid4().hex[:12]}", entrypoint=["/none"]
        )["Id"]
    data = bytearray()
    try:
        with request(client, deadline, doing):
            parts, _stat = client.get_archive(made, path)
            for part in parts:
                data += part
                deadline.check(doing)
                if len(data) > _MOST_BYTES:
                    raise _unfit(image, path, "is too large")
    except EngineError as error:
        if error.details.get("status") == 404:
            raise _unfit(image, path, "does not exist") from error
        raise
    finally:
        with request(client, Deadline(_REMOVAL_SECONDS), "removing a temporary container"):
            client.remove_container(made, force=True, v=True)
    return parse(bytes(data), image, path)


def parse(archive: bytes, image: str, path: str) -> dict[str, str]:
    """The labels in the file, which a tar archive holds. Pure.

    :raises BuildFailed: when it is not such a file.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            member = next(iter(tar), None)
            file = tar.extractfile(member) if member is not None and member.isfile() else None
            content = json.loads(file.read()) if file is not None else None
    except (tarfile.TarError, ValueError) as error:
        raise _unfit(image, path, "is not JSON") from error
    found = content.get(_KEY) if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise _unfit(image, path, f"has no object {_KEY!r} of texts")
    return found


def context(image: str) -> Iterator[bytes]:
    """The build context that makes the image anew, as it is: its labels come with the request."""
    text = f"FROM {image}\n".encode("ascii")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    yield archive.getvalue()


def merged(found: Mapping[str, str], given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """All labels, the later ones being stronger. Pure.

    :param found: what the build told.
    :param given: what the user wants.
    :param own: by which the image is known again.
    """
    return {**found, **given, **own}


def _unfit(image: str, path: str, why: str) -> BuildFailed:
    return BuildFailed(
        f"The image {image} was built, but labels_from cannot be followed: its file {path} {why}. It has to be JSON"
        f" like {{\"{_KEY}\": {{\"name\": \"text\"}}}}.",
        step=None,
        exit_code=None,
        output=[],
    )
