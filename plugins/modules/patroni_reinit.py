#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_reinit
short_description: Make a replica of a Patroni cluster anew
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Has a replica throw its data away and copy the leader's, and waits until it follows the leader. For a replica that
    has fallen out of the cluster, or whose data are not trusted any more.
  - The leader is refused, and so is a replica of a cluster without a leader. Check mode tells what would be copied from
    where.
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
    support: none
options:
  member:
    description: Name of the replica.
    type: str
    required: true
  timeout:
    description: Limit in seconds for the whole task. Copying large data takes its time.
    type: float
    default: 600
seealso:
  - module: howdah.postgresql.patroni_wait
"""

EXAMPLES = r"""
- name: Copy pg3 anew
  howdah.postgresql.patroni_reinit:
    containers: [pg1, pg2, pg3]
    member: pg3
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["make pg3 anew: from pg1, was streaming"]
seconds:
  description: Seconds until it followed the leader.
  returned: when it was done
  type: float
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
  description: Number of the kind of failure, for example V(1500), V(1504), V(1501), V(1502).
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
    "member": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 600},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    patroni = rest.Rest(params, deadline)
    cluster = patroni.cluster()
    replica = care.replica(cluster, params["member"])
    report.plan(care.reinit_plan(cluster, replica))
    if not report.check_mode:
        cluster = care.reinit(patroni, replica, deadline)
        report.add(seconds=round(deadline.elapsed(), 1))
    report.add(**cluster.told())


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
