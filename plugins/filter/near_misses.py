# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that finds misspelt variables: Ansible ignores a variable that nobody reads."""
from __future__ import annotations

DOCUMENTATION = r"""
name: near_misses
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Variables that are called almost like one of this collection
description:
  - Ansible ignores a variable that nobody reads, so what is misspelt is not in force, and nothing tells so.
  - Of the given names, finds those that are no variables of this collection, but differ from one by a letter or two.
  - Known are the variables of all roles, by their argument specifications, and those that only playbooks read.
positional: known, typed
options:
  _input:
    description: Names of variables.
    type: list
    elements: str
    required: true
  known:
    description:
      - Names that may be meant. If they are given, every other name is told, near or not.
      - The default is all variables of the collection.
    type: list
    elements: str
  typed:
    description:
      - Only those that were given on the command line (C(-e)). Known are what playbooks take from there, as well.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Tell of the variables of this host that may be misspelt
  ansible.builtin.debug:
    msg: "{{ hostvars[inventory_hostname] | list | howdah.postgresql.near_misses }}"
    # patroni_setings (patroni_settings?)
"""

RETURN = r"""
_value:
  description: Each of them, and what may have been meant.
  type: list
  elements: str
"""

from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

from ansible.module_utils.common.yaml import yaml_load  # by libyaml, where there is one: 0.2 s less
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

# Beside those of the roles. What only one playbook reads, that playbook checks.
_OF_PLAYBOOKS = (
    "backup_end", "certificates_renew_all", "cluster_name", "cluster_network_mode", "docker_host", "image_refresh",
    "image_siblings", "other_cluster",
)  # fmt: skip
# What playbooks are asked for on the command line. In an inventory these short names are anybody's.
_TYPED = (
    "backup_type", "candidate", "destroy_backups", "destroy_data", "drain", "drill_amcheck", "drill_assertions",
    "drill_checksums", "drill_repository", "drill_set", "drill_target", "drill_type", "fail_on_problem", "group",
    "jmespath", "label", "max_age", "member", "members", "output", "query", "quickstart_name", "quickstart_port",
    "rebalance_mode", "rebalance_timeout", "reinit_timeout", "remove_data", "restart_timeout", "restore_cluster",
    "restore_discard", "restore_exclusive", "restore_from", "restore_repository", "restore_rows", "restore_set",
    "restore_stanza", "restore_target", "restore_timeout", "restore_type", "retire_data", "retire_last",
    "retire_timeout", "rotate_roles", "rotate_timeout", "target", "updates",
)  # fmt: skip
# Of one letter too many or too few, or two that are exchanged, in a name of eight letters or more.
_NEAR = 0.9
_FAR = 0.8


@lru_cache(maxsize=1)
def _variables() -> tuple[str, ...]:
    """All variables of the collection."""
    names = set(_OF_PLAYBOOKS)
    for path in (Path(__file__).resolve().parents[2] / "roles").glob("*/meta/argument_specs.yml"):
        for entry in yaml_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            names.update(entry.get("options") or {})
    return tuple(sorted(names))


def near_misses(names: Iterable[str], known: Sequence[str] = (), typed: bool = False) -> list[str]:
    """Those that are no variables, each with the one that it is near."""
    if typed:
        names = set(names).intersection(load_extra_vars(DataLoader()))
        if not names:  # as in most runs
            return []
    variables = known or (*_variables(), *(_TYPED if typed else ()))
    misses = []
    for name in sorted(set(names) - set(variables)):
        near = get_close_matches(name, variables, 1, _FAR if known else _NEAR)
        if near or known:
            misses.append(f"{name} ({near[0]}?)" if near else name)
    return misses


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"near_misses": near_misses}
