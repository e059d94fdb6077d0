#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: citus_restore_point
short_description: Make a restore point of a Citus formation
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Writes a named restore point into the log of every group, while no transaction of several groups commits through the
    coordinator. To such a point the groups can be restored so that they fit together. The playbook C(restore_point)
    also sees to it that the log is archived up to there.
  - What changes a single group is not held up. Before Citus 14, neither are transactions of several groups that begin
    on a worker.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
  - howdah.postgresql.citus
attributes:
  check_mode:
    support: full
    details: Sees whether there is a formation to be asked.
  diff_mode:
    support: full
  idempotent:
    support: none
    details: Each run makes a point.
options:
  label:
    description: How the name begins. The coordinator's time is added, so that it tells which backups are older.
    type: str
    default: howdah
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 60
seealso:
  - module: howdah.postgresql.pgbackrest_restore
  - module: howdah.postgresql.citus_verify
"""

EXAMPLES = r"""
- name: Before something daring
  howdah.postgresql.citus_restore_point:
    container: coord1
    label: before-migration
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["make restore point before-migration-…"]
name:
  description: What to restore to.
  returned: success, unless in check mode
  type: str
  sample: before-migration-20260131T120000Z
lsn:
  description: Where it is in the log of the coordinator.
  returned: success, unless in check mode
  type: str
error:
  description: Name of the kind of failure, for example V(not_the_coordinator), V(citus_missing).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1801), V(1800).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._citus import observe, verify
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.plan import Action, Plan
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **observe.ARGUMENT_SPEC,
    "label": {"type": "str", "default": "howdah"},
    "timeout": {"type": "float", "default": 60},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    verify.check_label(params["label"])
    formation = observe.Formation(params, deadline)
    formation.facts([])
    point = Action("make", f"restore point {params['label']}-…")
    report.plan(Plan((point,), {"restore point": None}, {"restore point": params["label"]}))
    if not report.check_mode:
        report.add(**formation.call("restore_point", label=params["label"]))


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
