# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BuildKit's trace, and what is made of it."""
from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import EngineError
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import trace
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.build_log import TAIL, BuildLog, printable
from hypothesis import given
from hypothesis import strategies as st


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def moment(seconds: float) -> bytes:
    return field(1, int(seconds)) + field(2, round(seconds % 1 * 1e9))


def vertex(
    name: str, started: float | None = None, completed: float | None = None, cached: bool = False, error: str = ""
) -> bytes:
    message = field(1, b"sha256:" + name.encode()) + field(2, b"sha256:input") + field(3, name.encode())
    message += field(4, 1) if cached else b""
    message += field(5, moment(started)) if started is not None else b""
    message += field(6, moment(completed)) if completed is not None else b""
    message += field(7, error.encode()) if error else b""
    return field(1, message)


def printed(name: str, data: bytes, stream: int = 1) -> bytes:
    message = field(1, b"sha256:" + name.encode()) + field(2, moment(5)) + field(3, stream) + field(4, data)
    return field(3, message)


def feed(log: BuildLog, *messages: bytes) -> list[dict[str, Any]]:
    return [event for message in messages for event in log.feed(trace.decode(message))]


def test_a_message_of_a_real_engine() -> None:
    message = (
        b"\n\xa5\x01\nG" + b"sha256:" + b"a" * 64 + b"\x12G" + b"sha256:" + b"b" * 64
        + b"\x1a\x0fcopy /context /*\x02\x08\x05"
    )
    message = message.replace(b"\xa5\x01", varint(len(message) - 3))
    decoded = trace.decode(message)
    assert decoded.vertexes == (trace.Vertex("sha256:" + "a" * 64, "copy /context /", 5.0, None, False, ""),)


def test_unknown_fields_are_skipped() -> None:
    strange = field(15, 7) + field(9, b"x") + varint(3 << 3 | 5) + b"1234" + varint(4 << 3 | 1) + b"12345678"
    with pytest.raises(EngineError):  # field 3 with a fixed width is no message
        trace.decode(varint(3 << 3 | 0) + b"\x01")
    strange = strange.replace(varint(3 << 3 | 5), varint(12 << 3 | 5))
    assert trace.decode(strange + vertex("[1/1] RUN x")).vertexes[0].name == "[1/1] RUN x"


@given(st.binary(max_size=300))
def test_any_bytes_give_a_status_or_a_clear_error(data: bytes) -> None:
    try:
        BuildLog().feed(trace.decode(data))
    except EngineError as error:
        assert "progress message" in error.message


@given(st.data())
def test_a_damaged_message_gives_a_status_or_a_clear_error(data: st.DataObject) -> None:
    whole = vertex("[1/2] RUN x", 1.5, 2.5, True, "bad") + printed("[1/2] RUN x", b"a\nb")
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)):]
    try:
        BuildLog().feed(trace.decode(broken))
    except EngineError as error:
        assert "progress message" in error.message


def test_sizes_are_bounded() -> None:
    with pytest.raises(EngineError, match="cannot be one"):
        trace.decode(bytes((16 << 20) + 1))
    with pytest.raises(EngineError, match="longer than its message"):
        trace.decode(varint(1 << 3 | 2) + varint(1 << 62))
    with pytest.raises(EngineError, match="more than 64 bits"):
        trace.decode(b"\x08" + b"\xff" * 10)


@given(st.text(max_size=30), st.floats(0, 2**33), st.binary(max_size=30))
def test_decodes_what_was_encoded(name: str, when: float, data: bytes) -> None:
    decoded = trace.decode(vertex(name, when) + printed(name, data))
    assert decoded.vertexes[0].name == name
    assert decoded.vertexes[0].started == pytest.approx(when, abs=1e-6)
    assert decoded.outputs == (trace.Output("sha256:" + name, 1, data),)


RUN = "[a 2/3] RUN make"


