# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM-SHA-256 verifiers as PostgreSQL stores them: made, read, and compared with a password.

Only the standard library is used, and PostgreSQL's own rules apply, so that whatever this module
calls equal is what the server lets in: libpq's and the server's SASLprep differ from RFC 4013.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import NamedTuple

# PostgreSQL's defaults: what `scram_iterations` says unless changed, and SCRAM_DEFAULT_SALT_LEN.
ITERATIONS = 4096
_SALT_BYTES = 16
_KEY_BYTES = 32
# The server reads the iteration count into an int.
MOST_ITERATIONS = 2**31 - 1
_HEXADECIMAL = "0123456789abcdef"


def check_password(password: str) -> None:
    """Refuse what no client could ever log in with.

    :raises InvalidPassword: for an empty password (the server would store none at all), one that
        holds a NUL (libpq's end of string), and one that is not Unicode.
    """
    try:
        password.encode("utf-8", "surrogateescape")
        fault = ""
        if not password:
            fault = (
                "is empty: PostgreSQL stores no password then. Give one (the superuser's comes from POSTGRES_PASSWORD),"
                " or leave it out"
            )
        if "\0" in password:
            fault = "holds a NUL character, which no PostgreSQL client can send. Remove it"
    except UnicodeEncodeError:
        fault = "holds half of a surrogate pair, which is not a character. Give it as valid Unicode"
    # Out here, for the cause's text and attributes hold the password.
    if fault:
        from .._core.errors import InvalidPassword

        raise InvalidPassword(f"The password {fault}.")


def saslprep(password: str) -> bytes:
    """The password as PostgreSQL hashes it.

    It leaves ASCII alone; all else is in saslprep.py.

    :param password: bytes that are not UTF-8 as lone surrogates, as ``os.environ`` has them.
    """
    raw = password.encode("utf-8", "surrogateescape")
    if raw.isascii():
        return raw
    from .saslprep import prepare

    return prepare(raw)


class Verifier(NamedTuple):
    """What the server stores instead of a password. Offline guessing is possible: treat it as a secret.

    :param iterations: of PBKDF2; at least 1.
    :param salt: usually 16 random bytes; not secret.
    :param stored_key: 32 bytes; proves that a client knows the password.
    :param server_key: 32 bytes; proves that a server knows the verifier.
    """

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def parse(cls, text: str) -> Verifier | None:
        """The verifier that the text spells, or None unless it is exactly one that the server would write."""
        try:
            _scheme, costs, keys = text.split("$")
            iterations, encoded_salt = costs.split(":")
            parts = [base64.b64decode(part, validate=True) for part in (encoded_salt, *keys.split(":"))]
            salt, stored_key, server_key = parts
            verifier = cls(int(iterations), salt, stored_key, server_key)
        except ValueError:
            return None
        if not salt or not len(stored_key) == len(server_key) == _KEY_BYTES:
            return None
        # Numbers and Base64 have several spellings; the server writes one.
        return verifier if 1 <= verifier.iterations <= MOST_ITERATIONS and str(verifier) == text else None

    @classmethod
    def derive(cls, password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> Verifier:
        """A verifier of this password.

        :param salt: a random one unless given.
        :param iterations: of PBKDF2; 4096 take about 1 ms.
        """
        salt = os.urandom(_SALT_BYTES) if salt is None else salt
        salted = hashlib.pbkdf2_hmac("sha256", saslprep(password), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        return cls(
            iterations=iterations,
            salt=salt,
            stored_key=hashlib.sha256(client_key).digest(),
            server_key=hmac.digest(salted, b"Server Key", "sha256"),
        )

    def matches(self, password: str) -> bool:
        """Whether this is a verifier of the password: both keys are."""
        other = Verifier.derive(password, self.salt, self.iterations)
        # Both are always compared, so that the time tells nothing.
        return hmac.compare_digest(self.stored_key, other.stored_key) & hmac.compare_digest(
            self.server_key, other.server_key
        )

    def __str__(self) -> str:
        salt, stored_key, server_key = [base64.b64encode(part).decode("ascii") for part in self[1:]]
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored_key}:{server_key}"

    def __repr__(self) -> str:
        """Without the keys: a verifier in a traceback must not leak them."""
        return f"Verifier(iterations={self.iterations}, salt_id={self.salt_id!r})"

    @property
    def salt_id(self) -> str:
        """Eight digits by which people tell two salts apart; says nothing about the password."""
        return hashlib.sha256(self.salt).hexdigest()[:8]


def is_md5(stored: str) -> bool:
    """Whether the stored secret is an MD5 hash, PostgreSQL's format before SCRAM."""
    return len(stored) == 35 and stored.startswith("md5") and not stored[3:].strip(_HEXADECIMAL)


def md5_matches(stored: str, role: str, password: str) -> bool:
    """Whether the stored MD5 hash is one of the password; MD5 knows no SASLprep, and is salted by the role's name."""
    raw = password.encode("utf-8", "surrogateescape") + role.encode("utf-8")
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(stored, "md5" + digest)
