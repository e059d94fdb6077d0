#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_wait
short_description: Wait until a Patroni cluster is whole, and no longer than that makes sense
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Waits until a cluster has a leader that serves, and all members follow it.
  - Stops at once, or after a short time of grace, on states that do not pass - another cluster's data in the volume,
    another
    major version's, members that do not let each other in, certificates of different authorities, etcd that does not
    answer, a
    cluster that could not be initialised, a server that does not start, a container that ends, a full disk. The message
    names
    cause, member and its last log lines.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.patroni
  - howdah.postgresql.docker
  - howdah.postgresql.patroni
attributes:
  check_mode:
    support: full
    details: Looks once, and does not wait.
  diff_mode:
    support: N/A
    description: Nothing is changed.
  idempotent:
    support: full
options:
  members:
    description: Names of all members that the cluster is to have. By default O(containers).
    type: list
    elements: str
  watched:
    description: Further containers on this engine that members depend on, those of etcd for example. If one ends,
      waiting does.
    type: list
    elements: str
    default: []
  gone:
    description: Names of former members that the cluster must have forgotten. Patroni lists a member that is no more
      until its lease ends.
    type: list
    elements: str
    default: []
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 300
seealso:
  - module: howdah.postgresql.patroni_info
"""

EXAMPLES = r"""
- name: Wait for the cluster
  howdah.postgresql.patroni_wait:
    containers: [pg1, pg2, pg3]
    watched: [etcd1]

- name: Wait until a node that was removed is forgotten
  howdah.postgresql.patroni_wait:
    containers: [pg1]
    gone: [pg3]
    timeout: 60
"""

RETURN = r"""
ready:
  description: Whether the cluster is whole. In check mode it may not be.
  returned: success
  type: bool
seconds:
  description: Seconds that it took.
  returned: success
  type: float
cause:
  description: Name of the state that does not pass, for example V(system_id_mismatch).
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
scope:
  description: Name of the cluster.
  returned: success, unless nobody knows it in check mode
  type: str
leader:
  description: Name of the leader; V(null) without one.
  returned: success, unless nobody knows it in check mode
  type: str
paused:
  description: Whether automatic failover is switched off.
  returned: success, unless nobody knows it in check mode
  type: bool
scheduled:
  description: A switchover that is yet to come, as Patroni tells it; V(null) without one.
  returned: success, unless nobody knows it in check mode
  type: dict
members:
  description: The members, as RV(howdah.postgresql.patroni_info#module:members) has them.
  returned: success, unless nobody knows it in check mode
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
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import rest, waiting
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import still_listed
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **rest.ARGUMENT_SPEC,
    "members": {"type": "list", "elements": "str"},
    "watched": {"type": "list", "elements": "str", "default": []},
    "gone": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 300},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    patroni = rest.Rest(params, deadline)
    members = params["members"] or params["containers"]
    cluster, ready = waiting.wait(
        patroni, members, params["watched"], deadline, once=report.check_mode,
        further=lambda found: still_listed(found, params["gone"]),
    )
    report.add(ready=ready, seconds=round(deadline.elapsed(), 2))
    if cluster is not None:
        report.add(**cluster.told())


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
