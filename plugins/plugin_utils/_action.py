# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins with work of their own share: options that are checked, and errors as modules tell them."""
from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType
from typing import Any, Iterable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator, ValidationResult
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import HowdahError, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, Work


class HowdahAction(ActionBase):
    """An action plugin that ends as modules of this collection do. What it does is in :meth:`work`.

    :ivar libraries: names of what its module may import beside Python's own. Where the controller's Python has not all
        of them, the interpreter that modules run with may.
    """

    libraries: tuple[str, ...] = ()
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
        local = self._connection.transport == "local" and self._connection.become is None
        return local and plain and all(map(find_spec, self.libraries))

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

    def in_process(
        self, module: ModuleType, args: Mapping[str, Any], check_mode: bool, work: Work | None = None
    ) -> dict[str, Any] | None:
        """The result of a module of this collection, done in this process; None where it is to have one of its own.

        :param module: has ``OPTIONS``, ``RULES`` and ``work``.
        :param work: what to do instead of the latter.
        """
        if not self.is_own_process():
            return None
        validation = ArgumentSpecValidator(module.OPTIONS, **module.RULES).validate(dict(args))
        if validation.error_messages:  # which the module is to tell: it knows Ansible's words
            return None
        params = validation.validated_parameters
        deadline = Deadline(params["timeout"])
        return self.here(work or module.work, params, deadline, validation._no_log_values, check_mode)
