# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that makes a table of a Citus formation, which a person reads at a glance."""
from __future__ import annotations

DOCUMENTATION = r"""
name: citus_rows
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: A Citus formation as rows of a table, a row each node
description:
  - Puts together nodes and placements; a node without shards has a row, too.
options:
  _input:
    description: What M(howdah.postgresql.citus_info) returned.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the formation
  howdah.postgresql.show:
    rows: "{{ formation | howdah.postgresql.citus_rows }}"
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
"""

from typing import Any, Callable, Mapping


def citus_rows(formation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each node, with the shards of those that have any."""
    held = {row["node"]: row for row in formation.get("placements") or ()}
    rows = []
    for node in formation.get("nodes") or ():
        address = f"{node['host']}:{node['port']}"
        # Followers hold what their leader holds.
        here = held.get(address) if node["role"] == "primary" else None
        rows.append(
            {
                "group": node["group"],
                "node": address,
                "role": node["role"],
                "active": "yes" if node["active"] else "NO",
                "metadata": ("yes" if node["synced"] else "NO") if node["role"] == "primary" else "",
                "shards": here["shards"] if here else "",
                "MiB": round(here["size_bytes"] / 1048576, 1) if here else "",
                "takes_shards": ("yes" if node["takes_shards"] else "no") if node["role"] == "primary" else "",
            }
        )
    return rows


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"citus_rows": citus_rows}
