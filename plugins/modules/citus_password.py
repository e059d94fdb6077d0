#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: citus_password
short_description: Set passwords in a Citus formation whose nodes log in to each other by password
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Citus logs in to other nodes as the role that has asked for something. Where nodes know each other by password,
    every node has that password in C(pg_dist_authinfo), in clear text. This module sets passwords of roles in all
    groups, and keeps C(pg_dist_authinfo) of all groups in step with them.
  - Rows of C(pg_dist_authinfo) that the coordinator has for other roles are copied to groups that do not have them,
    such as one that has just joined. Only rows for all nodes are looked at (C(nodeid) 0).
  - While passwords change, which takes less than a second, a node that wants to log in to another one waits; none is
    refused. Connections that are open stay.
  - A run that was interrupted is finished by the next one. Groups are entered with the password that the coordinator
    has for the superuser, else with the new one.
  - Where nodes know each other by certificate, use M(howdah.postgresql.password) on the coordinator.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
  - howdah.postgresql.citus
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  groups:
    required: true
  roles:
    description: The roles. They have to exist on the coordinator, else none is changed.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The role.
        type: str
        required: true
      password:
        description: Its password, in clear text. A new formation needs the superuser's.
        type: str
        required: true
      between_groups:
        description: Whether nodes log in to those of other groups as this role. They do not as that of replication.
        type: bool
        default: true
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 30
seealso:
  - module: howdah.postgresql.password
  - module: howdah.postgresql.citus_wait
"""

EXAMPLES = r"""
- name: The superuser and an application
  howdah.postgresql.citus_password:
    container: coord1
    groups:
      0: [coord1:8008]
      1: [worker1:8008]
    roles:
      - name: postgres
        password: "{{ vault_postgres_password }}"
      - name: app
        password: "{{ vault_app_password }}"
"""

RETURN = r"""
changes:
  description: What was set, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    group:
      description: Number of the group.
      type: int
    name:
      description: The role.
      type: str
    what:
      description: V(password) of the role, or what the group's nodes V(login) with.
      type: str
    reason:
      description: Why.
      type: str
      sample: pg_dist_authinfo has none
replicated:
  description: Whether the synchronous standbys confirmed the changes. V(null) without any, or without a change.
  returned: success
  type: bool
actions:
  description: The changes as sentences.
  returned: always
  type: list
  elements: str
  sample: ["set password of role app in group 1: another password is stored"]
error:
  description: Name of the kind of failure, for example V(auth_failed), V(role_missing), V(not_the_coordinator),
    V(formation_unsettled).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1401), V(1404), V(1801), V(1802).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._citus import observe, passwords
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

_ROLE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "between_groups": {"type": "bool", "default": True},
}
OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **observe.ARGUMENT_SPEC,
    "groups": {"type": "dict", "required": True},
    "roles": {"type": "list", "elements": "dict", "required": True, "options": _ROLE},
    "timeout": {"type": "float", "default": 30},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    formation = observe.Formation(params, deadline)
    # In check mode, a group may be one that is yet to be made.
    leaders = passwords.leaders(formation.live(), some=report.check_mode)
    told = formation.passwords(leaders, params["roles"], report.check_mode)
    report.plan(passwords.plan_of(told["changes"]))
    report.add(**told)


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
