# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command in a running container, bounded in time, its secrets going through a pipe.

The engine cannot kill an exec. What is run must end by itself: a command that gets a time limit
with its request, as the image's agent does.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import io
import json
import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    ContainerFailed,
    ContainerNotFound,
    DeadlineExceeded,
    EngineError,
    EngineUnreachable,
    HowdahError,
    InvalidInput,
    OutcomeUnknown,
)
from .._postgres.wire import GRACE_SECONDS, error_of, line_of
from .client import connect, request

if TYPE_CHECKING:
    from docker import APIClient

AGENT = "/opt/container/bin/agent"
# A stream's frame: stream number, three zeros, length of what follows (big endian).
_HEADER_BYTES = 8
_STDOUT = 1
# Between two questions for an exit code, in seconds.
_PAUSE = 0.02
# More than any answer; a command that floods its output shall not fill the memory.
_MOST_BYTES = 16 * 1024 * 1024

# A server's socket, as the agent names it (libpq, which tells of the path itself, quotes it), and a container, as the
# engine does.
_SOCKET = re.compile(r"(?<!\S)/\S*/\.s\.PGSQL\.\d+")
_ITSELF = re.compile(r"[Cc]ontainer [0-9a-f]{64}")


@dataclass(frozen=True)
class Executed:
    """What a command wrote, and its exit code."""

    code: int
    stdout: bytes
    stderr: bytes


def run(client: APIClient, container: str, command: Sequence[str], stdin: bytes, deadline: Deadline) -> Executed:
    """Run a command as the container's own user, with no environment but the container's.

    :param stdin: is sent at once; the command must know its end without end-of-file.
    :raises ContainerNotFound: when there is no such container.
    :raises ContainerFailed: when it does not run.
    :raises DeadlineExceeded: when the command has not ended in time; with ``started`` when it may still run.
    """
    doing = f"running a command in container {container}"
    try:
        with request(client, deadline, doing):
            created = client.exec_create(container, list(command), stdin=True)
        with request(client, deadline, doing):
            stream = client.exec_start(created["Id"], socket=True)
    except EngineError as error:
        if error.details["status"] == 404:
            raise ContainerNotFound(
                f"There is no container {container!r} on this engine. Create it, or correct the name or docker_host."
            ) from error
        if error.details["status"] == 409:
            raise ContainerFailed(
                f"Nothing can be run in container {container!r}: {_ITSELF.sub('it', error.message.split(': ', 1)[-1])}."
                " Start it, or unpause it; its log tells why it has stopped."
            ) from error
        raise
    try:
        try:
            stdout, stderr = _talk(stream, stdin, deadline, doing)
        finally:
            stream._response.close()  # the SDK ties the response, which owns the connection, to the stream
        return Executed(_exit_code(client, created["Id"], deadline, doing), stdout, stderr)
    except (DeadlineExceeded, EngineUnreachable) as error:
        error.details["started"] = True
        raise
    except EngineError as error:
        if error.details["status"] != 404:
            raise
        raise ContainerFailed(f"Container {container!r} was removed while a command ran in it.") from error


def _exit_code(client: APIClient, command: str, deadline: Deadline, doing: str) -> int:
    """The engine may close the output before it has noticed that the command has ended: it has no code then."""
    while True:
        with request(client, deadline, doing):
            code: int | None = client.exec_inspect(command)["ExitCode"]
        if code is not None:
            return code
        time.sleep(min(_PAUSE, deadline.check(doing)))


