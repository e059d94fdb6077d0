# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that writes pgBackRest's configuration."""
from __future__ import annotations

DOCUMENTATION = r"""
name: pgbackrest_conf
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: A mapping as the text of pgbackrest.conf
description:
  - Writes sections and options in the order in which they are. An option with a list is written once for each
    entry. Values that would change the meaning of the file are refused.
options:
  _input:
    description: Sections by name, each a mapping of options.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Configuration of a server
  ansible.builtin.debug:
    msg: "{{ {'global': {'repo1-path': '/backups'}, 'main': {'pg1-path': '/d'}} | howdah.postgresql.pgbackrest_conf }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import re
from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

_OPTION = re.compile(r"[a-z][a-z0-9-]*")
# Passphrases and keys come by environment: a file is read by more people than it seems.
_SECRET = re.compile(r"cipher-pass$|-key$|-key-secret$|-token$")
_NO_SECRET = re.compile(r"^(tls-server|pg\d+-host|repo\d+-host)")


def pgbackrest_conf(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The text.

    :raises AnsibleFilterError: for a name or value that cannot be written, and for secrets.
    """
    lines = []
    for section, options in sections.items():
        if not section or re.search(r"[\[\]\n\r]", section):
            raise AnsibleFilterError(f"pgbackrest_conf: {section!r} cannot be the name of a section.")
        lines.append(f"[{section}]")
        for name, value in options.items():
            lines += [f"{name}={_value(name, one)}" for one in (value if isinstance(value, (list, tuple)) else [value])]
        lines.append("")
    return "\n".join(lines)


def _value(name: str, value: Any) -> str:
    if not _OPTION.fullmatch(str(name)):
        raise AnsibleFilterError(f"pgbackrest_conf: {name!r} cannot be the name of an option.")
    if _SECRET.search(name) and not _NO_SECRET.search(name):
        raise AnsibleFilterError(
            f"pgbackrest_conf: {name} is a secret, and does not belong into a file: give it by backup_secrets."
        )
    text = {True: "y", False: "n"}[value] if isinstance(value, bool) else str(value)
    if not text or text != text.strip() or re.search(r"[\n\r]", text):
        raise AnsibleFilterError(
            f"pgbackrest_conf: the value of {name} is empty, or holds a line's end or space around it."
        )
    return text


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"pgbackrest_conf": pgbackrest_conf}
