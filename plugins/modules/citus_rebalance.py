#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: citus_rebalance
short_description: Spread the shards of a Citus formation evenly, or empty nodes
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Has Citus move shards in the background, until all nodes that take shards have about the same, and shows how far it
    has come. Tables can be read and written meanwhile.
  - Nothing is done when all is balanced. A job that runs already is waited for. A job goes on when this module is
    interrupted, or the coordinator fails over; running it again follows it.
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
  drain:
    description:
      - Numbers of groups that are to be emptied. They get no more shards, and those that they have move to the others;
        it is refused where there are none.
    type: list
    elements: int
    default: []
  transfer_mode:
    description:
      - How a shard moves. V(auto) copies it while it is written to, which needs a primary key or another replica
        identity, V(force_logical) does so without one; V(block_writes) lets nobody write to it meanwhile.
    type: str
    choices: [auto, force_logical, block_writes]
    default: auto
  patience:
    description:
      - Seconds after which to return although the job is still at work; V(0) waits until its end. The part of this
        module on the controller uses it to show the progress.
    type: float
    default: 0
  timeout:
    description: Limit in seconds for the whole task. The job goes on after it.
    type: float
    default: 3600
seealso:
  - module: howdah.postgresql.citus_info
"""

EXAMPLES = r"""
- name: Spread the shards
  howdah.postgresql.citus_rebalance:
    container: coord1

- name: Empty a group that is to go
  howdah.postgresql.citus_rebalance:
    container: coord1
    drain: [3]
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["move shard 102013 of events: work1a:5432 to work3a:5432"]
running:
  description: Whether a job is still at work; only with O(patience).
  returned: success
  type: bool
progress:
  description: How far the job has come; empty without one.
  returned: success
  type: str
placements:
  description: What each node holds, as RV(howdah.postgresql.citus_info#module:placements) has it.
  returned: success
  type: list
  elements: dict
imbalance:
  description: By how much the fullest node exceeds the mean, as a fraction of it.
  returned: success
  type: float
messages:
  description: What Citus says of the moves that failed, or why it begins none.
  returned: failure with V(rebalance_failed)
  type: list
  elements: str
error:
  description: Name of the kind of failure, for example V(rebalance_failed), V(drain_refused), V(not_the_coordinator).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1803), V(1804), V(1801).
  returned: failure
  type: int
"""

import time
from typing import Any, Collection, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._citus import model, observe, rebalance
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import RebalanceFailed, SqlFailed
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **observe.ARGUMENT_SPEC,
    "drain": {"type": "list", "elements": "int", "default": []},
    "transfer_mode": {"type": "str", "choices": ["auto", "force_logical", "block_writes"], "default": "auto"},
    "patience": {"type": "float", "default": 0},
    "timeout": {"type": "float", "default": 3600},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}
_PAUSE = 1.0


def start(formation: observe.Formation, drain: bool, mode: str) -> None:
    """Have the job begun.

    :raises RebalanceFailed: when Citus sees at once that it cannot move what is to move.
    """
    try:
        formation.call("rebalance", drain=drain, mode=mode)
    except SqlFailed as error:
        raise RebalanceFailed(f"No job was begun: {error.message}", messages=[error.message]) from error


def _follow(
    formation: observe.Formation, patience: float, deadline: Deadline, ended: Collection[int] = ()
) -> tuple[str, bool]:
    """Wait for the job, if there is one; how far it has come, and whether it is still at work.

    :param patience: seconds after which whoever asked wants to hear of it; 0: not before it has ended.
    :param ended: numbers of the jobs that had ended before this run, which does not fail for them.
    :raises RebalanceFailed: when the newest job failed.
    :raises DeadlineExceeded: when it takes too long.
    """
    until = deadline.elapsed() + patience
    while True:
        jobs = [job for job in formation.facts(["jobs"])["jobs"] if job["job_id"] not in ended]
        at_work = model.running(jobs)
        if not at_work and jobs and jobs[-1]["state"] == "failed":
            messages = jobs[-1]["messages"]
            said = "; ".join(messages) or "Citus does not say why"
            raise RebalanceFailed(f"Job {jobs[-1]['job_id']} failed: {said}", messages=messages)
        told = rebalance.progress(at_work[0] if at_work else jobs[-1]) if jobs else ""
        if not at_work or (patience and deadline.elapsed() + _PAUSE >= until):
            return told, bool(at_work)
        time.sleep(min(_PAUSE, deadline.left()))
        deadline.check(f"waiting for {told}; it goes on in the background, run again to follow it")


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    formation = observe.Formation(params, deadline)
    facts = formation.facts(["placements", "moves", "jobs"])
    nodes = model.nodes(facts["nodes"])
    held = model.placements(nodes, facts["placements"])
    drained = rebalance.to_drain(nodes, params["drain"])
    plan = rebalance.rebalance_plan(nodes, held, facts["moves"], facts["jobs"], drained)
    report.plan(plan)
    at_work, told = False, ""
    if plan.actions and not report.check_mode:
        for node in drained:
            if node.takes_shards:
                formation.call("take_shards", host=node.host, port=node.port, value=False)
        if rebalance.needs_start(plan, facts["jobs"]):
            start(formation, bool(drained), params["transfer_mode"])
        ended = {job["job_id"] for job in facts["jobs"]} - {job["job_id"] for job in model.running(facts["jobs"])}
        told, at_work = _follow(formation, params["patience"], deadline, ended)
        facts = formation.facts(["placements"])
        held = model.placements(model.nodes(facts["nodes"]), facts["placements"])
    report.add(running=at_work, progress=told, placements=held, imbalance=model.imbalance(held))


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