def _talk(stream: Any, stdin: bytes, deadline: Deadline, doing: str) -> tuple[bytes, bytes]:
    """Send, and read to the end."""
    raw: socket.socket = getattr(stream, "_sock", stream)  # TLS: the SDK gives the socket itself
    # What read the answer's headers may have read on, where the command was faster than this process. The SDK's stream
    # passes that over, and what a command wrote would be gone.
    reader: io.BufferedReader = stream._response.raw._fp.fp
    output: dict[int, bytearray] = {}
    try:
        raw.settimeout(deadline.check(doing))
        try:
            raw.sendall(stdin)
        except BrokenPipeError:
            pass  # the command has ended without it; what it wrote tells why
        while True:
            header = _read(raw, reader, _HEADER_BYTES, deadline, doing)
            if len(header) < _HEADER_BYTES:
                break
            size = int.from_bytes(header[4:], "big")
            part = output.setdefault(header[0], bytearray())
            part += _read(raw, reader, size, deadline, doing)
            if len(part) > _MOST_BYTES:
                raise EngineError(f"The output is larger than {_MOST_BYTES} bytes while {doing}.", status=None)
    except socket.timeout as error:
        raise DeadlineExceeded(
            f"The time limit of {deadline.seconds:g} s was reached while {doing}.", doing=doing
        ) from error
    except OSError as error:
        raise EngineUnreachable(f"The connection to the container engine broke while {doing}: {error}") from error
    stderr = b"".join(bytes(part) for number, part in output.items() if number != _STDOUT)
    return bytes(output.get(_STDOUT, b"")), stderr


def _read(raw: socket.socket, reader: io.BufferedReader, size: int, deadline: Deadline, doing: str) -> bytes:
    """So many bytes, or fewer at the end. The time limit is the socket's, which the reader reads from."""
    parts = bytearray()
    while len(parts) < size:
        raw.settimeout(deadline.check(doing))
        part = reader.read1(size - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def ask_agent(
    params: Mapping[str, Any], message: Mapping[str, Any], deadline: Deadline, writes: bool
) -> dict[str, Any]:
    """The agent's answer: its result, with the error it ended on under ``error``.

    :param params: module parameters: ``container``, and those of the doc fragment ``docker``.
    :param message: a request as in wire.py, without its time limit.
    :param writes: whether the agent may change something, so that silence leaves it open.
    :raises InvalidInput: for a container whose image is not ours.
    :raises OutcomeUnknown: when the agent did not answer, and may have changed something.
    """
    container = params["container"]
    client = connect(params, deadline)
    try:
        return ask(client, container, message, deadline)
    except (DeadlineExceeded, EngineUnreachable) as error:
        if not (writes and error.details.get("started")):
            raise
        raise OutcomeUnknown(
            f"The agent in container {container!r} did not answer ({error.message.rstrip('.')}), and may have set"
            " passwords or not. Is the container frozen, or the machine busy? Run again to settle it: what is right"
            " already is left alone. TIMEOUT_CHANGE_PASSWORD, in seconds, gives the roles more time.",
            outcome="unknown",
        ) from error
    finally:
        client.close()


def ask(client: APIClient, container: str, message: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
    """As :func:`ask_agent`, with a connection that is there already, and without telling what silence may mean."""
    # What the agent needs to answer, after its own time limit, is taken from the time it gets.
    limit = deadline.check("asking the agent") - min(GRACE_SECONDS, deadline.left() / 4)
    return _answer(container, run(client, container, [AGENT], line_of({**message, "timeout": limit}), deadline))


def _answer(container: str, executed: Executed) -> dict[str, Any]:
    # Of a program that is missing, the engine's message names the path. A container that ends in this moment has the
    # same exit codes, and other words.
    if executed.code in (126, 127) and AGENT.encode() in executed.stdout + executed.stderr:
        raise InvalidInput(
            f"Container {container!r} has no {AGENT}: its image was not built by this collection."
            " Log in over TCP instead: login_host, login_port, login_user and login_password."
        )
    try:
        answer: dict[str, Any] = json.loads(executed.stdout)
    except ValueError as error:
        said = executed.stderr or executed.stdout
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no output"]
        raise ContainerFailed(
            f"The agent in container {container!r} failed with exit code {executed.code}: {last[0]}"
        ) from error
    if answer.get("error"):
        # The agent does not know what its container is called, and calls the server by its socket.
        named = _SOCKET.sub(lambda _found: container, answer["error"]["message"])
        answer["error"]["message"] = named.replace("in this container", f"in container {container!r}")
    return answer


def raise_failure(answer: Mapping[str, Any]) -> None:
    """Raise the error that the agent ended on, if any."""
    spelled = answer.get("error")
    if spelled:
        failure: HowdahError = error_of(spelled)
        raise failure
