# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a container engine with Python's standard library alone: what an unchanged task and a build need.

Importing the Docker SDK takes longer than everything that such a task does. It remains what all the rest uses.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any, Generator, Iterable, Iterator, Mapping, Union
from urllib.parse import quote, urlencode, urlsplit

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, EngineError, EngineUnreachable, InvalidInput
from .client import agreed_version, request, unreachable

if TYPE_CHECKING:
    from docker import APIClient

    Engine = Union["Direct", APIClient]

_CHUNK = 1 << 16
# An answer that an engine refuses with is a sentence; more is not read.
_LONGEST_REFUSAL = 1 << 16


def fetch(engine: Engine, path: str, deadline: Deadline, doing: str) -> Any:
    """The JSON that the engine answers a GET of ``path`` with; None when there is no such thing."""
    if isinstance(engine, Direct):
        return engine.fetch(path, deadline, doing)
    try:
        with request(engine, deadline, doing):
            return engine._result(engine._get(engine._url(path)), True)
    except EngineError as error:
        if error.details["status"] == 404:
            return None
        raise


def containers(engine: Engine, filters: Mapping[str, str], deadline: Deadline, doing: str) -> list[Mapping[str, Any]]:
    """The engine's containers, running or not, that the filters let through."""
    if isinstance(engine, Direct):
        wanted = json.dumps({name: [value] for name, value in filters.items()})
        parts = engine.stream("GET", "/containers/json", deadline, doing, [("all", "1"), ("filters", wanted)])
        return list(json.loads(b"".join(parts)))
    with request(engine, deadline, doing):
        return list(engine.containers(all=True, filters=dict(filters)))


class Direct:
    """A connection to an engine, on which one request is made at a time.

    :param params: module parameters with the options of ``client.ARGUMENT_SPEC``.
    :ivar api: the API's version, agreed on with the engine.
    :raises InvalidInput: for an address that cannot be one.
    :raises EngineUnreachable: when nothing answers there, or the answer is not an engine's.
    :raises EngineTooOld: for engines before 20.10.
    """

    def __init__(self, params: Mapping[str, Any], deadline: Deadline) -> None:
        url = params["docker_host"]
        check_address(url)
        doing = f"connecting to the container engine at {url}"
        self._connection = connection(params, deadline.check(doing))
        try:
            self._connection.request("GET", "/_ping", headers=_HOST)
            response = self._connection.getresponse()
            response.read(_LONGEST_REFUSAL)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            deadline.check(doing)
            raise unreachable(url, error) from error
        self.api = agreed_version(url, response.status, response.headers.get("Api-Version"))

    def close(self) -> None:
        """Close the connection; the next request makes a new one. A build that runs is cancelled by that."""
        self._connection.close()

    def fetch(self, path: str, deadline: Deadline, doing: str) -> Any:
        """The JSON that the engine answers a GET with; None when there is no such thing."""
        try:
            return json.loads(b"".join(self.stream("GET", path, deadline, doing)))
        except EngineError as error:
            if error.details.get("status") == 404:
                return None
            raise
        except ValueError as error:
            raise EngineError(f"The container engine's answer cannot be read while {doing}.") from error

    def call(self, method: str, path: str, deadline: Deadline, doing: str, **query: str) -> None:
        """A request whose answer does not matter."""
        for _part in self.stream(method, path, deadline, doing, query.items()):
            pass

    def stream(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        doing: str,
        query: Iterable[tuple[str, str]] = (),
        body: Iterable[bytes] | None = None,
    ) -> Generator[bytes, None, None]:
        """The engine's answer as it comes.

        :param path: without the API's version, and without a query.
        :param body: a tar archive in pieces.
        :raises DeadlineExceeded: when the deadline hits; the connection is closed then, as after all errors.
        :raises EngineUnreachable: when the connection breaks.
        :raises EngineError: when the engine refuses; ``status`` has the HTTP status.
        """
        target = f"/v{self.api}" + quote(path, safe="/:@")
        parameters = list(query)
        if parameters:
            target += "?" + urlencode(parameters)
        try:
            yield from self._exchange(method, target, deadline, doing, body)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, socket.timeout) or deadline.expired():
                raise DeadlineExceeded(
                    f"The time limit of {deadline.seconds:g} s was reached while {doing}.", doing=doing
                ) from error
            raise EngineUnreachable(
                f"The connection to the container engine broke while {doing}: {error or type(error).__name__}"
            ) from error

    def _exchange(
        self, method: str, target: str, deadline: Deadline, doing: str, body: Iterable[bytes] | None
    ) -> Iterator[bytes]:
        whole = False
        try:
            self._patience(deadline, doing)
            if body is None:
                self._connection.request(method, target, headers=_HOST)
            else:
                self._send(method, target, deadline, doing, body)
            response = self._connection.getresponse()
            if response.status >= 400:
                explanation = _explanation(response.read(_LONGEST_REFUSAL))
                raise EngineError(
                    f"The container engine refused while {doing}: {explanation or response.reason}",
                    status=response.status,
                )
            while True:
                self._patience(deadline, doing)
                part = response.read1(_CHUNK)
                if not part:
                    break
                yield part
            response.read()  # nothing is left, but only this tells the connection so
            whole = True
        finally:
            if not whole:
                self.close()

    def _send(self, method: str, target: str, deadline: Deadline, doing: str, body: Iterable[bytes]) -> None:
        self._connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {**_HOST, "Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        try:
            for part in body:
                self._patience(deadline, doing)
                self._connection.send(b"%x\r\n%b\r\n" % (len(part), part))
            self._connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return  # an engine that refuses does not read on: its answer says why

    def _patience(self, deadline: Deadline, doing: str) -> None:
        """Have whatever the connection does next end at the deadline."""
        left = deadline.check(doing)
        self._connection.timeout = left
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left)


# "Host" is mandatory in HTTP/1.1, but a socket's path is no host name.
_HOST = {"Host": "docker"}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a TCP port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def check_address(docker_host: str) -> None:
    """Refuse what is not the address of an engine.

    :raises InvalidInput: for anything but unix:// with a path, and tcp:// with host and port.
    """
    try:
        parts = urlsplit(docker_host)
        good = (parts.scheme == "unix" and parts.path) or (parts.scheme == "tcp" and parts.hostname and parts.port)
    except ValueError:  # a port that is not a number
        good = False
    if not good:
        raise InvalidInput(
            f"docker_host {docker_host!r} is not the address of a container engine: write unix:// and the path of its"
            " socket, or tcp://HOST:PORT."
        )


def connection(params: Mapping[str, Any], seconds: float) -> http.client.HTTPConnection:
    """A connection, not yet opened, to the engine at an address that begins with unix:// or tcp://."""
    parts = urlsplit(params["docker_host"])
    if parts.scheme == "unix":
        return _UnixConnection(parts.path, seconds)
    host, port = parts.hostname or "", parts.port
    if not (params.get("docker_ca_cert") or params.get("docker_client_cert")):
        return http.client.HTTPConnection(host, port, timeout=seconds)
    import ssl

    context = ssl.create_default_context(cafile=params.get("docker_ca_cert"))
    if params.get("docker_client_cert"):
        context.load_cert_chain(params["docker_client_cert"], params["docker_client_key"])
    return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)


def _explanation(answer: bytes) -> str:
    """Why an engine refuses; what is not from the engine itself, as it is."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.decode("utf-8", "replace").strip()
