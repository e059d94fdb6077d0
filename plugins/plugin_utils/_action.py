# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins with work of their own share: options that are checked, and errors as modules tell them."""
from __future__ import annotations

from typing import Any, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator, ValidationResult
from ansible.plugins.action import ActionBase
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import HowdahError, InvalidInput


class HowdahAction(ActionBase):
    """An action plugin that ends as modules of this collection do. What it does is in :meth:`work`."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the task; a failed one has message, name and number of the error."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            result.update(self.work(task_vars or {}))
        except HowdahError as error:
            result.update(
                error.details, failed=True, changed=False, actions=[], msg=error.message, error=error.code,
                code=error.number,
            )
        finally:
            if self.TRANSFERS_FILES:
                self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do it.

        :raises HowdahError: for what a user can act upon.
        """
        raise NotImplementedError

    def validated(self, spec: Mapping[str, Any], **rules: Any) -> ValidationResult:
        """The task's options.

        :param rules: as of :class:`ArgumentSpecValidator`, for example ``required_if``.
        :raises InvalidInput: when they do not fit.
        """
        result: ValidationResult = ArgumentSpecValidator(spec, **rules).validate(self._task.args)
        if result.error_messages:
            raise InvalidInput(". ".join(result.error_messages) + ".")
        return result
