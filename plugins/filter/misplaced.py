# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that finds in an inventory what cannot be: a host that is two nodes, one port for two, and the like."""
from __future__ import annotations

DOCUMENTATION = r"""
name: misplaced
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Hosts that are two nodes, ports that two containers want, addresses that are missing
description:
  - Of what is declared alone, without asking any machine. Who finds out by deploying it has the images built and etcd
    deployed by then.
  - A host of the inventory is one node, which is one container, so that it is in one of the groups C(postgres),
    C(etcd), C(proxy) and C(backup).
  - Two containers want one port of a machine by the networks' mode V(host), by published ports, or by both. Lists of
    further ports (C(patroni_ports), C(etcd_ports)) are not looked at.
  - With the networks' mode V(host) nobody is found by a container's name. A node of several machines to which Ansible
    does not connect by its name in the inventory (C(ansible_host), C(ansible_connection)) has to say by which address
    the others reach it.
positional: hostvars, kinds_only
options:
  _input:
    description: The variable C(groups).
    type: dict
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
  kinds_only:
    description: Only the hosts that are of several kinds.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Nobody is in anybody's way
  ansible.builtin.assert:
    that: groups | howdah.postgresql.misplaced(hostvars) | length == 0
"""

RETURN = r"""
_value:
  description: What cannot be, a phrase for each.
  type: list
  elements: str
"""

from collections import defaultdict
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.howdah.postgresql.plugins.filter.hosts_of import KINDS as _KINDS
from ansible_collections.howdah.postgresql.plugins.filter.hosts_of import of_several_kinds
from ansible_collections.howdah.postgresql.plugins.filter.one_per_machine import LOCAL, machine_of

_Hostvars = Mapping[str, Mapping[str, Any]]
# What listens on the machine's own network, by kind.
_OWN = {
    "postgres": {5432: "PostgreSQL", 8008: "Patroni"},
    "etcd": {2379: "etcd", 2380: "etcd, for its peers"},
}
_BACKED_UP = {8432: "pgBackRest"}
# Variables of ports and of the addresses that they are published at, with their defaults.
_PUBLISHED: dict[str, tuple[tuple[str, int, str], ...]] = {
    "postgres": (("patroni_port", 0, "patroni_publish_address"),),
    "server": (("server_port", 5432, "server_address"),),
    "proxy": (("proxy_port", 5432, "proxy_publish_address"), ("proxy_read_port", 5433, "proxy_publish_address")),
    "backup": (("backup_port", 0, "backup_publish_address"),),
}
_LOCALHOST = "127.0.0.1"
_ANYWHERE = ("", "0.0.0.0", "::", "[::]")
_ROLES = {"postgres": "patroni", "etcd": "etcd", "proxy": "proxy"}


def misplaced(groups: Mapping[str, Sequence[str]], hostvars: _Hostvars, kinds_only: bool = False) -> list[str]:
    """Hosts that are two nodes; or else ports that two want, nodes that others cannot find, sizes that are none."""
    twofold = _twofold(groups)
    if twofold or kinds_only:  # what such a host listens to, is anybody's guess
        return twofold
    # Ansible makes the variables of a host anew each time that they are asked for.
    known = {host: hostvars[host] for kind in _KINDS for host in groups.get(kind, ())}
    told = (_clashes, _unaddressed, _repositories, _sizes)
    return [one for look in told for one in look(groups, known)]


def _twofold(groups: Mapping[str, Sequence[str]]) -> list[str]:
    by_kinds: dict[str, list[str]] = defaultdict(list)
    for host, kinds in of_several_kinds(groups).items():
        by_kinds[" and ".join(kinds)].append(host)
    return [
        f"{', '.join(hosts)} in the groups {kinds}: a host of the inventory is one node, which is one container;"
        " declare each under a name of its own, on one machine if you like"
        for kinds, hosts in by_kinds.items()
    ]


