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
import re
from dataclasses import dataclass
from typing import Callable

from .._core.errors import InvalidPassword

# PostgreSQL's defaults: what `scram_iterations` says unless changed, and SCRAM_DEFAULT_SALT_LEN.
ITERATIONS = 4096
_SALT_BYTES = 16
_KEY_BYTES = 32
# The server reads the iteration count into an int.
MOST_ITERATIONS = 2**31 - 1

_BASE64 = "[A-Za-z0-9+/]+={0,2}"
_VERIFIER = re.compile(
    rf"SCRAM-SHA-256\$([1-9][0-9]{{0,9}}):({_BASE64})\$({_BASE64}):({_BASE64})", re.ASCII
)
_MD5 = re.compile(r"md5[0-9a-f]{32}", re.ASCII)


def check_password(password: str) -> None:
    """Refuse what no client could ever log in with.

    :raises InvalidPassword: for an empty password (the server would store none at all), one that
        holds a NUL (libpq's end of string), and one that is not Unicode.
    """
    if not password:
        raise InvalidPassword("The password is empty: PostgreSQL stores no password then. Give one, or leave it out.")
    if "\0" in password:
        raise InvalidPassword("The password holds a NUL character, which no PostgreSQL client can send. Remove it.")
    try:
        password.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidPassword(
            "The password holds half of a surrogate pair, which is not a character. Give it as valid Unicode."
        ) from None  # the cause's text and attributes hold the password


def saslprep(password: str) -> bytes:
    """The password as PostgreSQL hashes it.

    PostgreSQL leaves ASCII alone, maps blanks before it drops characters, checks the mapped text
    before its normalisation, knows Unicode 3.2 only, and takes the bytes as they came wherever
    the RFC says "error".

    :param password: bytes that are not UTF-8 as lone surrogates, as ``os.environ`` has them.
    """
    raw = password.encode("utf-8", "surrogateescape")
    if raw.isascii():
        return raw
    import stringprep  # most passwords are ASCII, and do without
    import unicodedata

    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw

    mapped = [
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if stringprep.in_table_c12(char) or not stringprep.in_table_b1(char)
    ]
    prohibited: tuple[Callable[[str], bool], ...] = (
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
        stringprep.in_table_a1,
    )
    if not mapped or any(bad(char) for char in mapped for bad in prohibited):
        return raw
    right_to_left = stringprep.in_table_d1
    if any(map(right_to_left, mapped)) and (
        any(map(stringprep.in_table_d2, mapped)) or not (right_to_left(mapped[0]) and right_to_left(mapped[-1]))
    ):
        return raw
    return unicodedata.normalize("NFKC", "".join(mapped)).encode("utf-8")


@dataclass(frozen=True)
class Verifier:
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
        match = _VERIFIER.fullmatch(text)
        if match is None:
            return None
        try:
            salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
        except ValueError:
            return None
        verifier = cls(int(match.group(1)), salt, stored_key, server_key)
        if verifier.iterations > MOST_ITERATIONS or len(stored_key) != _KEY_BYTES or len(server_key) != _KEY_BYTES:
            return None
        # Base64 has several spellings of the same bytes; the server writes one.
        return verifier if str(verifier) == text else None

    @classmethod
    def derive(cls, password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> Verifier:
        """A verifier of this password.

        :param salt: a random one unless given.
        :param iterations: of PBKDF2; 4096 take about 1 ms.
        """
        salt = os.urandom(_SALT_BYTES) if salt is None else salt
        salted = hashlib.pbkdf2_hmac("sha256", saslprep(password), salt, iterations)
        client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
        return cls(
            iterations=iterations,
            salt=salt,
            stored_key=hashlib.sha256(client_key).digest(),
            server_key=hmac.new(salted, b"Server Key", hashlib.sha256).digest(),
        )

    def matches(self, password: str) -> bool:
        """Whether this is a verifier of the password: both keys are."""
        other = Verifier.derive(password, self.salt, self.iterations)
        # Both are always compared, so that the time tells nothing.
        return hmac.compare_digest(self.stored_key, other.stored_key) & hmac.compare_digest(
            self.server_key, other.server_key
        )

    def __str__(self) -> str:
        salt, stored_key, server_key = (
            base64.b64encode(part).decode("ascii") for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored_key}:{server_key}"

    def __repr__(self) -> str:
        """Without the keys: a dataclass in a traceback must not leak them."""
        return f"Verifier(iterations={self.iterations}, salt_id={self.salt_id!r})"

    @property
    def salt_id(self) -> str:
        """Eight digits by which people tell two salts apart; says nothing about the password."""
        return hashlib.sha256(self.salt).hexdigest()[:8]


def is_md5(stored: str) -> bool:
    """Whether the stored secret is an MD5 hash, PostgreSQL's format before SCRAM."""
    return _MD5.fullmatch(stored) is not None


def md5_matches(stored: str, role: str, password: str) -> bool:
    """Whether the stored MD5 hash is one of the password; MD5 knows no SASLprep, and is salted by the role's name."""
    raw = password.encode("utf-8", "surrogateescape") + role.encode("utf-8")
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(stored, "md5" + digest)
