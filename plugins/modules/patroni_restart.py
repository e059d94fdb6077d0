#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_restart
short_description: Restart the servers of a Patroni cluster one after another
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Restarts the servers whose settings wait for it, or the ones that are named, one at a time, and waits each time
    until the cluster is whole again - replicas first. Before its own restart, the leader hands over to a replica that
    has been restarted.
  - A leader that nobody can take over from is restarted in place, and so is one whose settings become smaller in a way
    that replicas cannot follow before (C(max_connections) and the like).
  - A member that does not come back ends it - at once, if its state is one that does not pass
    (see M(howdah.postgresql.patroni_wait)). The others are not touched then.
  - Containers go on running.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.patroni
  - howdah.postgresql.docker
  - howdah.postgresql.patroni
attributes:
  check_mode:
    support: full
    details: Tells which servers would be restarted. Which member takes over is decided when it is time to.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: Without O(members), nothing is done when nothing is pending. With it, each run restarts.
options:
  members:
    description: Names of the members to restart, whether it is needed or not. By default those that wait for a restart.
    type: list
    elements: str
  passed_over:
    description:
      - Names of members that are not to take over, for example because proxies do not know them yet. Where nobody else
        could, the leader is restarted in place.
    type: list
    elements: str
    default: []
  foreseen:
    description:
      - Names of members that will wait for a restart by then. Counts in check mode only, and without O(members).
    type: list
    elements: str
    default: []
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 600
seealso:
  - module: howdah.postgresql.patroni_config
"""

EXAMPLES = r"""
- name: Put settings into force that wait for a restart
  howdah.postgresql.patroni_restart:
    containers: [pg1, pg2, pg3]
"""

RETURN = r"""
actions:
  description: What is to be done; in check mode, too.
  returned: always
  type: list
  elements: str
  sample: ["restart pg2: max_connections", "restart pg1: max_connections"]
done:
  description: What was done, in order, switchovers included.
  returned: when anything was
  type: list
  elements: str
  sample: ["restart pg2", "restart pg3", "switchover from pg1 to pg2", "restart pg1"]
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
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import rest, steps
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **rest.ARGUMENT_SPEC,
    "members": {"type": "list", "elements": "str"},
    "passed_over": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "foreseen": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 600},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    patroni = rest.Rest(params, deadline)
    cluster = patroni.cluster()
    named = params["members"]
    unknown = [name for name in named or () if cluster.member(name) is None]
    if unknown:
        raise InvalidInput(f"The cluster {cluster.scope} has no member {', '.join(unknown)}.")
    if named is None:
        foreseen = params["foreseen"] if report.check_mode else ()
        due = [member for member in cluster.members if member.pending_restart or member.name in foreseen]
    else:
        due = [member for member in cluster.members if member.name in named]
    report.plan(steps.restart_plan(due))
    if due and not report.check_mode:
        done: list[str] = []
        report.add(done=done)
        passed_over = params["passed_over"]
        cluster = steps.rolling_restart(patroni, cluster, due, named is None, deadline, done.append, passed_over)
    report.add(**cluster.told())


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
