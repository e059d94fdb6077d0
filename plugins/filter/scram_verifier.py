# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``scram_verifier``: a password becomes what PostgreSQL stores, on the controller."""
from __future__ import annotations

DOCUMENTATION = r"""
name: scram_verifier
short_description: Turn a password into a SCRAM-SHA-256 verifier
version_added: 1.0.0
author:
  - howdah.postgresql authors (@howdah)
description:
  - Computes, on the controller, the verifier that PostgreSQL stores in place of a password, with a random salt.
    What gets the verifier can let the password's owner in, but cannot log in itself.
  - The result differs in each call. Compare by M(howdah.postgresql.password), never by text.
positional: iterations
options:
  _input:
    description: The password in clear text.
    type: str
    required: true
  iterations:
    description: Iterations of PBKDF2. More make guessing slower, and each login too.
    type: int
    default: 4096
"""

EXAMPLES = r"""
- name: A container that never sees the clear text
  howdah.postgresql.container:
    name: pg1
    image: howdah/postgresql:15-bookworm
    env:
      POSTGRES_PASSWORD: "{{ vault_postgres_password | howdah.postgresql.scram_verifier }}"
"""

RETURN = r"""
_value:
  description: The verifier, as stored in C(pg_authid). A secret, because passwords can be guessed against it.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidPassword
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import (
    ITERATIONS,
    MOST_ITERATIONS,
    Verifier,
    check_password,
)


def scram_verifier(password: Any, iterations: int = ITERATIONS) -> str:
    """The verifier of a password.

    :raises AnsibleFilterError: for what cannot be a password.
    """
    if not isinstance(password, str):
        raise AnsibleFilterError("scram_verifier needs a string: quote the password in YAML.")
    if not 1 <= iterations <= MOST_ITERATIONS:
        raise AnsibleFilterError(f"scram_verifier needs from 1 to {MOST_ITERATIONS} iterations; got {iterations}.")
    try:
        check_password(password)
    except InvalidPassword as error:
        raise AnsibleFilterError(error.message) from error
    return str(Verifier.derive(password, iterations=iterations))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """By name."""
        return {"scram_verifier": scram_verifier}
