#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: citus_verify
short_description: See that the groups of a Citus formation fit together
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - For a formation whose groups have been restored. Transactions of several groups that were prepared, and neither
    committed nor rolled back everywhere, are ended as the coordinator has recorded; metadata that differ between nodes
    are sent anew.
  - Then the rows are compared. The shards of a distributed table must have as many as the coordinator counts, and a
    reference table must have the same rows on every node. All tables are read for that.
  - Nobody should write meanwhile.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
  - howdah.postgresql.citus
attributes:
  check_mode:
    support: full
    details: Looks at what would be mended, and compares the rows as they are.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  rows:
    description: Whether to compare rows.
    type: bool
    default: true
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 3600
seealso:
  - module: howdah.postgresql.citus_restore_point
  - module: howdah.postgresql.citus_wait
"""

EXAMPLES = r"""
- name: The restored groups fit together
  howdah.postgresql.citus_verify:
    container: coord1
"""

RETURN = r"""
actions:
  description: What was mended, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["send the metadata to all nodes: work1:5432 has other metadata than most nodes"]
tables:
  description:
    - A row for each table that was compared, with C(table), C(kind), the C(rows) that the coordinator counts, on how
      many C(placements) they are, and the C(problem), which is empty.
  returned: success
  type: list
  elements: dict
disagreements:
  description: What does not fit together.
  returned: failure with V(groups_disagree)
  type: list
  elements: str
error:
  description: Name of the kind of failure, for example V(groups_disagree), V(not_the_coordinator).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1805), V(1801).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._citus import observe, verify
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import GroupsDisagree
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **observe.ARGUMENT_SPEC,
    "rows": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 3600},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    formation = observe.Formation(params, deadline)
    found = formation.check(["pending", "metadata"])
    left, differing = verify.pending(found["pending"]), verify.metadata_differ(found["metadata"])
    plan = verify.plan(left, differing)
    report.plan(plan)
    if plan.actions and not report.check_mode:
        verify.settle(formation, left, differing, deadline)
    told = verify.compare(formation.check(["rows"])["tables"]) if params["rows"] else []
    report.add(tables=told)
    wrong = [f"{row['table']}: {row['problem']}" for row in told if row["problem"]]
    if wrong:
        raise GroupsDisagree(f"The groups do not agree: {'; '.join(wrong)}.", disagreements=wrong)


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
