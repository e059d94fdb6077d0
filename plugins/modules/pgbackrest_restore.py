#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_restore
short_description: Restore a cluster's data from a backup
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Restores the data of one server into its volume, in a container of its own - copies the files of a backup, replays
    the log up to the target, and lets the server begin its new timeline, behind a private socket. When the task
    succeeds, the volume holds a cluster that was shut down cleanly.
  - The server of the volume must be stopped; the volume is locked meanwhile.
  - The container is removed in the end. If that fails, it is a warning, whatever came of the restore.
  - A data folder that is there is moved aside within the volume, and stays until O(step=finish).
  - What is archived is left alone until the cluster's own server runs.
  - The playbook C(restore) does all that belongs to it.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
    details: Looks into the volume, in a container of its own that changes nothing.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: O(step=finish) only. Each run of the others does it again.
options:
  step:
    description: What is to be done.
    type: str
    default: restore
    choices:
      restore: Restore.
      set_aside: Move the data folder of a replica aside, so that it is made anew.
      finish: Remove what was moved aside.
      forget: Remove the Patroni cluster from etcd, where the restored one would seem to be behind. All members must be
        stopped.
      mark: Have the server in the container O(name) commit an empty transaction. PostgreSQL restores to a time only
        where something was committed after it. A standby cannot, which is no error.
      drill: Restore into a container that is removed with all it holds, and check what was restored.
  name:
    description: Name of the container that does it.
    type: str
    required: true
  image:
    description: Image of the server.
    type: str
    required: true
  volume:
    description: Volume of the data. It is made when it is missing. Needed, but with O(step=drill) and O(step=forget).
    type: str
  config_volume:
    description: Volume with the server's settings and certificate, by which the repository is reached.
    type: str
  repository_container:
    description:
      - Name of a repository's container on the same engine. Its repositories are read directly, with its keys, instead
        of by O(config_volume) - for drills, and for the backups of another cluster.
    type: str
  network:
    description: Network in which the repository or the storage is reached.
    type: str
  stanza:
    description: The stanza. Needed to restore.
    type: str
  type:
    description: How far to recover.
    type: str
    default: default
    choices:
      default: To the end of what is archived.
      immediate: To the moment when the backup is consistent.
      time: To O(target), a time with its zone, for example V(2026-01-31 12:00:00+00).
      lsn: To O(target), a position in the log, for example V(0/3000110).
      name: To O(target), a restore point that was made by C(pg_create_restore_point).
      xid: To O(target), a transaction.
  target:
    description: Where to stop.
    type: str
  exclusive:
    description: Whether to stop just before O(target), instead of just after it.
    type: bool
    default: false
  timeline:
    description: The timeline to follow, a number, V(current) or V(latest).
    type: str
    default: latest
  set:
    description: Label of the backup to start from. With V(name) and V(xid) it must be given when the newest is too new.
    type: str
  repository:
    description: Number of the repository to restore from. The default is the first that has the backup.
    type: int
  archived:
    description:
      - Name of the last segment of the log in the archive. With V(default), a recovery that ends before it has met a
        gap, and fails.
    type: str
  size:
    description: Bytes of the cluster, as told by M(howdah.postgresql.pgbackrest_info), to see whether it fits.
    type: int
    default: 0
  discard:
    description: Whether to remove the present data folder first, when there is no room to keep it.
    type: bool
    default: false
  superuser:
    description: Name of the superuser.
    type: str
    default: postgres
  pgdata:
    description: The data folder. The default is the image's.
    type: str
  settings:
    description: Settings of PostgreSQL for the recovery, such as C(shared_preload_libraries).
    type: dict
    default: {}
  clustered:
    description: With O(step=restore), whether the server becomes the member of a cluster. A cluster's backup can only
      become one.
    type: bool
    default: true
  amcheck:
    description: With O(step=drill), whether to have C(pg_amcheck) look at all tables and indexes.
    type: bool
    default: true
  checksums:
    description: With O(step=drill), whether to check the checksums of all pages.
    type: bool
    default: true
  assertions:
    description: With O(step=drill), questions whose answers must be right.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is about.
        type: str
      database:
        description: Where to ask.
        type: str
        default: postgres
      sql:
        description: The question, a statement of SQL.
        type: str
        required: true
      expected:
        description: The answer, as psql prints it without decoration.
        type: str
        default: t
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 86400
seealso:
  - module: howdah.postgresql.pgbackrest_info
"""

EXAMPLES = r"""
- name: Back to noon
  howdah.postgresql.pgbackrest_restore:
    name: pg1-restore
    image: howdah/postgresql:15-bookworm
    volume: pg1-data
    config_volume: pg1-etc
    network: main
    stanza: main
    type: time
    target: "2026-01-31 12:00:00+00"

