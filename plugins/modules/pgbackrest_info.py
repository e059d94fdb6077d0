#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_info
short_description: What there is in the repositories of a cluster
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Tells of stanza, repositories, backups and archived log, of the schedule and its last results, and, if asked, from
    which backup a restore would start.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.pgbackrest
  - howdah.postgresql.docker
  - howdah.postgresql.pgbackrest
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  restore:
    description: A restore that is thought of. What it would start from is returned as RV(chosen).
    type: dict
    suboptions:
      type:
        description: As O(howdah.postgresql.pgbackrest_restore#module:type).
        type: str
        choices: [default, immediate, time, lsn, name, xid]
        default: default
      target:
        description: As O(howdah.postgresql.pgbackrest_restore#module:target).
        type: str
      set:
        description: As O(howdah.postgresql.pgbackrest_restore#module:set).
        type: str
      repository:
        description: As O(howdah.postgresql.pgbackrest_restore#module:repository).
        type: int
      written:
        description: How far the cluster's leader has written, for example V(0/3000110). A position beyond it is
          refused.
        type: str
  passphrases:
    description: For each repository, in order, the passphrase that is declared, to be told whether the container has
      another one.
    type: list
    elements: str
  config:
    description: Content of a configuration file that is thought of. What pgBackRest would find wrong with it is
      returned as RV(config_complaints).
    type: str
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 60
seealso:
  - module: howdah.postgresql.pgbackrest_backup
  - module: howdah.postgresql.pgbackrest_restore
"""

EXAMPLES = r"""
- name: See what there is
  howdah.postgresql.pgbackrest_info:
    container: backup1
    stanza: main
  register: found

- name: The newest full backup
  ansible.builtin.debug:
    msg: "{{ (found.backups | selectattr('type', 'equalto', 'full') | last).label }}"
"""

RETURN = r"""
actions:
  description: Empty.
  returned: always
  type: list
  elements: str
stanza:
  description: The stanza.
  returned: success
  type: str
exists:
  description: Whether it exists in every repository.
  returned: success
  type: bool
status:
  description: pgBackRest's number of its status; V(0) is well.
  returned: success
  type: int
message:
  description: The status in words.
  returned: success
  type: str
backup_running:
  description: Whether a backup runs.
  returned: success
  type: bool
repositories:
  description:
    - The repositories, each with its C(number), C(status), C(message), C(cipher) and C(retention) - pgBackRest's
      options of that name, for example C(full). With O(passphrases), C(passphrase_differs) tells whether the container
      has another one.
  returned: success
  type: list
  elements: dict
archives:
  description: What is archived - C(repository), C(id), and the first and last segment, C(min) and C(max).
  returned: success
  type: list
  elements: dict
complaints:
  description: What pgBackRest finds wrong with its configuration file, for example an option that it does not know. It
    goes on without.
  returned: success
  type: list
  elements: str
  sample: ["invalid option 'repo1-retention-ful'"]
config_complaints:
  description: The same of O(config), or the error that it would end with.
  returned: when O(config) is given
  type: list
  elements: str
system_identifiers:
  description: Of the systems that the stanza is of; another server than these cannot be backed up to it.
  returned: success
  type: list
  elements: str
backups:
  description: The backups, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    label:
      description: Its name.
      type: str
    type:
      description: V(full), V(diff) or V(incr).
      type: str
    repository:
      description: Number of the repository.
      type: int
    start:
      description: When it began, ISO 8601.
      type: str
    stop:
      description: When it ended.
      type: str
    age:
      description: Seconds since it ended.
      type: float
    lsn_start:
      description: Position in the log at its start.
      type: str
    lsn_stop:
      description: Position in the log at its end; no restore can end before.
      type: str
    wal_start:
      description: First segment of the log that it needs.
      type: str
    wal_stop:
      description: Last segment of the log that it needs.
      type: str
    size:
      description: Bytes of the cluster.
      type: int
    delta:
      description: Bytes that were copied.
      type: int
    repository_size:
      description: Bytes that it added to the repository.
      type: int
    error:
      description: Whether pages with wrong checksums were found; V(null) when that is not known.
      type: bool
    reference:
      description: Backups that it needs.
      type: list
      elements: str
schedule:
  description:
    - Whether the container is well (C(healthy), C(problem)), its last scheduled backup (C(last)), the time of the next
      one (C(next), seconds since 1970), and the last C(results).
  returned: success
  type: dict
chosen:
  description: The backup that O(restore) would start from, as in RV(backups).
  returned: when O(restore) is given
  type: dict
error:
  description: Name of the kind of failure, for example V(repository_unusable), V(stanza_mismatch).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1701), V(1702), V(1700).
  returned: failure
  type: int
"""

import time
from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.plan import Plan
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._pgbackrest import info, repository
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

_RESTORE: dict[str, Any] = {
    "type": {"type": "str", "choices": list(info.TARGETS), "default": "default"},
    "target": {"type": "str"},
    "set": {"type": "str"},
    "repository": {"type": "int"},
    "written": {"type": "str"},
}
OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **repository.ARGUMENT_SPEC,
    "restore": {"type": "dict", "options": _RESTORE},
    "passphrases": {"type": "list", "elements": "str", "no_log": True},
    "config": {"type": "str"},
    "timeout": {"type": "float", "default": 60},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    report.plan(Plan())
    pgbackrest = repository.Repository(params, deadline)
    stanza = pgbackrest.info()
    schedule = pgbackrest.status()
    kept = schedule.pop("retention", {})
    told = stanza.told(time.time())
    for one in told["repositories"]:
        one["retention"] = kept.get(str(one["number"]), {})
    if params["passphrases"] is not None:
        declared = dict(enumerate(params["passphrases"], 1))
        for one in told["repositories"]:
            number = one["number"]
            one["passphrase_differs"] = pgbackrest.passphrase_differs(number, declared.get(number, ""))
    if params["config"] is not None:
        told["config_complaints"] = list(pgbackrest.complaints_about(params["config"]))
    wished = params["restore"]
    # First: where none serves, one sentence says why, and what there is would hide it.
    if wished is not None:
        wish = info.Wish(wished["type"], wished["target"], wished["set"], wished["repository"], wished["written"])
        now = time.time()
        report.add(chosen=info.choose(stanza, wish, now).told(now))
    report.add(**told, schedule=schedule)


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
