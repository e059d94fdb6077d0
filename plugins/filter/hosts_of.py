# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that narrows the target of a playbook to the hosts that a play is for.

Ansible templates the hosts of a play in its main process, and loads all filters of a collection with the first one.
The processes of the tasks, of which there is one for each task and host, are copies of it: what has not been loaded by
then, each of them would compile again, which takes longer than most tasks (20 ms each).
"""
from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_of
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: The part of a target that is of one kind
description:
  - What a play's C(hosts) are to be, so that a playbook may be given any target, and each of its plays works on the
    hosts of its kind only.
  - Hosts of the kind V(etcd), V(backup) or V(proxy) are those in the group of that name. All others are servers, in
    whatever group they are.
positional: kind, groups
options:
  _input:
    description: A pattern of hosts, or several.
    type: raw
    required: true
  kind:
    description: Which hosts are wanted.
    type: str
    choices: [postgres, etcd, backup, proxy]
    required: true
  groups:
    description: The variable C(groups).
    type: dict
    required: true
  otherwise:
    description:
      - Which host it is to be where the target is the group of that kind, and the inventory has none of it. For servers
        it has to have no etcd either, which can have an inventory of its own.
      - A play without hosts ends well. On another host, it can say that it has found nobody.
      - For servers, also where a host of the inventory is of several kinds, which would be left out. The tasks of
        C(tasks/servers.yml) refuse that.
    type: str
"""

EXAMPLES = r"""
- name: Work on the proxies among whatever is given with -e target=
  hosts: "{{ target | default('all') | howdah.postgresql.hosts_of('proxy', groups) }}"
  tasks:
    - name: Name them
      ansible.builtin.debug:
        msg: "{{ inventory_hostname }}"
"""

RETURN = r"""
_value:
  description: Patterns of hosts; they match none where the inventory has no such group.
  type: list
  elements: str
"""

from typing import Any, Callable, Collection, Mapping

from ansible.plugins.loader import test_loader

# Likewise the tests (`defined`): 3 ms for each process.
list(test_loader.all())

# What the inventory has beside servers.
_OTHERS = ("etcd", "backup", "proxy")
KINDS = ("postgres", *_OTHERS)


def hosts_of(
    target: str | list[str], kind: str, groups: Mapping[str, Collection[str]], otherwise: str = ""
) -> list[str]:
    """Patterns of the hosts of that kind."""
    targets = [target] if isinstance(target, str) else target
    wanted = ("postgres", "etcd") if kind == "postgres" else (kind,)
    if otherwise and targets == [kind] and not any(groups.get(group) for group in wanted):
        return [otherwise]
    if otherwise and kind == "postgres" and of_several_kinds(groups):
        # Who is of two kinds would be left out, and nobody there to say that this cannot be. With --limit, one of them.
        return [otherwise, *targets]
    if kind == "postgres":
        return [*targets, *(f"!{other}" for other in _OTHERS if other in groups)]
    return [*targets, f"&{kind}"] if kind in groups else ["all", "!all"]


def of_several_kinds(groups: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Hosts that are in several groups of those that say what a host is, each with these groups."""
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        for host in groups.get(kind, ()):
            found.setdefault(host, []).append(kind)
    return {host: kinds for host, kinds in found.items() if len(kinds) > 1}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"hosts_of": hosts_of}
