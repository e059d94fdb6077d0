# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``member_passwords``: what Patroni reads of the passwords that members log in with."""
from __future__ import annotations

DOCUMENTATION = r"""
name: member_passwords
short_description: Make the file from which Patroni has the passwords of members
version_added: 1.0.0
author:
  - howdah.postgresql authors (@howdah)
description:
  - Makes the text of a file for Patroni, with the passwords by which the members of a cluster log in to each other.
  - Patroni takes printable ASCII characters only, and not C($$). Others are refused.
positional: rewind
options:
  _input:
    description: The password for replication, in clear text.
    type: str
    required: true
  rewind:
    description: The password for pg_rewind, in clear text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A file for a member
  howdah.postgresql.volume_files:
    volume: pg1-etc
    files:
      - path: members.yml
        secret_content: "{{ vault_replication | howdah.postgresql.member_passwords(vault_rewind) }}"
"""

RETURN = r"""
_value:
  description: The text of the file, JSON and YAML at once. A secret.
  type: str
"""

import string
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidPassword
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import check_password

_PLAIN = frozenset(string.ascii_letters + string.digits + " -_.,:;/+=")


def member_passwords(replication: Any, rewind: Any) -> str:
    """The text of the file.

    :param replication: password for replication.
    :param rewind: password for pg_rewind.
    :raises AnsibleFilterError: for what cannot be a member's password.
    """
    parts = [
        f'"{section}": {{"password": {_quoted(_checked(section, password))}}}'
        for section, password in (("replication", replication), ("rewind", rewind))
    ]
    return f'{{"postgresql": {{"authentication": {{{", ".join(parts)}}}}}}}\n'


def _checked(section: str, password: Any) -> str:
    if not isinstance(password, str):
        raise AnsibleFilterError(f"The members' password for {section} must be a string: quote it in YAML.")
    try:
        check_password(password)
    except InvalidPassword as error:
        raise AnsibleFilterError(f"The members' password for {section}: {error.message}") from error
    # Patroni itself sets the password of a new cluster, between $$ and $$, and cannot quote other characters.
    if not all(" " <= one <= "~" for one in password) or "$$" in password:
        raise AnsibleFilterError(
            f"The members' password for {section} must consist of printable ASCII characters, without $$: Patroni takes"
            " no others."
        )
    return password


def _quoted(text: str) -> str:
    """As JSON, YAML and Ansible's templates read it alike: braces would be a template."""
    return '"' + "".join(one if one in _PLAIN else f"\\u{ord(one):04x}" for one in text) + '"'


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """By name."""
        return {"member_passwords": member_passwords}
