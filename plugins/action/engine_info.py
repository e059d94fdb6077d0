# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module engine_info: none where modules run with this very Python, of which it tells."""
from __future__ import annotations

import sys
from typing import Any

from ansible_collections.howdah.postgresql.plugins.modules import engine_info
from ansible_collections.howdah.postgresql.plugins.plugin_utils._quick import QuickAction


class ActionModule(QuickAction):
    """Action plugin of howdah.postgresql.engine_info."""

    module = engine_info
    libraries = ()  # it tells which there are

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        named = self._templar.template(task_vars.get("ansible_python_interpreter") or "")
        return super().work(task_vars) if named == sys.executable else self.sent(task_vars)
