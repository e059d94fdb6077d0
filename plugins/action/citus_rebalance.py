# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module citus_rebalance: it shows how far the moves have come."""
from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()
_SLICE_SECONDS = 10.0
_DEFAULT_SECONDS = 3600.0


class ActionModule(ActionBase):
    """Action plugin of howdah.postgresql.citus_rebalance."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module until its job has ended, and tell in between."""
        first: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        patience = float(args.get("patience") or 0)
        seconds = float(args.get("timeout") or _DEFAULT_SECONDS)
        end = time.monotonic() + seconds
        actions: list[str] = []
        changed = False
        while True:
            left = max(1.0, end - time.monotonic())
            # Without patience the module ends with the job, or with an error: so the last turn is the last.
            turn = {**args, "patience": patience or (_SLICE_SECONDS if left > _SLICE_SECONDS else 0), "timeout": left}
            result = self._execute_module(
                module_name="howdah.postgresql.citus_rebalance", module_args=turn, task_vars=task_vars
            )
            actions = actions or list(result.get("actions") or [])
            changed = changed or bool(result.get("changed"))
            if result.get("error") == "timeout" and result.get("doing"):
                # Of the whole time, not of this turn's.
                result["msg"] = f"The time limit of {seconds:g} s was reached while {result['doing']}."
            if result.get("failed") or not result.get("running") or patience:
                first.update(result)
                first.update(actions=actions, changed=changed)
                return first
            display.display(f"  {result['progress']}")
