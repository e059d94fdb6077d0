# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a container engine: the Docker SDK's low-level client under a deadline.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterator, Mapping

from .._core.deadline import Deadline
from .._core.errors import (
    DeadlineExceeded,
    EngineError,
    EngineTooOld,
    EngineUnreachable,
    InvalidInput,
    MissingLibrary,
)
from .options import ARGUMENT_SPEC, REQUIRED_TOGETHER

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["ARGUMENT_SPEC", "REQUIRED_TOGETHER", "connect", "request"]

# Engine 20.10, as in Debian 12: the first whose POST /build?version=2 needs no session (measured).
OLDEST_API = (1, 41)
# The newest API whose normalisation this collection was tested with (engine 28.5).
NEWEST_API = (1, 51)


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def connect(params: Mapping[str, Any], deadline: Deadline) -> APIClient:
    """A client for the engine that the module's options name, its API version agreed on.

    One request (``GET /_ping``) tells whether the engine answers and what it can do; the SDK's own
    ``version="auto"`` costs a ``GET /version``, the dearest request of an unchanged container task.

    :param params: module parameters with the options of :data:`ARGUMENT_SPEC`.
    :param deadline: bounds this call, and the first requests; see :func:`request` for later ones.
    :raises MissingLibrary: without the Docker SDK for Python.
    :raises EngineUnreachable: when nothing answers there, or the answer is not an engine's.
    :raises EngineTooOld: for engines before 20.10.
    """
    # The import makes so many objects that collecting garbage meanwhile, of which there is none, takes a seventh of it.
    gc.disable()
    try:
        import docker  # about 80 ms: only after the arguments were checked
        from docker.tls import TLSConfig
    except ImportError as error:
        raise MissingLibrary(
            "The Docker SDK for Python is missing where this module runs: install Debian's python3-docker"
            " (the role howdah.postgresql.engine does), or `pip install docker`."
        ) from error
    finally:
        gc.enable()

    url = params["docker_host"]
    tls: Any = False
    if params.get("docker_ca_cert") or params.get("docker_client_cert"):
        pair = (params["docker_client_cert"], params["docker_client_key"]) if params["docker_client_cert"] else None
        tls = TLSConfig(client_cert=pair, ca_cert=params["docker_ca_cert"], verify=True)
    try:
        # Where proxies stand in the environment, requests would send engine traffic through them.
        oldest, left = _spelled(OLDEST_API), deadline.check("connecting")
        client = docker.APIClient(base_url=url, version=oldest, tls=tls, timeout=left)
    except docker.errors.DockerException as error:
        raise InvalidInput(f"docker_host {url!r} cannot be used: {error}") from error
    client.trust_env = False
    with request(client, deadline, f"connecting to the container engine at {url}"):
        try:
            response = client.get(f"{client.base_url}/_ping", timeout=client.timeout)
        except (OSError, ValueError) as error:
            if deadline.expired():
                raise
            raise unreachable(url, error) from error
    client._version = agreed_version(url, response.status_code, response.headers.get("Api-Version"))
    return client


def unreachable(url: str, error: BaseException) -> EngineUnreachable:
    """Nothing answers at the address."""
    return EngineUnreachable(
        f"No container engine answers at {url} ({_root(error)}). Start it, or install one with the role"
        " howdah.postgresql.engine; or set docker_host to the address of one that runs.",
        docker_host=url,
    )


def agreed_version(url: str, status: int, api: str | None) -> str:
    """The API's version to speak with an engine.

    :param status: of the answer to ``GET /_ping``.
    :param api: that answer's header ``Api-Version``.
    :raises EngineUnreachable: when it is not an engine's.
    :raises EngineTooOld: for engines before 20.10.
    """
    if status != 200 or not api:
        raise EngineUnreachable(
            f"What answers at {url} is not a container engine (HTTP status {status}).", docker_host=url
        )
    if _version(api) < OLDEST_API:
        raise EngineTooOld(
            f"The container engine at {url} speaks API {api}; this collection needs {_spelled(OLDEST_API)} or newer"
            " (Docker Engine 20.10, as in Debian 12).",
            docker_host=url,
            api_version=api,
        )
    return _spelled(min(_version(api), NEWEST_API))


def _spelled(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


@contextmanager
def request(client: APIClient, deadline: Deadline, doing: str) -> Iterator[None]:
    """Bound the requests inside by what is left, and turn the SDK's errors into ours.

    :param doing: completes "while …", and begins messages.
    :raises DeadlineExceeded: when the deadline hits.
    :raises EngineUnreachable: when the connection breaks.
    :raises EngineError: when the engine refuses; ``status`` has the HTTP status. Callers that
        expect a refusal (404, 409) catch it and look at ``details["status"]``.
    """
    from docker.errors import APIError
    from requests.exceptions import RequestException

    before = sys.exc_info()[1]  # what is being undone, say: not the cause of what fails here
    # requests' timeout is per read; the engine answers ordinary requests in one.
    client.timeout = deadline.check(doing)
    try:
        yield
    except APIError as error:
        raise EngineError(
            f"The container engine refused while {doing}: {error.explanation or error}", status=error.status_code
        ) from error
    except (RequestException, OSError) as error:
        if deadline.expired():
            raise DeadlineExceeded(
                f"The time limit of {deadline.seconds:g} s was reached while {doing}.", doing=doing
            ) from error
        raise EngineUnreachable(
            f"The connection to the container engine broke while {doing}: {_root(error, before)}"
        ) from error


def _root(error: BaseException, before: BaseException | None = None) -> str:
    """The cause that a person can act upon: requests and urllib3 wrap it several times.

    :param before: what had failed already.
    """
    seen: BaseException = error
    while True:
        inner = seen.__cause__ or seen.__context__
        if inner is None or inner is before:
            return str(seen) or type(seen).__name__
        seen = inner
