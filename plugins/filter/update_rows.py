# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that makes a table of the updates that images lack."""
from __future__ import annotations

DOCUMENTATION = r"""
name: update_rows
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Pending updates as rows of a table
description:
  - Counts the updates that images lack. Engines whose images lack the same share a row.
options:
  _input:
    description: For each host, by which an engine is reached, the pending updates of its images by the images' names -
      each with C(package), C(installed), C(available) and C(security).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the updates
  howdah.postgresql.show:
    rows: "{{ {'pg1': image_updates} | howdah.postgresql.update_rows }}"
"""

RETURN = r"""
_value:
  description: The rows, each with C(image), C(engines_of), C(updates) and C(for_security).
  type: list
  elements: dict
"""

from typing import Any, Callable, Mapping, Sequence


def update_rows(found: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> list[dict[str, Any]]:
    """A row for each image and state of it."""
    hosts: dict[tuple[str, int, str], list[str]] = {}
    for host, images in found.items():
        for image, updates in images.items():
            urgent = ", ".join(sorted({str(one["package"]) for one in updates if one["security"]}))
            hosts.setdefault((image, len(updates), urgent), []).append(host)
    return [
        {"image": image, "engines_of": ", ".join(names), "updates": count, "for_security": urgent or "none"}
        for (image, count, urgent), names in hosts.items()
    ]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"update_rows": update_rows}
