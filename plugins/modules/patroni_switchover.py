#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_switchover
short_description: Hand the leadership of a Patroni cluster over
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Hands the leadership over to a replica, in an orderly way, and waits until the cluster is whole again.
  - Check mode tells from whom to whom; where Patroni is to choose, to which ones it may go.
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
    support: partial
    details: With O(candidate), nothing is done when it leads already. Without, each run is another switchover.
options:
  candidate:
    description:
      - Name of the member that is to lead. By default Patroni takes any that may, of the synchronous ones where there
        are such, but none that waits for a restart as long as there is another one.
      - Without a name it is faster. To a named one, the other members let two seconds pass before they follow it, and
        where commits wait for them, writing takes that much longer to go on.
    type: str
  leader:
    description: Name of the member that must be leading now; otherwise nothing is done, and the task fails.
    type: str
  leaving:
    description: Whether the present leader is about to be removed, so that it need not follow the next one.
    type: bool
    default: false
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 120
seealso:
  - module: howdah.postgresql.patroni_info
"""

EXAMPLES = r"""
- name: Somebody else leads
  howdah.postgresql.patroni_switchover:
    containers: [pg1, pg2, pg3]

- name: The node on the large machine leads
  howdah.postgresql.patroni_switchover:
    containers: [pg1, pg2, pg3]
    candidate: pg2
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["hand the leadership over to pg2: from pg1"]
previous:
  description: Who led before.
  returned: when the leadership was handed over, or would be in check mode
  type: str
seconds:
  description: Seconds until the new leader was there, and until the cluster was whole.
  returned: when the leadership was handed over
  type: dict
  sample: {"leader": 1.1, "whole": 3.2}
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
cause:
  description: Name of the state that does not pass, as of M(howdah.postgresql.patroni_wait).
  returned: failure with V(cluster_failed)
  type: str
member:
  description: Name of the member that is in it.
  returned: failure with V(cluster_failed)
  type: str
logs:
  description: Its last log lines. Lines in JSON are returned as severity and message.
  returned: failure with V(cluster_failed)
  type: list
  elements: str
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
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import cluster as model
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import rest, steps
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **rest.ARGUMENT_SPEC,
    "candidate": {"type": "str"},
    "leader": {"type": "str"},
    "leaving": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 120},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    patroni = rest.Rest(params, deadline)
    cluster = patroni.cluster()
    handover = model.choose(cluster, params["candidate"], params["leader"])
    report.plan(steps.switchover_plan(handover))
    if handover is not None:
        report.add(previous=handover.leader.name)
        if not report.check_mode:
            cluster, leads, seconds = steps.switchover(
                patroni, cluster, handover, deadline, params["leaving"]
            )
            report.plan(steps.switchover_plan(handover, leads))
            report.add(seconds=seconds)
    report.add(**cluster.told())


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
