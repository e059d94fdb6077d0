# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints each task's result as a line of JSON, exactly as the module returned it."""
from __future__ import annotations

import json
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: result_only
type: stdout
short_description: results as JSON lines
description: For tests.
"""


class CallbackModule(CallbackBase):
    """Nothing but results."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "result_only"

    def v2_runner_on_ok(self, result: Any) -> None:
        self._display.display("RESULT " + json.dumps({**result.result, "failed": False}))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._display.display("RESULT " + json.dumps({**result.result, "failed": True}))
