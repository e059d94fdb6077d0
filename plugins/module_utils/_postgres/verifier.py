# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifiers that are wished, and those that are to be written.

Pure: no Ansible, no database.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from .._core.errors import InvalidPassword
from .password import Wish
from .scram import Verifier

# Comparing a finished verifier with the empty password may take this many iterations, less than a second.
_MOST_CHECKED = 1_000_000


def wished_verifier(role: str, text: str) -> Verifier:
    """The finished verifier that a user gave.

    :raises InvalidPassword: for what is none, or cannot work.
    """
    verifier = Verifier.parse(text)
    if verifier is None:
        raise InvalidPassword(
            f"The verifier of role {role!r} is not exactly a SCRAM-SHA-256 verifier as in pg_authid."
            " Give clear text as password; make a verifier by the filter howdah.postgresql.scram_verifier."
        )
    if verifier.iterations <= _MOST_CHECKED and verifier.matches(""):
        raise InvalidPassword(
            f"The verifier of role {role!r} is one of the empty password, which PostgreSQL refuses to store."
        )
    return verifier


def new_verifier(wish: Wish) -> Verifier:
    """The verifier to be written; what comes back from the catalog will be found equal.

    :raises InvalidPassword: instead of one that does not match the password.
    """
    if wish.verifier is not None:
        return wish.verifier
    verifier = Verifier.derive(wish.clear, iterations=wish.iterations)
    stored = Verifier.parse(str(verifier))
    if stored is None or not stored.matches(wish.clear):
        raise InvalidPassword(f"The verifier made for role {wish.role!r} does not match its password: nothing is set.")
    return verifier
