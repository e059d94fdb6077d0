# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugins of modules that are quick: where nothing is to be gained by another process, none is started.

To send a module, start it and compile what it imports takes several times as long as what such a module does.
Decision 32 has figures.
"""
from __future__ import annotations

from contextlib import suppress
from types import ModuleType
from typing import Any

from ansible_collections.howdah.postgresql.plugins.plugin_utils._action import HowdahAction

# Strategies load action plugins before they fork: once here instead of in the process of each task and host.
with suppress(ImportError):
    import docker  # noqa: F401  # pylint: disable=unused-import


class QuickAction(HowdahAction):
    """The action plugin of a module that has nothing of its own to do on the controller.

    :ivar module: the module; has ``OPTIONS``, ``RULES`` and ``work``.
    """

    TRANSFERS_FILES = False
    _supports_async = True
    module: ModuleType
    libraries: tuple[str, ...] = ("docker",)

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        done = self.in_process(self.module, self._task.args, self._task.check_mode)
        return self.sent(task_vars) if done is None else done

    def sent(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Have the module sent and started, as Ansible does any other; its result."""
        usual = self._shared_loader_obj.action_loader.get(
            "ansible.legacy.normal",
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        answer: dict[str, Any] = usual.run(task_vars=task_vars)
        return answer
