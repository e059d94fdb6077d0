# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints, at the end, what each task took for all hosts together."""
from __future__ import annotations

import json
import time
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Prints ``TASK [seconds, name]``, in order."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "where_time_goes"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._begun: list[tuple[float, str]] = []

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._begun.append((time.perf_counter(), task.get_name()))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        ends = [start for start, _name in self._begun[1:]] + [time.perf_counter()]
        for (start, name), end in zip(self._begun, ends):
            print("TASK_TOOK " + json.dumps([round(end - start, 3), name]), flush=True)
