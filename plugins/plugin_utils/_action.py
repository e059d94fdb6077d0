# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins with work of their own share: options that are checked, and errors as modules tell them."""
from __future__ import annotations

from types import ModuleType
from typing import Any, Iterable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator, ValidationResult
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import HowdahError, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, Work


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

    def is_own_process(self) -> bool:
        """Whether a module would run as this very process could: then none needs to be started."""
        plain = not any(self._task.environment or ()) and not self._task.async_val
        return self._connection.transport == "local" and self._connection.become is None and plain

    def here(
        self, work: Work, params: Mapping[str, Any], deadline: Deadline, secrets: Iterable[str], check_mode: bool
    ) -> dict[str, Any]:
        """Do a module's work in this process; its result.

        :param secrets: values of options with ``no_log``.
        """
        report = Report(check_mode)
        try:
            work(params, deadline, report)
            result = report.result(self._task.diff)
        except HowdahError as error:
            result = report.failure(error, self._task.diff)
        if report.warnings:
            result["warnings"] = report.warnings
        masked: dict[str, Any] = remove_values(result, {*secrets, *report.masked})
        return masked

    def module_result(
        self, module: ModuleType, args: Mapping[str, Any], task_vars: dict[str, Any], check_mode: bool
    ) -> dict[str, Any]:
        """The result of a module of this collection, in a process of its own only where it needs one."""
        if self.is_own_process():
            validation = ArgumentSpecValidator(module.OPTIONS, **module.RULES).validate(dict(args))
            if not validation.error_messages:  # else the module is to tell: it knows Ansible's words
                params = validation.validated_parameters
                deadline = Deadline(params["timeout"])
                return self.here(module.work, params, deadline, validation._no_log_values, check_mode)
        own = self._task.check_mode
        self._task.check_mode = check_mode
        try:
            answer: dict[str, Any] = self._execute_module(
                module_name=f"howdah.postgresql.{module.__name__.rpartition('.')[2]}",
                module_args=dict(args),
                task_vars=task_vars,
            )
        finally:
            self._task.check_mode = own
        return answer
