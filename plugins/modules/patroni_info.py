#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_info
short_description: Tell what a Patroni cluster is like
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Returns leader and members of a cluster, as Patroni sees them at this moment.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.patroni
  - howdah.postgresql.docker
  - howdah.postgresql.patroni
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    description: Nothing is changed.
  idempotent:
    support: full
options:
  details:
    description: Whether to ask each member for what only it knows, such as its versions.
    type: bool
    default: false
  config:
    description: Whether to return the dynamic configuration, too.
    type: bool
    default: false
  query:
    description:
      - A L(JMESPath,https://jmespath.org/) expression. What it selects from the return values is returned as
        RV(selected).
      - It is evaluated on the controller, which needs the Python library jmespath.
    type: str
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 30
seealso:
  - module: howdah.postgresql.patroni_switchover
"""

EXAMPLES = r"""
- name: Who leads, and who lags
  howdah.postgresql.patroni_info:
    containers: [pg1, pg2, pg3]
    query: "{leader: leader, lagging: members[?lag > `1048576`].name}"
  register: cluster
"""

RETURN = r"""
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
  description: The members, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    role:
      description: V(leader), V(replica), V(sync_standby), V(quorum_standby) or V(standby_leader).
      type: str
    state:
      description: V(running) for a leader that serves, V(streaming) for a replica that follows; else what Patroni calls
        it.
      type: str
    host:
      description: Address of its server.
      type: str
    port:
      description: Port of its server.
      type: int
    rest:
      description: Host and port of its REST interface.
      type: str
    timeline:
      description: Its timeline.
      type: int
    lag:
      description: Bytes that it is behind; V(null) for the leader, and when unknown.
      type: int
    pending_restart:
      description: Whether settings wait for a restart.
      type: bool
    pending:
      description: Which ones, each with C(old_value) and C(new_value).
      type: dict
    tags:
      description: Its tags.
      type: dict
    version:
      description: Version of its server, as a number.
      type: int
      returned: O(details)
    patroni:
      description: Version of its Patroni.
      type: str
      returned: O(details)
    started:
      description: When its server was started.
      type: str
      returned: O(details)
    problem:
      description: Why it could not be asked; empty if it could.
      type: str
      returned: O(details)
config:
  description: The dynamic configuration.
  returned: O(config)
  type: dict
selected:
  description: What O(query) selects.
  returned: O(query) is given
  type: raw
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
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import HowdahError
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import rest
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import Member
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **rest.ARGUMENT_SPEC,
    "details": {"type": "bool", "default": False},
    "config": {"type": "bool", "default": False},
    "query": {"type": "str"},
    "timeout": {"type": "float", "default": 30},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def _details(patroni: rest.Rest, member: Member) -> dict[str, Any]:
    """What only the member itself knows."""
    try:
        _status, body = patroni.ask("GET", "/patroni", member.rest)
    except HowdahError as error:
        return {"version": None, "patroni": None, "started": None, "problem": error.message}
    told = body if isinstance(body, dict) else {}
    return {
        "version": told.get("server_version"),
        "patroni": (told.get("patroni") or {}).get("version"),
        "started": told.get("postmaster_start_time"),
        "problem": "",
    }


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    patroni = rest.Rest(params, deadline)
    cluster = patroni.cluster()
    told = cluster.told()
    if params["details"]:
        told["members"] = [{**member.told(), **_details(patroni, member)} for member in cluster.members]
    report.add(**told)
    if params["config"]:
        report.add(config=patroni.config())


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
