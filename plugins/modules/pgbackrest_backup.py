#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_backup
short_description: Back a cluster up
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Makes a backup in each of the repositories, one after the other, unless there is a good enough one.
  - Whether a backup was made is read from the repository afterwards, not from an exit code.
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
    support: partial
    details: With O(max_age), nothing is done while there is a backup that is young enough. Without, each run backs up.
options:
  type:
    description:
      - V(full) holds everything, V(diff) what has changed since the last full one, V(incr) what has changed since the
        last one of any type. Without a full one, both become one.
    type: str
    choices: [full, diff, incr]
    default: incr
  max_age:
    description:
      - Seconds. Nothing is done for a repository that has a backup of this age or younger, without faults, of this
        O(type) or one that holds more.
    type: float
  repositories:
    description: Numbers of the repositories. The default is all of them.
    type: list
    elements: int
  timeout:
    description: Limit in seconds for the whole task. A backup that is cut off is taken up by the next one.
    type: float
    default: 86400
seealso:
  - module: howdah.postgresql.pgbackrest_info
"""

EXAMPLES = r"""
- name: Before something daring
  howdah.postgresql.pgbackrest_backup:
    container: backup1
    stanza: main
    type: diff
    max_age: 3600
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["back up repository 1: full, there is none yet"]
backups:
  description:
    - For each of the repositories the newest backup that serves; in check mode the one that there is.
    - Each as RV(howdah.postgresql.pgbackrest_info#module:backups) has them.
  returned: success
  type: list
  elements: dict
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
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._pgbackrest import backup, repository
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **repository.ARGUMENT_SPEC,
    "type": {"type": "str", "choices": ["full", "diff", "incr"], "default": "incr"},
    "max_age": {"type": "float"},
    "repositories": {"type": "list", "elements": "int"},
    "timeout": {"type": "float", "default": 86400},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    pgbackrest = repository.Repository(params, deadline)
    stanza = pgbackrest.info()
    due = backup.due(stanza, params["type"], params["max_age"], params["repositories"], time.time())
    report.plan(backup.plan(stanza, params["type"], due))
    if not report.check_mode:
        stanza = backup.make(pgbackrest, stanza, params["type"], due)
    served = backup.serving(stanza, params["type"], params["repositories"])
    report.add(backups=[one.told(time.time()) for one in served])


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