def test_events_and_steps_of_a_build() -> None:
    log = BuildLog()
    events = feed(
        log,
        vertex("[internal] load remote build context", 0, 1),
        vertex("[a 1/3] FROM x", 1) + vertex(RUN),
        vertex("[a 1/3] FROM x", 1, 1.5, cached=True),
        vertex(RUN, 2) + printed(RUN, b"one\ntwo\nthr"),
        printed(RUN, b"ee\n"),
        vertex(RUN, 2, 4.25),
        vertex("exporting to image", 4, 5),
    )
    step = {"step": RUN, "number": 2, "of": 2}
    assert events == [
        {"event": "start", "step": "[a 1/3] FROM x", "number": 1, "of": 2},
        {"event": "done", "step": "[a 1/3] FROM x", "number": 1, "of": 2, "seconds": 0.5, "cached": True,
         "failed": False},
        {"event": "start", **step},
        {"event": "log", **step, "line": "two"},
        {"event": "log", **step, "line": "three"},
        {"event": "done", **step, "seconds": 2.25, "cached": False, "failed": False},
    ]
    assert log.steps() == [
        {"name": "[a 1/3] FROM x", "seconds": 0.5, "cached": True},
        {"name": RUN, "seconds": 2.25, "cached": False},
    ]


def test_a_step_that_is_running_is_known() -> None:
    log = BuildLog()
    assert log.running() == ""
    feed(log, vertex("[internal] x", 0), vertex(RUN, 2))
    assert log.running() == RUN
    feed(log, vertex(RUN, 2, 3))
    assert log.running() == "[internal] x"
    feed(log, vertex("[internal] x", 0, 4))
    assert log.running() == ""


def test_failure_is_the_step_that_the_final_error_quotes() -> None:
    log = BuildLog()
    other = "[b 2/2] RUN sleep 9"
    feed(
        log,
        vertex(other, 1, 2, error="executor failed running [sleep 9]: context canceled"),
        printed(RUN, b"said before the step is known\n"),
        vertex(RUN, 1) + printed(RUN, b"".join(b"line %d\n" % number for number in range(40)) + b"last"),
        vertex(RUN, 1, 2, error="executor failed running [make]: exit code: 3"),
    )
    failure = log.failure("failed to solve: executor failed running [make]: exit code: 3")
    assert (failure.step, failure.exit_code) == (RUN, 3)
    assert failure.output == (*(f"line {number}" for number in range(40 - TAIL + 1, 40)), "last")


def test_what_was_said_on_standard_error_is_not_pushed_out() -> None:
    log = BuildLog()
    feed(log, vertex(RUN, 1), printed(RUN, b"E: the reason\n", stream=2))
    feed(log, printed(RUN, b"".join(b"line %d\n" % number for number in range(40))))
    feed(log, vertex(RUN, 1, 2, error="exit code: 1"))
    output = log.failure("exit code: 1").output
    assert output == ("E: the reason", *(f"line {number}" for number in range(26, 40)))


def test_failure_outside_a_step() -> None:
    log = BuildLog()
    feed(log, vertex(RUN, 1, 2))
    assert log.failure("dockerfile parse error").step == ""


def test_output_cannot_play_with_the_terminal() -> None:
    log = BuildLog()
    feed(log, vertex(RUN, 1), printed(RUN, b"\x1b[2J\x1b]0;title\x07red\x1b[31m\x00 10%\r 99%\r\n"))
    feed(log, vertex(RUN, 1, 2, error="x"))
    assert log.failure("x").output == (" 99%",)
    assert printable("\x1b[1;31ma\tb\x9b\x08") == "a b"
    assert len(printable("x" * 10_000)) == 500


def test_endless_output_without_a_newline_is_bounded() -> None:
    log = BuildLog()
    feed(log, vertex(RUN, 1))
    for _round in range(50):
        feed(log, printed(RUN, b"x" * 10_000))
    feed(log, vertex(RUN, 1, 2, error="x"))
    (line,) = log.failure("x").output
    assert len(line) == 500


def test_endless_steps_are_bounded() -> None:
    log = BuildLog()
    for start in range(0, 20_000, 1000):
        feed(log, b"".join(vertex(f"[x] {number}", completed=1.0) for number in range(start, start + 1000)))
    assert len(log.steps()) == 10_000


def test_trace_travels_as_base64() -> None:
    assert trace.decode(base64.b64decode(base64.b64encode(vertex(RUN)))).vertexes[0].name == RUN
