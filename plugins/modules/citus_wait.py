#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: citus_wait
short_description: Wait until a Citus formation is what its groups are
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Patroni of the coordinator's group tells Citus who leads and who follows in each group. This module waits until that
    is the truth - C(pg_dist_node) has exactly the live leaders and followers, the metadata have reached every leader,
    and every node reaches every other one. A node that cannot be asked counts as one that is not reached.
  - In check mode it looks once.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
  - howdah.postgresql.citus
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    description: Nothing is changed.
  idempotent:
    support: full
options:
  groups:
    required: true
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 120
seealso:
  - module: howdah.postgresql.citus_info
"""

EXAMPLES = r"""
- name: The formation is one
  howdah.postgresql.citus_wait:
    container: coord1
    groups:
      0: [coord1:8008]
      1: [worker1:8008]
"""

RETURN = r"""
ready:
  description: Whether all is as it should be. In check mode it may not be.
  returned: success
  type: bool
lacking:
  description: What is not; the same as in RV(howdah.postgresql.citus_info#module:lacking).
  returned: success, and failure with V(formation_unsettled)
  type: list
  elements: str
seconds:
  description: Seconds that it took.
  returned: success
  type: float
version:
  description: Version of Citus in the database.
  returned: success
  type: str
nodes:
  description: The nodes, as RV(howdah.postgresql.citus_info#module:nodes) has them.
  returned: success
  type: list
  elements: dict
error:
  description: Name of the kind of failure, for example V(citus_missing), V(not_the_coordinator),
    V(formation_unsettled).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1800), V(1801), V(1802).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._citus import observe, waiting
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **observe.ARGUMENT_SPEC,
    "groups": {"type": "dict", "required": True},
    "timeout": {"type": "float", "default": 120},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    formation = observe.Formation(params, deadline)
    facts, nodes, lacking = waiting.wait(formation, deadline, once=report.check_mode)
    report.add(
        ready=not lacking,
        lacking=lacking,
        seconds=round(deadline.elapsed(), 2),
        version=facts["version"],
        nodes=[node.told() for node in nodes],
    )


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
