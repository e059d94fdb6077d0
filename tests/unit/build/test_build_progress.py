# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How progress gets from the module to the terminal."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.howdah.postgresql.plugins.module_utils._docker.progress import (
    ProgressView,
    ProgressWriter,
    headline,
)
from hypothesis import given
from hypothesis import strategies as st

START = {"event": "start", "step": "[1/2] RUN a", "number": 1, "of": 2}
LOG = {**START, "event": "log", "line": "half\x1b[2J way"}
DONE = {**START, "event": "done", "seconds": 2.04, "cached": False, "failed": False}


class Screen:
    def __init__(self, columns: int | None) -> None:
        self.shown: list[tuple[str, bool]] = []
        self.now = 0.0
        self.view = ProgressView("pg1: ", lambda text, newline: self.shown.append((text, newline)), columns, self.clock)

    def clock(self) -> float:
        return self.now


def written(tmp_path: Path, *events: dict[str, Any]) -> bytes:
    path = tmp_path / "progress"
    path.touch()
    writer = ProgressWriter(str(path))
    for event in events:
        writer(event)
    return path.read_bytes()


def test_one_line_a_step(tmp_path: Path) -> None:
    screen = Screen(None)
    screen.view.feed(written(tmp_path, START, LOG, DONE, {**DONE, "cached": True}, {**DONE, "failed": True}))
    screen.view.tick()
    screen.view.close()
    assert screen.shown == [
        ("pg1: [1/2] RUN a (2.0 s)", True),
        ("pg1: [1/2] RUN a (cached)", True),
        ("pg1: [1/2] RUN a (failed)", True),
    ]


def test_one_line_in_place(tmp_path: Path) -> None:
    screen = Screen(60)
    screen.view.tick()
    screen.view.feed(written(tmp_path, START, LOG))
    screen.now = 7
    screen.view.tick()
    screen.view.tick()  # nothing new: nothing written
    screen.view.feed(written(tmp_path, DONE))
    screen.view.close()
    assert screen.shown == [
        ("\r\x1b[Kpg1: step 1 of 2, 7 s: [1/2] RUN a | half way", False),
        ("\r\x1b[K", False),
    ]


def test_the_line_fits_the_terminal_and_shows_both_parts(tmp_path: Path) -> None:
    screen = Screen(50)
    screen.view.feed(written(tmp_path, {**START, "step": "s" * 99}, {**LOG, "step": "s" * 99, "line": "l" * 99}))
    screen.view.tick()
    line = screen.shown[0][0][len("\r\x1b[K"):]
    assert len(line) == 50 and line.endswith("s | " + "l" * 17)


def test_the_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.touch()
    screen = Screen(None)
    writer = ProgressWriter(str(path))
    writer(START)
    screen.view.feed(path.read_bytes())
    assert not screen.view.ended
    writer.end()
    screen.view.feed(path.read_bytes())
    assert screen.view.ended and screen.shown == []


def test_no_file_is_no_failure(tmp_path: Path) -> None:
    ProgressWriter(None)(START)
    ProgressWriter(str(tmp_path / "nowhere"))(START)
    assert not (tmp_path / "nowhere").exists()


@given(st.lists(st.integers(1, 50), max_size=8))
def test_pieces_make_the_same_lines(sizes: list[int]) -> None:
    data = b'{"event":"start","step":"a","number":1,"of":1}\nnot json\n[1]\n{"event":"done","step":"a","seconds":1}\n'
    screen = Screen(None)
    at = 0
    for size in sizes:
        screen.view.feed(data[at : at + size])
        at += size
    screen.view.feed(data[at:])
    assert screen.shown == [("pg1: a (1.0 s)", True)]


def test_a_steps_headline_is_one_short_line_about_what_it_does() -> None:
    step = "[base 2/3] RUN --mount=type=cache,target=/var/cache/apt   --mount=type=bind,target=/x   apt-get   update"
    assert headline(step) == "[base 2/3] RUN apt-get update"
    assert headline("[1/1] RUN " + "x" * 500).endswith("x…")
    assert len(headline("[1/1] RUN " + "x" * 500)) == 100
    assert "\x1b" not in headline("[1/1] RUN \x1b[31mred")
