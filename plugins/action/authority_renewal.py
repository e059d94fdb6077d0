# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module authority_renewal: the authority is the controller's."""
from __future__ import annotations

from typing import Any

from ansible_collections.howdah.postgresql.plugins.module_utils._core.plan import Action, Plan
from ansible_collections.howdah.postgresql.plugins.plugin_utils._action import HowdahAction
from ansible_collections.howdah.postgresql.plugins.plugin_utils._renewal import STEPS, step

ARGUMENT_SPEC: dict[str, Any] = {
    "authority": {"type": "path", "required": True},
    "authority_name": {"type": "str", "default": "howdah"},
    "step": {"type": "str", "required": True, "choices": list(STEPS)},
}
_VERBS = {
    "announce": ("announce", "another authority", "nodes are to trust it, before it issues"),
    "switch": ("switch to", "the announced authority", "it issues, the former one is still trusted"),
    "finish": ("forget", "the former authority", "nobody has a certificate of it any more"),
}


class ActionModule(HowdahAction):
    """Action plugin of howdah.postgresql.authority_renewal."""

    TRANSFERS_FILES = False

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        given = self.validated(ARGUMENT_SPEC).validated_parameters
        before, after = step(given["authority"], given["authority_name"], given["step"], self._task.check_mode)
        plan = Plan((Action(*_VERBS[given["step"]]),), {"renewal": before}, {"renewal": after})
        return {**(plan if before != after else Plan()).result(), "renewal": after}
