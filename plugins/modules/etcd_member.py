#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Have a cluster of etcd expect one member more, or do without one
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Announces a member that is to join a running cluster of etcd, or removes one from it. One at a time - etcd refuses
    while members are not connected, and the module tries again until O(timeout).
  - The containers are another module's - a member that was announced is to be started with RV(initial_cluster), and one
    that was removed stops by itself.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  containers:
    description: Names of members that have a container on this engine. The first one that can be asked is asked.
    type: list
    elements: str
    required: true
    aliases: [container]
  name:
    description: Name of the member.
    type: str
    required: true
  peer_url:
    description: Where the other members reach it, for example V(https://etcd4:2380).
    type: str
  state:
    description: Whether it is to belong to the cluster.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 60
seealso:
  - module: howdah.postgresql.container
"""

EXAMPLES = r"""
- name: Have the others expect etcd4
  howdah.postgresql.etcd_member:
    containers: [etcd1]
    name: etcd4
    peer_url: https://etcd4:2380
  register: announced
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["announce the member etcd4: at https://etcd4:2380"]
members:
  description: Names of the members; of one that has not started yet, its number.
  returned: success
  type: list
  elements: str
initial_cluster:
  description: What C(ETCD_INITIAL_CLUSTER) of a member that joins has to be.
  returned: success, with O(state=present), outside check mode
  type: str
error:
  description: Name of the kind of failure, for example V(etcd_refused).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1505).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client as docker_client
from ansible_collections.howdah.postgresql.plugins.module_utils._etcd import members as pure
from ansible_collections.howdah.postgresql.plugins.module_utils._etcd.client import Etcd
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **docker_client.ARGUMENT_SPEC,
    "containers": {"type": "list", "elements": "str", "required": True, "aliases": ["container"]},
    "name": {"type": "str", "required": True},
    "peer_url": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "timeout": {"type": "float", "default": 60},
}
RULES: dict[str, Any] = {
    "required_together": docker_client.REQUIRED_TOGETHER,
    "required_if": [("state", "present", ["peer_url"])],
}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    etcd = Etcd(params, deadline)
    name, peer = params["name"], params["peer_url"]
    found = etcd.members()
    if params["state"] == "absent":
        plan, member = pure.removal(found, name, peer)
        report.plan(plan)
        if member is not None and not report.check_mode:
            etcd.remove(member)
            found = etcd.members()
    else:
        plan = pure.addition(found, name, peer)
        report.plan(plan)
        if plan.changed and not report.check_mode:
            etcd.announce(name, peer)
            found = etcd.members()
        if not report.check_mode:
            report.add(initial_cluster=pure.initial_cluster(found, name, peer))
    report.add(members=sorted(member.name or member.identity for member in found))


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
