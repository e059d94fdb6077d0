#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: citus_info
short_description: Tell what a Citus formation is like
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Returns nodes, placements of shards and their sizes, balance and background jobs of a formation, as the coordinator
    sees them at this moment.
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
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 30
notes:
  - Sizes are asked of every node. A node that does not answer makes this module fail, as it does any query of the
    table.
seealso:
  - module: howdah.postgresql.citus_wait
"""

EXAMPLES = r"""
- name: How full the nodes are
  howdah.postgresql.citus_info:
    container: coord1
    groups:
      0: [coord1:8008]
      1: [worker1:8008]
      2: [worker2:8008]
  register: formation

- name: One node has much more than the others
  ansible.builtin.debug:
    msg: "{{ formation.placements }}"
  when: formation.imbalance | default(0, true) > 0.2
"""

RETURN = r"""
version:
  description: Version of Citus in the database.
  returned: success
  type: str
nodes:
  description: The nodes that Citus knows, a row of C(pg_dist_node) each.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its number.
      type: int
    group:
      description: Its group.
      type: int
    host:
      description: Its address.
      type: str
    port:
      description: Its port.
      type: int
    role:
      description: V(primary) or V(secondary).
      type: str
    active:
      description: Whether Citus uses it.
      type: bool
    synced:
      description: Whether it has the metadata.
      type: bool
    takes_shards:
      description: Whether shards are put onto it.
      type: bool
lacking:
  description: In what the nodes differ from who lives, and which of them do not reach each other. Empty when all is
    well.
  returned: success
  type: list
  elements: str
placements:
  description: What each node holds of the distributed tables.
  returned: success
  type: list
  elements: dict
  sample: [{"group": 1, "node": "worker1:5432", "takes_shards": true, "shards": 16, "size_bytes": 262144}]
tables:
  description: The distributed and reference tables, with C(name), C(type), C(distribution_column), C(colocation_id),
    C(shard_count) and C(size_bytes).
  returned: success
  type: list
  elements: dict
imbalance:
  description: By how much the fullest node exceeds the mean, as a fraction of it. V(null) when nothing is distributed.
  returned: success
  type: float
moves:
  description: Moves of shards that a rebalancing would do now.
  returned: success
  type: list
  elements: dict
jobs:
  description: The newest background jobs, and all that have not ended, each with the number of its C(tasks) by state.
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

from ansible_collections.howdah.postgresql.plugins.module_utils._citus import model, observe
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **observe.ARGUMENT_SPEC,
    "timeout": {"type": "float", "default": 30},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    formation = observe.Formation(params, deadline)
    facts = formation.facts(["health", "placements", "moves", "jobs"], groups=True)
    nodes = model.nodes(facts["nodes"])
    held = model.placements(nodes, facts["placements"])
    lacking = model.topology_lacks(facts["live"], nodes) if formation.groups else []
    report.add(
        version=facts["version"],
        nodes=[node.told() for node in nodes],
        lacking=[*lacking, *model.unhealthy(facts["health"])],
        placements=held,
        tables=facts["tables"],
        imbalance=model.imbalance(held),
        moves=facts["moves"],
        jobs=facts["jobs"],
    )


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