def _clashes(groups: Mapping[str, Sequence[str]], hostvars: _Hostvars) -> Iterator[str]:
    wanted: dict[tuple[tuple[str, str], int], list[tuple[str, str, str]]] = defaultdict(list)
    for kind in _KINDS:
        for host in groups.get(kind, ()):
            for address, port, whose in _listens(kind, host, groups, hostvars):
                wanted[machine_of(host, hostvars[host]), port].append((host, address, whose))
    for (machine, port), takers in wanted.items():
        for number, (host, address, whose) in enumerate(takers):
            for other, its_address, its in takers[:number]:
                if address == its_address or address in _ANYWHERE or its_address in _ANYWHERE:
                    where = "this machine" if machine[0] == LOCAL else machine[0]
                    yield f"{other} ({its}) and {host} ({whose}) want the same port of {where}, {port}"


def _listens(
    kind: str, host: str, groups: Mapping[str, Sequence[str]], hostvars: _Hostvars
) -> Iterator[tuple[str, int, str]]:
    """Each address and port of the machine, and what it is for."""
    if kind == "postgres" and not _clustered(host, groups, hostvars):
        kind = "server"
    variables = hostvars[host]
    if kind in _OWN and _of_the_machine(kind, variables):
        for port, whose in (_OWN[kind] | (_BACKED_UP if kind == "postgres" and "backup" in groups else {})).items():
            yield "", port, whose
        return
    for name, default, address in _PUBLISHED.get(kind, ()):
        port = _number(variables.get(name, default))
        if port:
            yield str(variables.get(address, _LOCALHOST)), port, name


def _unaddressed(groups: Mapping[str, Sequence[str]], hostvars: _Hostvars) -> Iterator[str]:
    for kind in ("postgres", "etcd"):
        members = [host for host in groups.get(kind, ()) if kind == "etcd" or _clustered(host, groups, hostvars)]
        if len({machine_of(host, hostvars[host]) for host in members}) < 2:
            continue
        variable = f"{_ROLES[kind]}_address"
        for host in members:
            variables = hostvars[host]
            named_so = machine_of(host, variables)[0] == host
            if _of_the_machine(kind, variables) and variable not in variables and not named_so:
                yield f"{host} has no {variable}, by which the others reach it (its name, if they know it by that)"


def _repositories(groups: Mapping[str, Sequence[str]], hostvars: _Hostvars) -> Iterator[str]:
    """Of nodes on their machines' own networks: a repository never is."""
    members = [
        host for host in groups.get("postgres", ())
        if _clustered(host, groups, hostvars) and _of_the_machine("postgres", hostvars[host])
    ]  # fmt: skip
    for host in groups.get("backup", ()) if members else ():
        variables = hostvars[host]
        if "backup_address" not in variables or not _number(variables.get("backup_port")):
            yield f"{host} needs backup_address and backup_port, by which nodes on their machines' networks reach it"
            continue
        away = [one for one in members if machine_of(one, hostvars[one]) != machine_of(host, variables)]
        if away and str(variables.get("backup_publish_address", _LOCALHOST)) == _LOCALHOST:
            yield f"{host} needs backup_publish_address, for {', '.join(away)} on other machines"


def _sizes(groups: Mapping[str, Sequence[str]], hostvars: _Hostvars) -> Iterator[str]:
    from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
    from ansible_collections.howdah.postgresql.plugins.module_utils._docker.values import size

    roles = {"postgres": ("patroni", "server"), "etcd": ("etcd",), "proxy": ("proxy",), "backup": ("backup",)}
    for kind, role in ((kind, role) for kind, names in roles.items() for role in names):
        for host in groups.get(kind, ()):
            for name in (f"{role}_memory", f"{role}_shm_size"):
                value = str(hostvars[host].get(name) or "")
                try:
                    size(name, value or "0")
                except InvalidInput as error:
                    yield f"{host}: {error.message.rstrip('.')}"


def _number(value: Any) -> int:
    """A port; what is none, the role refuses."""
    return int(value) if str(value).isdecimal() else 0


def _clustered(host: str, groups: Mapping[str, Sequence[str]], hostvars: _Hostvars) -> bool:
    return "etcd" in groups or bool(hostvars[host].get("patroni_etcd_hosts"))


def _of_the_machine(kind: str, variables: Mapping[str, Any]) -> bool:
    return bool(variables.get(f"{_ROLES[kind]}_network_mode", variables.get("cluster_network_mode")) == "host")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"misplaced": misplaced}
