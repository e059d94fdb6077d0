# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin's thread that follows the progress."""
from __future__ import annotations

import signal
from pathlib import Path

from ansible_collections.howdah.postgresql.plugins.action.image import _Follower
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.progress import ProgressView, ProgressWriter


class View(ProgressView):
    """Notes which signals the thread that feeds it blocks."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.blocked: set[int] = set()
        super().__init__("", lambda text, newline: self.shown.append(text), None)

    def feed(self, data: bytes) -> None:
        self.blocked = {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}
        super().feed(data)


def test_shows_what_came_last_and_leaves_signals_to_the_main_thread(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    file.touch()
    view = View()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with _Follower(str(file), view):
        ProgressWriter(str(file))({"event": "done", "step": "[1/1] COPY", "seconds": 1})
    assert view.shown == ["[1/1] COPY (1.0 s)"]
    assert {signal.SIGINT, signal.SIGTERM} <= view.blocked
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
