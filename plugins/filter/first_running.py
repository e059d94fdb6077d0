# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that finds a node of a cluster which can be asked about it."""
from __future__ import annotations

DOCUMENTATION = r"""
name: first_running
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The first of some nodes whose container runs
description:
  - Any member of a cluster can be asked about it, or told to hand over, as long as its container runs. That of the
    first node of an inventory may be down, which is when people ask.
  - It goes by the variable C(nodes_found) of each host, a result of M(howdah.postgresql.container_info) that one host
    of each machine has for all nodes of the machine. What there is no result of, does not count as running.
positional: hostvars
options:
  _input:
    description: Names of inventory hosts, whose containers are called like them.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See which nodes run
  howdah.postgresql.container_info:
    name: "{{ ansible_play_hosts | howdah.postgresql.same_machine(inventory_hostname, hostvars) }}"
  register: nodes_found

- name: Ask one of them
  howdah.postgresql.patroni_info:
    containers: ["{{ inventory_hostname }}"]
  when: inventory_hostname == ansible_play_hosts | howdah.postgresql.first_running(hostvars)
"""

RETURN = r"""
_value:
  description: The host; the first of all where none runs, so that whoever asks it is told why. Empty for no hosts.
  type: str
"""

from typing import Any, Callable, Mapping, Sequence


def first_running(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    """The first whose container runs, or else the first; empty when there is none."""
    results = [hostvars[host].get("nodes_found") or {} for host in hosts]
    running = {
        container["name"]
        for result in results
        for container in result.get("containers") or ()
        if container.get("state") == "running"
    }
    return next((host for host in hosts if host in running), hosts[0] if hosts else "")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"first_running": first_running}
