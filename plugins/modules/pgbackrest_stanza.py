#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_stanza
short_description: Provide the stanza of a cluster in its repositories
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Creates the stanza where it is missing, and checks that the write-ahead log arrives in every repository.
  - A stanza of another cluster is never taken over; C(stanza-upgrade) is never run.
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
  verify:
    description:
      - Whether to have the leader switch to a new segment of its log, and to wait until it is in every repository.
      - That is no change. It does not happen in check mode.
    type: bool
    default: true
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 120
seealso:
  - module: howdah.postgresql.pgbackrest_info
"""

EXAMPLES = r"""
- name: The cluster can be backed up
  howdah.postgresql.pgbackrest_stanza:
    container: backup1
    stanza: main
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["create stanza main: there is no such stanza"]
stanza:
  description: The stanza.
  returned: success
  type: str
verified:
  description: Whether the write-ahead log was seen to arrive.
  returned: success
  type: bool
repositories:
  description: The repositories, each with its C(number), C(status), C(message) and C(cipher).
  returned: success
  type: list
  elements: dict
without_backup:
  description: Numbers of the repositories that have no full backup, or only one with wrong checksums.
  returned: success
  type: list
  elements: int
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
from ansible_collections.howdah.postgresql.plugins.module_utils._core.plan import Action, Plan
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._pgbackrest import info, repository
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **repository.ARGUMENT_SPEC,
    "verify": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 120},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    pgbackrest = repository.Repository(params, deadline)
    stanza = pgbackrest.info()
    missing = () if stanza.exists else (Action("create", f"stanza {stanza.name}", stanza.message),)
    report.plan(Plan(missing, {"exists": stanza.exists}, {"exists": True}))
    verified = False
    if not report.check_mode:
        if missing:
            pgbackrest.must(["stanza-create"], "creating the stanza")
            stanza = pgbackrest.info()
        if params["verify"]:
            pgbackrest.must(["check"], "checking that the log arrives")
            verified = True
    report.add(
        stanza=stanza.name,
        verified=verified,
        repositories=[dict(one) for one in stanza.repositories],
        without_backup=info.without_backup(stanza, time.time()),
    )


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
