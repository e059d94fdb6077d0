# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that makes the lines of pg_hba.conf by which the nodes of a Citus formation let each other in."""
from __future__ import annotations

DOCUMENTATION = r"""
name: citus_hba
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The lines of pg_hba.conf that nodes of a Citus formation need for each other
description:
  - A node logs in to another one as whatever role has asked for something, and has no password of it. It is let in by
    two things together - it comes from the address of a node, and it shows a certificate of the cluster's authority.
  - Where O(authentication=password), nodes have passwords of roles, and are asked for them as everybody else is.
  - All nodes have the same lines.
  - At the container's own address 127.0.0.1 a password is asked for, as everywhere else.
positional: hostvars, database, networks, authentication
options:
  _input:
    description: Names of all inventory hosts of the formation.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
  database:
    description: Name of the database that has Citus.
    type: str
    required: true
  networks:
    description:
      - Names of the container networks. On them a container that is reached as C(pg1) is C(pg1.<network>) to whoever
        looks an address up.
    type: list
    elements: str
    default: []
  authentication:
    description: By what nodes know each other.
    type: str
    choices: [certificate, password]
    default: certificate
"""

EXAMPLES = r"""
- name: Tell the lines
  ansible.builtin.debug:
    msg: "{{ groups.postgres | howdah.postgresql.citus_hba(hostvars, 'citus', ['howdah']) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import ipaddress
from typing import Any, Callable, Iterable, Mapping, Sequence

_BY_CERTIFICATE = "trust clientcert=verify-ca"
_BY_PASSWORD = "scram-sha-256"


def citus_hba(
    hosts: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    database: str,
    networks: Sequence[str] = (),
    authentication: str = "certificate",
) -> list[str]:
    """The lines, the more special ones first: the server takes the first that fits."""
    method = _BY_PASSWORD if authentication == "password" else _BY_CERTIFICATE
    quoted = '"' + database.replace('"', '""') + '"'
    lines = [f"hostssl all all {own} {_BY_PASSWORD}" for own in ("127.0.0.1/32", "::1/128")]
    # A node is one for itself, too, from whatever address of its own.
    lines.append(f"hostssl {quoted} all samehost {method}")
    for host in hosts:
        for address in _addresses(host, hostvars[host], networks):
            lines.append(f"hostssl {quoted} all {address} {method}")
    return lines


def _addresses(host: str, variables: Mapping[str, Any], networks: Sequence[str]) -> list[str]:
    """As pg_hba.conf wants what a node's connections come from."""
    given = variables.get("citus_addresses") or [str(variables.get("patroni_address", host))]
    found: list[str] = []
    for address in given:
        try:
            network = ipaddress.ip_network(address, strict=False)
        except ValueError:
            found += [address, *(f"{address}.{name}" for name in networks if "." not in address)]
        else:
            found.append(str(network))
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"citus_hba": citus_hba}
