# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that tells how the backups of a cluster are, for a person who glances at a table."""
from __future__ import annotations

DOCUMENTATION = r"""
name: backup_states
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The state of a cluster's backups and of its archive as rows of a table
description:
  - Puts together what M(howdah.postgresql.pgbackrest_info) returns and what the leader tells of its archiver.
  - What is wrong, or soon will be, is in C(problem).
options:
  _input:
    description:
      - By the name of the repository's container, what M(howdah.postgresql.pgbackrest_info) returned, also when it
        failed.
    type: dict
    required: true
  archiver:
    description:
      - The leader's archiver, as in RV(howdah.postgresql.server_info#module:archiver). Empty when it is unknown.
    type: dict
    required: true
  queue_max:
    description: How much log may wait before it is dropped, for example V(4GiB). Empty when none ever is.
    type: str
    required: true
  now:
    description: Seconds of the epoch.
    type: float
    required: true
  system_identifier:
    description:
      - The leader's, as in RV(howdah.postgresql.server_info#module:system_identifier). Empty when it is unknown.
    type: str
    default: ""
  servers:
    description:
      - What M(howdah.postgresql.server_info) returned of the server of a repository that has one of its own, by the
        name of the repository's container. The two above are of all others.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show how the backups are
  howdah.postgresql.show:
    rows: "{{ {'backup1': found} | howdah.postgresql.backup_states(server.archiver, '4GiB', now().timestamp()) }}"
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
"""

import re
from datetime import datetime, timezone
from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

# Of what may wait before it is dropped: whoever is told must have time to act.
_QUEUE_SHARE = 0.5
_SIZE = re.compile(r"(\d+) *([kmgtp]?)(?:i?b)?", re.IGNORECASE)


def backup_states(
    found: Mapping[str, Mapping[str, Any]],
    archiver: Mapping[str, Any],
    queue_max: str,
    now: float,
    system_identifier: str = "",
    servers: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """A row for each repository's container. Times are UTC.

    :param servers: of repositories whose server is another one than the others', that one.
    :raises AnsibleFilterError: for a size that cannot be understood.
    """
    limit = _bytes(queue_max)
    common = {"archiver": archiver, "system_identifier": system_identifier}
    rows = []
    for name, one in found.items():
        server = (servers or {}).get(name, common)
        told = server.get("archiver") or {}, limit, now, server.get("system_identifier") or ""
        rows.append(_row(name, one, *told))
    return rows


def _row(
    repository: str, found: Mapping[str, Any], archiver: Mapping[str, Any], limit: int | None, now: float, system: str
) -> dict[str, Any]:
    schedule = found.get("schedule") or {}
    backups = found.get("backups") or []
    newest = backups[-1] if backups else {}
    last = schedule.get("last") or {}
    waiting = archiver.get("waiting_bytes")
    return {
        "repository": repository,
        "backups": len(backups),
        "newest": f"{newest['type']} {_ago(newest['age'])}" if newest else "",
        "oldest": _ago(backups[0]["age"]) if backups else "",
        "keeps": ", ".join(map(_keeps, found.get("repositories") or [])),
        "MiB": round(sum(one["repository_size"] for one in backups) / 1048576),
        "on_schedule": _scheduled(last, now) if last else "not yet" if schedule.get("next") else "",
        "next_utc": _stamp(schedule.get("next")),
        "archived": max((one["max"] for one in found.get("archives") or [] if one["max"]), default=""),
        "waiting_MiB": "" if waiting is None else round(waiting / 1048576, 1),
        "problem": "; ".join(_problems(found, schedule, archiver, limit, system)),
    }


def _problems(
    found: Mapping[str, Any], schedule: Mapping[str, Any], archiver: Mapping[str, Any], limit: int | None, system: str
) -> list[str]:
    problems = []
    known = found.get("system_identifiers")
    if system and known and system not in known:
        problems.append(
            "it has the backups of another cluster than the one that runs; if the data of that one were lost, restore"
        )
    if found.get("error") == "container_not_found":
        problems.append("its container is missing; site makes it, and so does restore")
    elif "backups" not in found:
        # Of pgBackRest's own messages, which have many lines, the first one says what it is.
        problems.append(str(found.get("msg") or "the repository was not asked").splitlines()[0])
    elif not found["backups"]:
        problems.append("there is no backup")
    if found.get("complaints"):
        problems.append(f"pgBackRest goes on without what it does not take: {', '.join(found['complaints'])}")
    if schedule.get("problem"):
        problems.append(schedule["problem"])
    waiting = archiver.get("waiting_bytes") or 0
    if limit and waiting >= limit * _QUEUE_SHARE:
        problems.append(
            f"{waiting >> 20} MiB of the log wait to be archived; beyond {limit >> 20} MiB they are DROPPED, and no"
            " restore gets across the gap"
        )
    elif archiver.get("failing"):
        problems.append(f"the log is not archived since {archiver.get('last_archived_time') or 'ever'}")
    return problems


def _scheduled(last: Mapping[str, Any], now: float) -> str:
    return f"{last['type']} {'well' if last['ok'] else 'FAILED'} {_ago(now - last['start'])}"


def _keeps(repository: Mapping[str, Any]) -> str:
    kept = repository.get("retention") or {}
    if not kept.get("full"):
        return "all"
    return f"{kept['full']} {'days' if kept.get('full-type') == 'time' else 'full'}"


def _bytes(size: str) -> int | None:
    if not size:
        return None
    match = _SIZE.fullmatch(str(size).strip())
    if match is None:
        raise AnsibleFilterError(f"backup_states: {size!r} is no size, such as 4GiB.")
    return int(match[1]) << 10 * " kmgtp".index(match[2].lower() or " ")


def _ago(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _stamp(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"backup_states": backup_states}