- name: Does the newest backup restore?
  howdah.postgresql.pgbackrest_restore:
    step: drill
    name: backup1-drill
    image: howdah/postgresql:15-bookworm
    repository_container: backup1
    stanza: main
    assertions:
      - {name: there are customers, database: shop, sql: SELECT count(*) > 1000 FROM customers}
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["restore volume pg1-data: stanza main, from the newest backup, to the end of the archived log"]
cluster:
  description: Whether there was a cluster in the volume.
  returned: success
  type: bool
incomplete:
  description: Whether a restore of before was cut off.
  returned: success
  type: bool
kept:
  description: Folders that were moved aside.
  returned: success
  type: list
  elements: str
timeline:
  description: The restored cluster's timeline.
  returned: when restored
  type: int
lsn:
  description: Position in the log up to which it was replayed. The restored cluster's timeline begins there.
  returned: when restored
  type: str
last_transaction:
  description: Time of the last transaction that was replayed, as the server logs it.
  returned: when there was one
  type: str
stopped:
  description: Where the recovery stopped, as the server logs it.
  returned: when it had a target
  type: str
system_identifier:
  description: Identifier of the cluster.
  returned: when restored
  type: str
databases:
  description: Bytes of each database.
  returned: when restored
  type: dict
restore_seconds:
  description: Seconds that copying the files took.
  returned: when restored
  type: float
recovery_seconds:
  description: Seconds that replaying the log took.
  returned: when restored
  type: float
seconds:
  description: Seconds of all that happened in the container.
  returned: when restored
  type: float
checksum_blocks:
  description: Number of pages whose checksums were checked; V(null) in a cluster without checksums.
  returned: with O(step=drill)
  type: int
assertions:
  description: The answers, each with C(name), C(ok), C(answer) and C(expected).
  returned: with O(step=drill)
  type: list
  elements: dict
error:
  description: Name of the kind of failure, for example V(restore_failed), V(no_space_to_keep), V(drill_failed).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1706), V(1707), V(1708).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.plan import Plan
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._pgbackrest import info, restore
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

_ASSERTION: dict[str, Any] = {
    "name": {"type": "str"},
    "database": {"type": "str", "default": "postgres"},
    "sql": {"type": "str", "required": True},
    "expected": {"type": "str", "default": "t"},
}
OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    "step": {
        "type": "str",
        "choices": ["restore", "set_aside", "finish", "forget", "drill", "mark"],
        "default": "restore",
    },
    "name": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "volume": {"type": "str"},
    "config_volume": {"type": "str"},
    "repository_container": {"type": "str"},
    "network": {"type": "str"},
    "stanza": {"type": "str"},
    "type": {"type": "str", "choices": list(info.TARGETS), "default": "default"},
    "target": {"type": "str"},
    "exclusive": {"type": "bool", "default": False},
    "timeline": {"type": "str", "default": "latest"},
    "set": {"type": "str"},
    "repository": {"type": "int"},
    "archived": {"type": "str"},
    "size": {"type": "int", "default": 0},
    "discard": {"type": "bool", "default": False},
    "superuser": {"type": "str", "default": "postgres"},
    "pgdata": {"type": "str"},
    "settings": {"type": "dict", "default": {}},
    "clustered": {"type": "bool", "default": True},
    "amcheck": {"type": "bool", "default": True},
    "checksums": {"type": "bool", "default": True},
    "assertions": {"type": "list", "elements": "dict", "default": [], "options": _ASSERTION},
    "timeout": {"type": "float", "default": 86400},
}
RULES: dict[str, Any] = {
    "required_together": client.REQUIRED_TOGETHER,
    "required_if": [
        ("step", "restore", ("volume", "stanza")),
        ("step", "set_aside", ("volume",)),
        ("step", "finish", ("volume",)),
        ("step", "forget", ("config_volume",)),
        ("step", "drill", ("stanza", "repository_container")),
    ],
    "mutually_exclusive": [("config_volume", "repository_container")],
}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    if params["step"] == "mark":
        report.plan(Plan())
        if not report.check_mode:
            restore.mark(params, deadline)
        return
    restore.check(params)
    job = restore.Work(params, deadline, report.warn)
    seen = job.look()
    restore.room(params, seen)
    plan = restore.plan(params, seen)
    report.plan(plan)
    # A restore that fails tells itself what it has kept by then.
    done = job.do(seen) if plan.changed and not report.check_mode else {}
    report.add(**{**seen, **done})


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
