# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that picks one inventory host for each container engine."""
from __future__ import annotations

DOCUMENTATION = r"""
name: one_per_machine
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The first of the hosts that share a machine and a container engine
description:
  - An inventory host of this collection is a node, one container. Several nodes can share a machine and its engine;
    what concerns the engine or its images is then done once, on the first of them.
  - Two nodes share a machine when they have the same C(ansible_host) (or both a local connection) and the same
    C(docker_host).
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
- name: Once for each engine
  ansible.builtin.debug:
    msg: "The engine of {{ inventory_hostname }}"
  when: inventory_hostname in ansible_play_hosts | howdah.postgresql.one_per_machine(hostvars)
"""

RETURN = r"""
_value:
  description: The first host of each engine, in the order of the input.
  type: list
  elements: str
"""

from typing import Any, Callable, Iterable, Mapping

LOCAL = "local connection"


def one_per_machine(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The first host of each (machine, engine)."""
    first: dict[tuple[str, str], str] = {}
    for host in hosts:
        first.setdefault(machine_of(host, hostvars[host]), host)
    return list(first.values())


def machine_of(host: str, variables: Mapping[str, Any]) -> tuple[str, str]:
    """What tells a machine and its engine from others."""
    local = variables.get("ansible_connection") == "local"
    machine = LOCAL if local else str(variables.get("ansible_host", host))
    return machine, str(variables.get("docker_host", ""))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"one_per_machine": one_per_machine}
