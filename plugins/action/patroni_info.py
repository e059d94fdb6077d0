# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module patroni_info: the query."""
from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.howdah.postgresql.plugins.action.show import search


class ActionModule(ActionBase):
    """Action plugin of howdah.postgresql.patroni_info."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and add what the query selects from its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(module_name="howdah.postgresql.patroni_info", task_vars=task_vars))
        query = self._task.args.get("query")
        if query and not result.get("failed"):
            hidden = ("invocation", "changed", "actions")
            result["selected"] = search(query, {name: value for name, value in result.items() if name not in hidden})
        return result
