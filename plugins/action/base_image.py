# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module base_image: one that is there needs no process, see plugin_utils/_quick.py."""
from __future__ import annotations

from typing import Any

from ansible_collections.howdah.postgresql.plugins.modules import base_image
from ansible_collections.howdah.postgresql.plugins.plugin_utils._quick import QuickAction


class ActionModule(QuickAction):
    """Action plugin of howdah.postgresql.base_image. To pull or bootstrap one takes long: that is the module's."""

    module = base_image

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        looked = self.in_process(base_image, self._task.args, self._task.check_mode, base_image.look)
        if looked is not None and (looked.get("failed") or "image" in looked):
            return looked
        return self.sent(task_vars)
