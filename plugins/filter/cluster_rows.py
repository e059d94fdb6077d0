# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that makes a table of a cluster, which a person reads at a glance."""
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_rows
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: A cluster as rows of a table, a row each member
description:
  - Puts together what M(howdah.postgresql.patroni_info) and M(howdah.postgresql.container_info) return about a
    cluster's members.
    A member that Patroni does not know has a row, too.
  - Of a member whose container does not run, Patroni goes on telling for a while what it last heard. Such a member is
    V(down), without a lag.
positional: containers, now, unseen
options:
  _input:
    description: What M(howdah.postgresql.patroni_info) returned, with
      O(howdah.postgresql.patroni_info#module:details=true).
    type: dict
    required: true
  containers:
    description:
      - The containers, as M(howdah.postgresql.container_info) returns them with
        O(howdah.postgresql.container_info#module:image=true).
    type: list
    elements: dict
    required: true
  now:
    description: Seconds of the epoch, for the age of the images.
    type: float
    required: true
  unseen:
    description: Members whose machines could not be asked about their containers. Each has a row, and a problem.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the cluster
  howdah.postgresql.show:
    rows: "{{ cluster | howdah.postgresql.cluster_rows(found.containers, now().timestamp()) }}"
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
"""

from datetime import datetime, timezone
from typing import Any, Callable, Iterable, Mapping

_DAY = 86400
_UNSEEN = "its machine could not be asked"


def cluster_rows(
    cluster: Mapping[str, Any], containers: Iterable[Mapping[str, Any]], now: float, unseen: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """A row for each member, in the order of the containers; members on other engines follow."""
    asked = cluster.get("members") is not None
    members = {member["name"]: member for member in cluster.get("members") or ()}
    found = {container["name"]: container for container in containers}
    silent = set(unseen) - set(found)
    names = dict.fromkeys([*found, *sorted(silent), *members])
    rows = [_row(name, members.get(name, {}), found.get(name, {}), asked, now) for name in names]
    return [{**row, "problem": _UNSEEN} if row["member"] in silent else row for row in rows]


def _row(
    name: str, member: Mapping[str, Any], container: Mapping[str, Any], asked: bool, now: float
) -> dict[str, Any]:
    state = container.get("state", "missing") if container else ""
    down = state not in ("", "running")
    problem = member.get("problem", "")
    if down:
        code = container.get("exit_code")
        problem = f"its container is {state}" + (f" (exit code {code})" if code and state == "exited" else "")
    elif not member and asked:
        problem = "Patroni does not know it"
    elif not problem and container.get("health") == "unhealthy":
        problem = "its container is unhealthy"
    elif not problem and ("failed" in str(member.get("state")) or member.get("state") == "crashed"):
        problem = f"its server: {member['state']}"
    elif not asked:
        problem = "Patroni could not be asked"
    return {
        "member": name,
        "role": str(member.get("role", "")).replace("_", " "),
        "state": "down" if down and member else member.get("state") or "",
        "timeline": member.get("timeline"),
        "lag": "" if down or member.get("role") == "leader" or not member else _size(member.get("lag")),
        "pending_restart": ", ".join(sorted(member.get("pending") or ()))
        or ("yes" if member.get("pending_restart") else ""),
        "version": _version(member.get("version")),
        "container": " ".join(filter(None, [state, "" if down else container.get("health", "")])),
        "image_age": _age(container.get("image_created"), now),
        "problem": problem,
    }


def _size(size: Any) -> str:
    if not isinstance(size, (int, float)):
        return "unknown"
    for unit in ("B", "kB", "MB"):
        if size < 10 * 1024 or unit == "MB":
            return f"{size:.0f} {unit}"
        size /= 1024
    return ""


def _version(number: Any) -> str:
    return f"{number // 10000}.{number % 10000}" if isinstance(number, int) else ""


def _age(created: Any, now: float) -> str:
    if not created:
        return ""
    # Engines tell nanoseconds, which Python does not take.
    seconds = datetime.strptime(str(created)[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    age = max(0.0, now - seconds)
    return f"{age / _DAY:.0f} d" if age >= _DAY else f"{age / 3600:.0f} h"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"cluster_rows": cluster_rows}
