# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that tells the groups of a Citus formation, and where their Patroni is asked."""
from __future__ import annotations

DOCUMENTATION = r"""
name: citus_groups
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The groups of a Citus formation with their members' addresses
description:
  - What the option O(howdah.postgresql.citus_info#module:groups) takes.
positional: hostvars
options:
  _input:
    description: Names of inventory hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell the groups
  ansible.builtin.debug:
    msg: "{{ groups.postgres | howdah.postgresql.citus_groups(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The groups, by their numbers, each with the addresses, C(host:port), of its members' Patroni.
  type: dict
"""

from typing import Any, Callable, Iterable, Mapping

from ansible_collections.howdah.postgresql.plugins.filter.citus_nodes import group_of

_REST_PORT = 8008


def citus_groups(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The groups. Numbers are text, as the keys of JSON are."""
    found: dict[int, list[str]] = {}
    for host in hosts:
        address = hostvars[host].get("patroni_address", host)
        found.setdefault(group_of(host, hostvars[host]), []).append(f"{address}:{_REST_PORT}")
    return {str(group): found[group] for group in sorted(found)}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"citus_groups": citus_groups}
