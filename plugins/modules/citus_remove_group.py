#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: citus_remove_group
short_description: Have a Citus formation forget a group that is empty
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Removes the nodes of a group from the formation. It is refused while the group has shards of distributed tables;
    M(howdah.postgresql.citus_rebalance) with O(howdah.postgresql.citus_rebalance#module:drain) moves them elsewhere.
  - The group's containers have to be gone by then, for Patroni of the coordinator registers whoever lives. The module
    goes on until nobody is registered again for as long as a member's lease can last. If a group has been stopped,
    Patroni may wait for it in a transaction that keeps nodes from being changed; it is ended.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
  - howdah.postgresql.citus
attributes:
  check_mode:
    support: full
    details: Refuses as the run itself would.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  group:
    description: Number of the group.
    type: int
    required: true
  lease:
    description: Seconds that a member that has ended may stay in etcd, Patroni's C(ttl).
    type: float
    default: 20
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 120
seealso:
  - module: howdah.postgresql.citus_rebalance
"""

EXAMPLES = r"""
- name: Group 3 has gone
  howdah.postgresql.citus_remove_group:
    container: coord1
    group: 3
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["remove node work3a:5432: group 3"]
error:
  description: Name of the kind of failure, for example V(drain_refused), V(not_the_coordinator).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1804), V(1801).
  returned: failure
  type: int
"""

import time
from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._citus import model, observe, rebalance
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import TimeoutLock
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **observe.ARGUMENT_SPEC,
    "group": {"type": "int", "required": True},
    "lease": {"type": "float", "default": 20},
    "timeout": {"type": "float", "default": 120},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}
_PAUSE = 1.0
# What another try takes.
_LOCKED_SECONDS = 15.0


def _remove(formation: observe.Formation, group: int, lease: float, deadline: Deadline) -> None:
    """Remove whoever is registered, until nobody is for the time of a lease.

    :raises TimeoutLock: when somebody else keeps the nodes from being changed for all of the time.
    """
    since = deadline.elapsed()
    while deadline.elapsed() - since < lease:
        # Longer than a lease no switchover lasts, nor what Patroni begins for one.
        formation.call("unlock_nodes", seconds=lease)
        for what, node in rebalance.removal_steps(model.nodes(formation.facts([])["nodes"]), group):
            since = deadline.elapsed()
            try:
                if what:
                    formation.call(what, host=node.host, port=node.port)
            except TimeoutLock:
                if deadline.left() < _LOCKED_SECONDS:
                    raise
        deadline.check(f"waiting until nobody of group {group} is registered again: do its containers still run?")
        time.sleep(_PAUSE)


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    formation = observe.Formation(params, deadline)
    facts = formation.facts([])
    plan = rebalance.removal_plan(facts["nodes"], params["group"])
    report.plan(plan)
    if plan.actions and not report.check_mode:
        _remove(formation, params["group"], params["lease"], deadline)


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
