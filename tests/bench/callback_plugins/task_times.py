# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what each task took, as the controller sees it."""
from __future__ import annotations

import json
import time
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Prints ``TIME {"name": …, "seconds": …, "changed": …, "failed": …}`` for each task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "task_times"

    def __init__(self) -> None:
        super().__init__()
        self._start = 0.0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._start = time.perf_counter()

    def _tell(self, result: Any, failed: bool) -> None:
        told = {
            "name": result._task.get_name(),
            "seconds": time.perf_counter() - self._start,
            "changed": result._result.get("changed", False),
            "failed": failed and str(result._result.get("msg")),
        }
        print("TIME " + json.dumps(told), flush=True)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._tell(result, failed=False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._tell(result, failed=True)
