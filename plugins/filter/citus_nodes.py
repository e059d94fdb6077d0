# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that picks the inventory hosts of one group of a Citus formation."""
from __future__ import annotations

DOCUMENTATION = r"""
name: citus_nodes
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The hosts of one group of a Citus formation
description:
  - Each group of a Citus formation is a Patroni cluster of its own. A host's variable C(citus_group) says which one it
    belongs to; a host without it counts as one of group 0, so in a cluster without Citus all are of one group.
positional: hostvars, group
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
  group:
    description: Number of the group.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Tell who may be the coordinator
  ansible.builtin.debug:
    msg: "{{ groups.postgres | howdah.postgresql.citus_nodes(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The hosts of that group, in the order of the input.
  type: list
  elements: str
"""

from typing import Any, Callable, Iterable, Mapping

from ansible.errors import AnsibleFilterError


def citus_nodes(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], group: Any = 0) -> list[str]:
    """The hosts of that group.

    :raises AnsibleFilterError: for a group that is no number from 0 on.
    """
    wanted = group_of("", {"citus_group": group})
    return [host for host in hosts if group_of(host, hostvars[host]) == wanted]


def group_of(host: str, variables: Mapping[str, Any]) -> int:
    """The number of a host's group.

    :raises AnsibleFilterError: when it is none.
    """
    given = variables.get("citus_group", 0)
    if isinstance(given, bool) or not str(given).isdecimal():
        of = f" of {host}" if host else ""
        raise AnsibleFilterError(
            f"citus_group{of} must be a number, 0 for the coordinator, else from 1 on; got {given!r}."
        )
    return int(given)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"citus_nodes": citus_nodes}
