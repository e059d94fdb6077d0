# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that numbers options as pgBackRest wants them."""
from __future__ import annotations

DOCUMENTATION = r"""
name: numbered
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Options of several repositories or servers in one mapping
description:
  - pgBackRest knows its repositories and servers by the number in the names of their options, such as C(repo2-path).
positional: prefix, names, common
options:
  _input:
    description: The options of each, without prefix and number.
    type: list
    elements: dict
    required: true
  prefix:
    description: What comes before the number.
    type: str
    required: true
  names:
    description:
      - Options that are called differently; V(null) leaves an option out. Without this (V(null)) options keep
        their names, and with O(common) only those of O(common) are taken.
    type: dict
  common:
    description: Options that all of them get.
    type: dict
"""

EXAMPLES = r"""
- name: Two repositories
  ansible.builtin.debug:
    msg: "{{ [{'path': '/a'}, {'type': 's3', 's3-bucket': 'b'}] | howdah.postgresql.numbered('repo') }}"
    # {'repo1-path': '/a', 'repo2-type': 's3', 'repo2-s3-bucket': 'b'}
"""

RETURN = r"""
_value:
  description: All of them, by their full names.
  type: dict
"""

from typing import Any, Callable, Iterable, Mapping


def numbered(
    items: Iterable[Mapping[str, Any]],
    prefix: str,
    names: Mapping[str, str | None] | None = None,
    common: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The options of all, each with prefix and number."""
    found: dict[str, Any] = {}
    for number, item in enumerate(items, start=1):
        options: dict[str | None, Any] = {}
        options.update((common or {}).items())
        if names is not None or common is None:
            options.update({(names or {}).get(key, key): value for key, value in item.items()})
        for name, value in options.items():
            if name is not None:
                found[f"{prefix}{number}-{name}"] = value
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"numbered": numbered}
