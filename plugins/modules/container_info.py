#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: container_info
short_description: Tell how containers are
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Returns state, health, addresses and the like of containers, and on request their last log lines.
  - Never returns values of environment variables, which hold secrets.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Changes nothing.
  idempotent:
    support: full
options:
  name:
    description: Names, or IDs, of the containers.
    type: list
    elements: str
    required: true
    aliases: [names]
  log_lines:
    description: Number of last log lines to return; V(0) for none.
    type: int
    default: 0
  image:
    description: Whether to look at the images of the containers, too.
    type: bool
    default: false
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 30
seealso:
  - module: howdah.postgresql.container
"""

EXAMPLES = r"""
- name: How is the server?
  howdah.postgresql.container_info:
    name: pg1
    log_lines: 5
  register: server

- name: It must be healthy
  ansible.builtin.assert:
    that: server.containers[0].health == "healthy"
"""

RETURN = r"""
containers:
  description: The containers, in the order of O(name).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: pg1
    exists:
      description: Whether it exists. If not, there is nothing but the name besides.
      type: bool
      returned: always
    id:
      description: Its ID.
      type: str
      returned: when it exists
    state:
      description: V(created), V(running), V(paused), V(restarting), V(exited) or V(dead).
      type: str
      returned: when it exists
    health:
      description: V(starting), V(healthy) or V(unhealthy); empty without a health check.
      type: str
      returned: when it exists
    image:
      description: Name of the image that it was made of.
      type: str
      returned: when it exists
    image_id:
      description: ID of the image that it was made of.
      type: str
      returned: when it exists
    image_created:
      description: When that image was made, in ISO 8601; V(null) if it is not on the engine any more.
      type: str
      returned: when it exists and O(image)
    created:
      description: When it was made, in ISO 8601.
      type: str
      returned: when it exists
    started_at:
      description: When it was last started, in ISO 8601; empty if never.
      type: str
      returned: when it exists
    restart_count:
      description: How often the engine has restarted it since.
      type: int
      returned: when it exists
    exit_code:
      description: Exit code of its last run; V(0) while it runs.
      type: int
      returned: when it exists
    ports:
      description: Published ports, in the form of the option O(howdah.postgresql.container#module:ports).
      type: list
      elements: str
      returned: when it exists
    mounts:
      description: Volumes and paths, in the form of the option O(howdah.postgresql.container#module:volumes).
      type: list
      elements: str
      returned: when it exists
    labels:
      description: Its labels, but for those by which this collection recognises containers and images.
      type: dict
      returned: when it exists
    env_names:
      description: Names of its environment variables, without the values.
      type: list
      elements: str
      returned: when it exists
    addresses:
      description: Network name to IP address, while it runs.
      type: dict
      returned: when it exists
    logs:
      description: Its last log lines, oldest first. Lines in JSON are returned as severity and message.
      type: list
      elements: str
      returned: when it exists and O(log_lines) is not V(0)
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_facts, container_logs, observe
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import (
    ARGUMENT_SPEC,
    REQUIRED_TOGETHER,
    connect,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.direct import Direct
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **ARGUMENT_SPEC,
    "name": {"type": "list", "elements": "str", "required": True, "aliases": ["names"]},
    "log_lines": {"type": "int", "default": 0},
    "image": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 30},
}
RULES: dict[str, Any] = {"required_together": REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    engine = Direct(params, deadline)
    containers = []
    for name in params["name"]:
        found = observe.container(engine, name, deadline)
        facts = container_facts.facts(name, found)
        if found is not None and params["log_lines"] > 0:
            secrets = container_facts.secret_values(found)
            client = connect(params, deadline)
            facts["logs"] = container_logs.read(client, found.id, secrets, deadline, params["log_lines"])
        if found is not None and params["image"]:
            from ansible_collections.howdah.postgresql.plugins.module_utils._docker import image_store

            image = image_store.inspect(engine, deadline, facts["image_id"])
            facts["image_created"] = image["Created"] if image else None
        containers.append(facts)
    report.add(containers=containers)


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
