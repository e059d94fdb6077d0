# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BuildKit's trace: a decoder of the few protobuf messages that a build's progress comes in.

The engine sends ``moby.buildkit.control.v1.StatusResponse`` messages. Only what this collection
shows is decoded; everything else is skipped, as protobuf's wire format allows.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Union

from .._core.errors import EngineError

# Status messages are a few kB; a message beyond this is not one.
_MAX_MESSAGE = 16 << 20

STDERR = 2

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_Value = Union[int, bytes]


@dataclass(frozen=True)
class Vertex:
    """One step of a build, as far as it is known by now.

    :param digest: names the step.
    :param name: for people, e.g. ``[setup 2/5] RUN apt-get update``.
    :param started: seconds since the epoch; None until it began.
    :param completed: seconds since the epoch; None until it ended.
    :param cached: whether its result came from the cache.
    :param error: why it failed; empty when it did not.
    """

    digest: str
    name: str
    started: float | None
    completed: float | None
    cached: bool
    error: str


@dataclass(frozen=True)
class Output:
    """Something that a step printed, on standard error if ``stream`` is STDERR."""

    vertex: str
    stream: int
    data: bytes


@dataclass(frozen=True)
class Status:
    """One message of the trace."""

    vertexes: tuple[Vertex, ...]
    outputs: tuple[Output, ...]


def decode(message: bytes) -> Status:
    """Decode one message.

    :raises EngineError: when it is not a message of this kind.
    """
    if len(message) > _MAX_MESSAGE:
        raise EngineError(f"The engine sent a progress message of {len(message)} bytes; that cannot be one.")
    vertexes = []
    outputs = []
    for number, value in _fields(message):
        if number == 1:
            vertexes.append(_vertex(_bytes(value)))
        elif number == 3:
            outputs.append(_output(_bytes(value)))
    return Status(tuple(vertexes), tuple(outputs))


def _vertex(message: bytes) -> Vertex:
    digest = name = error = ""
    started = completed = None
    cached = False
    for number, value in _fields(message):
        if number == 1:
            digest = _text(value)
        elif number == 3:
            name = _text(value)
        elif number == 4:
            cached = bool(value)
        elif number == 5:
            started = _time(_bytes(value))
        elif number == 6:
            completed = _time(_bytes(value))
        elif number == 7:
            error = _text(value)
    return Vertex(digest, name, started, completed, cached, error)


def _output(message: bytes) -> Output:
    vertex = ""
    stream = 0
    data = b""
    for number, value in _fields(message):
        if number == 1:
            vertex = _text(value)
        elif number == 3 and isinstance(value, int):
            stream = value
        elif number == 4:
            data = _bytes(value)
    return Output(vertex, stream, data)


def _time(message: bytes) -> float:
    seconds = nanos = 0
    for number, value in _fields(message):
        if isinstance(value, int) and number == 1:
            seconds = value
        elif isinstance(value, int) and number == 2:
            nanos = value
    return seconds + nanos / 1e9


def _bytes(value: _Value) -> bytes:
    if isinstance(value, int):
        raise _malformed("a number where a message belongs")
    return value


def _text(value: _Value) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _fields(message: bytes) -> Iterator[tuple[int, _Value]]:
    """The fields of a message: their numbers and values. Always advances, so it always ends."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise _malformed(f"wire type {wire}")
        if at + size > len(message):
            raise _malformed("a field is longer than its message")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and the position after it; 64 bits at most."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise _malformed("it ends within a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _malformed("a number has more than 64 bits")


def _malformed(what: str) -> EngineError:
    return EngineError(f"The engine sent a progress message that cannot be read: {what}.")
