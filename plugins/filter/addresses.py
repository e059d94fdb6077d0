# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that tells where hosts are reached by others."""
from __future__ import annotations

DOCUMENTATION = r"""
name: addresses
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Names and addresses of inventory hosts
description:
  - A node's address is what a variable of it says, and without the variable its inventory name, by which nodes on one
    engine
    reach each other.
positional: hostvars, variable
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
  variable:
    description: Name of the variable that has the address.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Where the members of etcd are
  ansible.builtin.debug:
    msg: "{{ groups.etcd | howdah.postgresql.addresses(hostvars, 'etcd_address') | map(attribute='address') }}"
"""

RETURN = r"""
_value:
  description: The hosts, each with its C(name) and C(address), in the order of the input.
  type: list
  elements: dict
"""

from typing import Any, Callable, Iterable, Mapping


def addresses(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], variable: str) -> list[dict[str, str]]:
    """Each host with its name and address."""
    return [{"name": host, "address": str(hostvars[host].get(variable, host))} for host in hosts]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"addresses": addresses}
