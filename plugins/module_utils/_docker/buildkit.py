# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images with the BuildKit inside the engine, through the plain Engine API.

``POST /build?version=2`` with a tar body needs neither a CLI nor buildx nor a gRPC session (and
therefore has no build secrets, which need one).

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import base64
import binascii
import json
import os
import select
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import BuildFailed, DeadlineExceeded, EngineError, HowdahError, InvalidInput
from . import trace
from .build_log import BuildLog
from .direct import Direct

# Messages of the trace are a few kB; without a bound, an engine gone mad would fill the memory.
_LONGEST_MESSAGE = 64 << 20
_CHUNK = 1 << 18
_END_OF_ARCHIVE = bytes(1024)
# The controller writes as soon as somebody reads.
_WRITER_SECONDS = 20.0

Event = Mapping[str, Any]


@dataclass(frozen=True)
class BuildOptions:
    """How to build; the names are those of the module's options.

    :param names: complete references that the image gets.
    :param no_cache: whether to run every step again.
    """

    names: Sequence[str]
    dockerfile: str
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    network: str = "default"
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False

    def query(self) -> list[tuple[str, str]]:
        """The parameters of the request."""
        query = [
            ("version", "2"),
            ("dockerfile", self.dockerfile),
            ("buildargs", json.dumps(dict(self.args))),
            ("labels", json.dumps(dict(self.labels))),
            ("networkmode", self.network),
            *(("t", name) for name in self.names),
            *(("extrahosts", f"{name}:{address}") for name, address in sorted(self.extra_hosts.items())),
            ("target", self.target or ""),
            ("platform", self.platform or ""),
            ("nocache", "1" if self.no_cache else ""),
        ]
        return [(key, value) for key, value in query if value]


def build(
    client: Direct,
    body: Iterable[bytes],
    options: BuildOptions,
    deadline: Deadline,
    tell: Callable[[Event], None],
) -> BuildLog:
    """Build an image.

    :param body: the context as a tar archive in pieces, see :func:`read_archive`.
    :param tell: called with each progress event, see :class:`.build_log.BuildLog`.
    :return: the log of the build.
    :raises BuildFailed: when a step fails; names it, its exit code and its last output.
    :raises DeadlineExceeded: when the deadline hits; the build is then cancelled on the engine.
    """
    log = BuildLog()
    built = False
    doing = f"building {options.names[0]}"
    answer = client.stream("POST", "/build", deadline, doing, options.query(), body)
    try:
        for message in _messages(answer):
            if "error" in message:
                raise _failed(options.names[0], str(message["error"]), log)
            if message.get("id") == "moby.buildkit.trace":
                for event in log.feed(trace.decode(_decoded(message.get("aux")))):
                    tell(event)
            elif message.get("id") == "moby.image.id":
                built = True
    except DeadlineExceeded as error:
        running = log.running()
        raise DeadlineExceeded(
            f"The time limit of {deadline.seconds:g} s was reached while {doing}"
            f"{' in the step ' + running if running else ''}. The build was cancelled; steps that had ended are"
            " in the engine's cache. Raise timeout if the step is only slow.",
            doing=doing,
            step=running,
        ) from error
    finally:
        answer.close()  # if it is not at its end, the connection is closed, and that cancels the build on the engine
    if not built:  # an answer that was cut off ends like a whole one
        raise EngineError("The engine ended the build without naming an image; its log may tell why.")
    return log


def read_archive(path: str, deadline: Deadline) -> Iterator[bytes]:
    """The content of a tar archive, be it a file or a pipe that is written to at the same time.

    :raises InvalidInput: when nobody writes into the pipe, or the archive ends before its end. Tar readers take one
        without an end for a whole one; as this interrupts the request, the engine does not see an end at all.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer would block here
    with open(descriptor, "rb", buffering=0) as file:
        waiting = select.poll()
        waiting.register(file, select.POLLIN)
        if not waiting.poll(1000 * min(_WRITER_SECONDS, deadline.check("waiting for the build context"))):
            raise InvalidInput("The build context does not arrive from the controller.")
        os.set_blocking(descriptor, True)
        end = b""
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                break
            yield chunk
            end = (end + chunk)[-len(_END_OF_ARCHIVE):]
        if end != _END_OF_ARCHIVE:
            raise InvalidInput("The build context did not arrive whole from the controller.")


def _messages(answer: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The messages of the answer, each as soon as it is there."""
    rest = b""
    for part in answer:
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > _LONGEST_MESSAGE:
            raise _unreadable()
        for line in lines:
            if line.strip():
                yield _message(line)


def _message(line: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise _unreadable()
    return message


def _decoded(aux: Any) -> bytes:
    try:
        return base64.b64decode(aux, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise _unreadable() from error


def _unreadable() -> EngineError:
    return EngineError("The engine sent a build message that cannot be read.")


def _failed(name: str, message: str, log: BuildLog) -> HowdahError:
    failure = log.failure(message)
    details = {"step": failure.step, "exit_code": failure.exit_code, "output": list(failure.output)}
    if not failure.step:
        return BuildFailed(f"Building {name} failed: {message}.", **details)
    ended = f" with exit code {failure.exit_code}" if failure.exit_code is not None else f": {message}"
    output = "\n".join(failure.output)
    said = f". Its last output:\n{output}" if output else "; it printed nothing."
    return BuildFailed(f"Building {name} failed in the step {failure.step}{ended}{said}", **details)
