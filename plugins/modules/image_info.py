#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells which images an engine has, and how old they are."""
from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Look at container images and their age
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Tells of each named image whether the engine has it, and how old it is in what counts for security updates.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    description: Nothing is changed.
  idempotent:
    support: full
options:
  name:
    description: Names or IDs of images.
    type: list
    elements: str
    required: true
    aliases: [names]
  timeout:
    description: Seconds after which the module has returned.
    type: float
    default: 30
seealso:
  - module: howdah.postgresql.image
"""

EXAMPLES = r"""
- name: Look at the image
  howdah.postgresql.image_info:
    name: [howdah/postgresql:15-bookworm]
  register: looked

- name: Remind of security updates
  ansible.builtin.debug:
    msg: The image is {{ looked.images[0].age | int }} days old.
  when: looked.images[0].age | default(0) > 30
"""

RETURN = r"""
images:
  description: One entry for each name, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name that was asked for.
      type: str
      returned: always
    exists:
      description: Whether the engine has it.
      type: bool
      returned: always
    image_id:
      description: Its ID.
      type: str
      returned: when it exists
    size:
      description: Its size in bytes.
      type: int
      returned: when it exists
    created:
      description: When it was made.
      type: str
      returned: when it exists
    age:
      description:
        - Days since the oldest of its own steps ran, in a build that did not take it from the cache. Steps of the image
          that it was built upon do not count, if M(howdah.postgresql.image) built it and the engine has that one.
      type: float
      returned: when it exists
    labels:
      description: Its labels, but for those by which M(howdah.postgresql.image) recognises it.
      type: dict
      returned: when it exists
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import image_age, image_marks, image_store
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import ARGUMENT_SPEC, REQUIRED_TOGETHER
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.direct import Direct
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **ARGUMENT_SPEC,
    "name": {"type": "list", "elements": "str", "required": True, "aliases": ["names"]},
    "timeout": {"type": "float", "default": 30},
}
RULES: dict[str, Any] = {"required_together": REQUIRED_TOGETHER}


def _facts(engine: Direct, deadline: Deadline, name: str) -> dict[str, Any]:
    image = image_store.inspect(engine, deadline, name)
    if image is None:
        return {"name": name, "exists": False}
    labels = (image.get("Config") or {}).get("Labels") or {}
    return {
        "name": name,
        "exists": True,
        "image_id": image["Id"],
        "size": image["Size"],
        "created": image["Created"],
        "age": round(image_age.days(image_age.built_at(engine, deadline, image)), 6),
        "labels": image_marks.without(labels),
    }


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    engine = Direct(params, deadline)
    report.add(images=[_facts(engine, deadline, name) for name in params["name"]])


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
