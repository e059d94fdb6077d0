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
    """What a module will return: filled while it works, so that the error path tells it too."""

    def __init__(self) -> None:
        self._result: dict[str, Any] = {"changed": False, "actions": []}

    def plan(self, plan: Plan) -> None:
        """Take over what the plan says: ``changed``, ``actions`` and ``diff``."""
        self._result.update(plan.result())

    def add(self, **values: Any) -> None:
        """Add return values."""
        self._result.update(values)

    def result(self, diff: bool) -> dict[str, Any]:
        """All return values; with ``diff`` only when it was asked for."""
        return {name: value for name, value in self._result.items() if diff or name != "diff"}


def mask(module: AnsibleModule, *secrets: str | None) -> None:
    """Have Ansible mask these values in everything that the module returns.

    :param secrets: secrets that no option with ``no_log`` holds as a whole; None is skipped.
    """
    module.no_log_values.update(value for value in secrets if value and len(value) >= _SHORTEST_MASKED)


def run(module: AnsibleModule, body: Callable[[Mapping[str, Any], Deadline, Report], None]) -> NoReturn:
    """Run a module's body under its option ``timeout`` and exit.

    :param module: the module; must have the option ``timeout`` (seconds).
    :param body: observes, plans, and unless in check mode applies; reports into its third argument.
    """
    # A process that is about to end has no garbage worth the search: it takes several milliseconds at each import of
    # something large, and again at the end. What is imported within the body profits.
    gc.disable()
    report = Report()
    diff = module._diff  # pylint: disable=protected-access  # no public name for --diff exists
    try:
        body(module.params, Deadline(module.params["timeout"]), report)
    except HowdahError as error:
        gc.freeze()
        result = {**error.details, **report.result(diff)}
        module.fail_json(msg=error.message, error=error.code, code=error.number, **result)
    gc.freeze()
    module.exit_json(**report.result(diff))
