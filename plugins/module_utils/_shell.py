# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules' ``main()`` share: one deadline, one ``except``, one shape of results.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import gc
from typing import Any, Callable, Mapping, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ._core.basic_errors import HowdahError
from ._core.deadline import Deadline
from ._core.plan import Plan

# A value shorter than this occurs by chance in messages and names; masking it there makes results
# unreadable and protects nothing. Options with no_log are masked by Ansible whatever their length.
_SHORTEST_MASKED = 6


class Report:
    """What a module will return: filled while it works, so that the error path tells it too.

    :ivar check_mode: whether nothing may be changed.
    :ivar warnings: sentences to be shown beside the result.
    :ivar masked: secrets that no option with ``no_log`` holds as a whole, to be masked in all that is returned.
    """

    def __init__(self, check_mode: bool = False) -> None:
        self.check_mode = check_mode
        self.warnings: list[str] = []
        self.masked: set[str] = set()
        self._result: dict[str, Any] = {"changed": False, "actions": []}

    def plan(self, plan: Plan) -> None:
        """Take over what the plan says: ``changed``, ``actions`` and ``diff``."""
        self._result.update(plan.result())

    def add(self, **values: Any) -> None:
        """Add return values."""
        self._result.update(values)

    def warn(self, warning: str) -> None:
        """Have a sentence shown beside the result."""
        self.warnings.append(warning)

    def mask(self, *secrets: str | None) -> None:
        """Have these values masked in all that is returned; None is skipped."""
        self.masked.update(value for value in secrets if value and len(value) >= _SHORTEST_MASKED)

    def failure(self, error: HowdahError, diff: bool) -> dict[str, Any]:
        """All return values of a module that ends with an error."""
        told = {"failed": True, "msg": error.message, "error": error.code, "code": error.number}
        return {**error.details, **self.result(diff), **told}

    def result(self, diff: bool) -> dict[str, Any]:
        """All return values; with ``diff`` only when it was asked for."""
        return {name: value for name, value in self._result.items() if diff or name != "diff"}


Work = Callable[[Mapping[str, Any], Deadline, Report], None]


def run(work: Work, options: Mapping[str, Any], rules: Mapping[str, Any]) -> NoReturn:
    """Run a module under its option ``timeout`` and exit.

    :param work: observes, plans, and unless in check mode applies; reports into its third argument.
    :param options: the module's options, as AnsibleModule takes them; ``timeout`` (seconds) is one.
    :param rules: what AnsibleModule is to check beside, for example ``required_if``.
    """
    module = AnsibleModule(argument_spec=options, supports_check_mode=True, **rules)
    # A process that is about to end has no garbage worth the search: it takes several milliseconds at each import of
    # something large, and again at the end. What is imported within the work profits.
    gc.disable()
    report = Report(module.check_mode)
    diff = module._diff  # pylint: disable=protected-access  # no public name for --diff exists
    failure: HowdahError | None = None
    try:
        work(module.params, Deadline(module.params["timeout"]), report)
    except HowdahError as error:
        failure = error
    gc.freeze()
    module.no_log_values.update(report.masked)
    for warning in report.warnings:
        module.warn(warning)
    if failure is not None:
        module.fail_json(**report.failure(failure, diff))
    module.exit_json(**report.result(diff))
