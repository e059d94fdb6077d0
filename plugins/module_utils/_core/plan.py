# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call would do: the only source of ``changed``, ``diff`` and ``actions``.

A module observes, plans, and either stops (check mode) or applies the plan. As the report comes
from the plan in both cases, check mode cannot tell anything else than the run.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, NamedTuple


class Action(NamedTuple):
    """One step of a plan.

    :param verb: what is done, e.g. ``create``.
    :param target: what it is done to, e.g. ``container pg1``.
    :param why: the reason, for people; empty when the verb says it all.
    """

    verb: str
    target: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.target}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class Plan:
    """The steps, and the state before and after them. Holds no secret: it is shown as it is.

    :param actions: in the order of their execution; none means nothing to do.
    :param before: what there is, as shown by ``--diff``.
    :param after: what there will be, as shown by ``--diff``.
    """

    actions: tuple[Action, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.actions)

    def result(self) -> dict[str, Any]:
        """The part of a module's result that tells of the plan."""
        return {
            "changed": self.changed,
            "actions": [str(action) for action in self.actions],
            "diff": {"before": dict(self.before), "after": dict(self.after)},
        }
