# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that picks the inventory hosts that share a machine and its container engine with another one."""
from __future__ import annotations

DOCUMENTATION = r"""
name: same_machine
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The hosts that share a machine and a container engine with a host
description:
  - What several nodes on one engine need is done in one call, on the first of them, for all of them.
  - Two nodes share a machine as P(howdah.postgresql.one_per_machine#filter) says.
positional: host, hostvars
options:
  _input:
    description: Names of inventory hosts.
    type: list
    elements: str
    required: true
  host:
    description: Name of the host whose companions are wanted.
    type: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Work on all nodes of this machine at a time
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts | howdah.postgresql.same_machine(inventory_hostname, hostvars) }}"
  when: inventory_hostname in ansible_play_hosts | howdah.postgresql.one_per_machine(hostvars)
"""

RETURN = r"""
_value:
  description: The hosts of that machine, itself included, in the order of the input.
  type: list
  elements: str
"""

from typing import Any, Callable, Iterable, Mapping

from ansible_collections.howdah.postgresql.plugins.filter.one_per_machine import machine_of


def same_machine(hosts: Iterable[str], host: str, hostvars: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts on the same machine and engine."""
    machine = machine_of(host, hostvars[host])
    return [other for other in hosts if machine_of(other, hostvars[other]) == machine]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"same_machine": same_machine}
