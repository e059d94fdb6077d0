# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that makes a table of backups, which a person reads at a glance."""
from __future__ import annotations

DOCUMENTATION = r"""
name: backup_rows
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Backups as rows of a table
description:
  - Picks what a person wants to know of what M(howdah.postgresql.pgbackrest_info) returns.
options:
  _input:
    description: The backups, as in RV(howdah.postgresql.pgbackrest_info#module:backups).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the backups
  howdah.postgresql.show:
    rows: "{{ found.backups | howdah.postgresql.backup_rows }}"
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
"""

from typing import Any, Callable, Iterable, Mapping


def backup_rows(backups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each backup."""
    return [
        {
            "backup": one["label"],
            "type": one["type"],
            "repository": one["repository"],
            "ended_utc": str(one["stop"])[:19].replace("T", " "),
            "cluster_MiB": round(one["size"] / 1048576),
            "repository_MiB": round(one["repository_size"] / 1048576, 1),
            "restores_from": one["lsn_stop"],
            "problem": "wrong checksums" if one["error"] else "",
        }
        for one in backups
    ]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"backup_rows": backup_rows}
