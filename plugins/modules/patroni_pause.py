#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_pause
short_description: Switch the automatic failover of a Patroni cluster off and on
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - A paused cluster goes on serving, but nobody takes over from a leader that fails, and nothing that is stopped is
    started again. For maintenance only.
  - Waits until every member that serves has taken notice.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.patroni
  - howdah.postgresql.docker
  - howdah.postgresql.patroni
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  paused:
    description: Whether it is to be paused.
    type: bool
    required: true
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 60
seealso:
  - module: howdah.postgresql.patroni_info
"""

EXAMPLES = r"""
- name: Leave the cluster alone while the network is worked on
  howdah.postgresql.patroni_pause:
    containers: [pg1, pg2, pg3]
    paused: true
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["pause the cluster main: pg1 leads"]
scope:
  description: Name of the cluster.
  returned: success
  type: str
leader:
  description: Name of the leader; V(null) without one.
  returned: success
  type: str
paused:
  description: Whether automatic failover is switched off.
  returned: success
  type: bool
scheduled:
  description: A switchover that is yet to come, as Patroni tells it; V(null) without one.
  returned: success
  type: dict
members:
  description: The members, as RV(howdah.postgresql.patroni_info#module:members) has them.
  returned: success
  type: list
  elements: dict
error:
  description: Name of the kind of failure, for example V(rest_unreachable), V(no_leader), V(patroni_refused).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1500), V(1504), V(1501).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import care, rest
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **rest.ARGUMENT_SPEC,
    "paused": {"type": "bool", "required": True},
    "timeout": {"type": "float", "default": 60},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    patroni = rest.Rest(params, deadline)
    cluster = patroni.cluster()
    plan = care.pause_plan(cluster, params["paused"])
    report.plan(plan)
    if plan.changed and not report.check_mode:
        cluster = care.pause(patroni, params["paused"], deadline)
    report.add(**cluster.told())


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
