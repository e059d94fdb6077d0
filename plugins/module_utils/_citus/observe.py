# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a formation what it is: Citus in the coordinator's container, and each group's Patroni from there.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import NotTheCoordinator
from .._docker import client as docker_client
from .._docker.exec import ask, raise_failure
from .._patroni.cluster import Cluster, parse
from .model import check_groups

# The options that say which formation.
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "container": {"type": "str", "required": True},
    "database": {"type": "str", "default": "citus"},
    "superuser": {"type": "str"},
    "groups": {"type": "dict"},
}


class Formation:
    """A formation, through the container of the coordinator's leader.

    :param params: module parameters: those above, and those of the doc fragment ``docker``.
    :raises InvalidInput: for groups that are no formation.
    """

    def __init__(self, params: Mapping[str, Any], deadline: Deadline) -> None:
        self.groups: dict[int, list[str]] = {
            int(group): list(addresses) for group, addresses in (params["groups"] or {}).items()
        }
        if self.groups:
            check_groups(self.groups)
        self._addresses = {str(group): addresses for group, addresses in self.groups.items()}
        self.client = docker_client.connect(params, deadline)
        self.container: str = params["container"]
        self.deadline = deadline
        self._where = {"dbname": params["database"], "user": params["superuser"]}

    def facts(self, parts: Sequence[str], seconds: float | None = None, groups: bool = False) -> dict[str, Any]:
        """What Citus tells, see ``_postgres/citus.py``.

        :param seconds: bounds this question; by default what is left of the whole.
        :param groups: whether to ask the groups in the same call, see :meth:`live`; the answer is under ``live``.
        :raises NotTheCoordinator: when this is a standby: somebody else leads now.
        """
        asked = {"parts": list(parts), "groups": self._addresses if groups else {}}
        told = self._ask({"command": "citus", **asked, **self._where}, seconds)
        told["live"] = _parsed(told.pop("clusters"))
        if told["in_recovery"]:
            raise NotTheCoordinator(f"{self.container} does not lead the coordinator's group any more: ask who does.")
        return told

    def call(self, what: str, **values: Any) -> Any:
        """Have Citus do something, see ``_postgres/citus_change.py``; what it returns."""
        return self._ask({"command": "citus_call", "what": what, "values": values, **self._where}, None)["returned"]

    def check(self, steps: Sequence[str]) -> dict[str, Any]:
        """Whether its groups agree, see ``_postgres/citus_check.py``."""
        return self._ask({"command": "citus_check", "steps": list(steps), **self._where}, None)

    def passwords(self, leaders: Mapping[int, str], roles: Sequence[Mapping[str, Any]], check: bool) -> dict[str, Any]:
        """Have every group know these passwords, and log in with them, see ``_postgres/citus_passwords.py``."""
        told = {str(group): address for group, address in leaders.items()}
        message = {"command": "citus_passwords", "leaders": told, "roles": list(roles), "check": check}
        return self._ask({**message, **self._where}, None)

    def live(self) -> dict[int, Cluster | None]:
        """Each group as its own Patroni tells it; None where nobody answers."""
        return _parsed(self._ask({"command": "clusters", "groups": self._addresses}, None)["clusters"])

    def _ask(self, message: Mapping[str, Any], seconds: float | None) -> dict[str, Any]:
        left = self.deadline.check("asking the formation")
        answer = ask(self.client, self.container, message, Deadline(min(seconds or left, left)))
        raise_failure(answer)
        result: dict[str, Any] = answer["result"]
        return result


def _parsed(told: Mapping[str, Any]) -> dict[int, Cluster | None]:
    return {int(group): None if body is None else parse(body) for group, body in told.items()}
