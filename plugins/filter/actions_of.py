# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that gathers what a run did, or would do, from what its tasks have registered."""
from __future__ import annotations

DOCUMENTATION = r"""
name: actions_of
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: What was done, or would be done, on all hosts
description:
  - Gathers the C(actions) of registered results, those of loops as well, so that a playbook can end with one sentence.
  - What was done in the same words at several places, as an image that is loaded on each machine, is there once.
positional: registered
options:
  _input:
    description: The variables of the hosts.
    type: list
    elements: dict
    required: true
  registered:
    description: Names of the variables that results were registered in; what each has done is told in this order.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Tell what was done
  howdah.postgresql.show:
    text: >-
      {{ ansible_play_hosts_all | map('extract', hostvars)
         | howdah.postgresql.actions_of(['etcd_preview', 'patroni_preview']) | join('; ') }}
  run_once: true
"""

RETURN = r"""
_value:
  description: The actions.
  type: list
  elements: str
"""

from typing import Any, Callable, Iterable, Mapping, Sequence


def actions_of(hosts: Iterable[Mapping[str, Any]], registered: Sequence[str]) -> list[str]:
    """The actions, in the order of ``registered`` and then of the hosts, each once."""
    known = list(hosts)
    results = [host.get(name) or {} for name in registered for host in known]
    parts = [part for one in results for part in one.get("results", [one])]
    return list(dict.fromkeys(action for part in parts for action in part.get("actions", [])))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"actions_of": actions_of}
