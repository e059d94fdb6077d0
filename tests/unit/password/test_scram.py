# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifiers: PostgreSQL's own algorithm, and nothing else counts as one."""
from __future__ import annotations

import base64
import hashlib
import hmac
import random

import psycopg2.extensions
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.filter.scram_verifier import FilterModule
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidPassword
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import (
    Verifier,
    check_password,
    is_md5,
    md5_matches,
    saslprep,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# What libpq can be given: no NUL, no half surrogates.
PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
# RFC 7677's own example, whose password is "pencil".
RFC_7677 = Verifier.derive("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)


def test_the_rfcs_example():
    # StoredKey and ServerKey as computed from RFC 7677's exchange (its client proof and server signature).
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = hmac.new(RFC_7677.stored_key, message, hashlib.sha256).digest()
    client_key = bytes(a ^ b for a, b in zip(proof, signature))
    assert hashlib.sha256(client_key).digest() == RFC_7677.stored_key
    server_signature = hmac.new(RFC_7677.server_key, message, hashlib.sha256).digest()
    assert base64.b64encode(server_signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@given(PASSWORDS)
def test_round_trip(password):
    verifier = Verifier.derive(password, iterations=2)
    assert Verifier.parse(str(verifier)) == verifier
    assert verifier.matches(password)
    assert not verifier.matches(password + "x")


@given(PASSWORDS, PASSWORDS)
def test_only_the_same_prepared_password_matches(one, other):
    assert Verifier.derive(one, iterations=1).matches(other) == (saslprep(one) == saslprep(other))


def test_salts_are_random():
    assert Verifier.derive("x", iterations=1).salt != Verifier.derive("x", iterations=1).salt


def test_both_keys_are_compared():
    good = Verifier.derive("secret", iterations=1)
    assert not Verifier(1, good.salt, good.stored_key, bytes(32)).matches("secret")
    assert not Verifier(1, good.salt, bytes(32), good.server_key).matches("secret")


def test_repr_keeps_the_keys():
    text = repr(RFC_7677) + repr([RFC_7677]) + f"{RFC_7677!r}"
    for key in (RFC_7677.stored_key, RFC_7677.server_key):
        assert base64.b64encode(key).decode() not in text and repr(key) not in text


GOOD = str(RFC_7677)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pencil",
        GOOD + "\n",
        " " + GOOD,
        GOOD.lower(),
        GOOD.replace("$4096:", "$04096:"),
        GOOD.replace("$4096:", "$0:"),
        GOOD.replace("$4096:", "$-1:"),
        GOOD.replace("$4096:", "$2147483648:"),
        GOOD.replace("$4096:", "$٤٠٩٦:"),
        GOOD.replace("SCRAM-SHA-256", "SCRAM-SHA-1"),
        GOOD.replace("==$", "=$"),
        GOOD[:-1],
        GOOD[:-5],
        GOOD + "AAAA",
        # The same bytes, spelled as no server does: stray bits before the padding.
        GOOD.replace("gQ==$", "gR==$"),
    ],
)
def test_what_is_not_a_verifier(text):
    assert Verifier.parse(text) is None


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_one_changed_character_gives_another_verifier_or_none(index, char):
    text = GOOD[:index] + char + GOOD[index + 1 :]
    parsed = Verifier.parse(text)
    assert parsed is None or str(parsed) == text


@pytest.mark.parametrize("password", ["", "a\0b", "\ud800"])
def test_what_cannot_be_a_password(password):
    with pytest.raises(InvalidPassword) as caught:
        check_password(password)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("plain", b"plain"),
        (" \t\n ", b" \t\n "),
        ("a\u00a0b", b"a b"),
        ("a\u200bb", b"a b"),  # PostgreSQL: a blank; the RFC: nothing
        ("a\u00adb", b"ab"),
        ("\u00ad", b"\xc2\xad"),  # nothing would be left: taken as it is
        ("\ufb01", b"fi"),
        ("e\u0301", "\u00e9".encode()),
        ("\U0001f418", "\U0001f418".encode()),  # not in Unicode 3.2
        ("\u00e9\x07", "\u00e9\x07".encode()),  # control characters are prohibited
        ("\u0627\u0031", "\u0627\u0031".encode()),  # ends on a digit: breaks the bidi rule
        ("\u0627a\ufb01\u0627", "\u0627a\ufb01\u0627".encode()),  # both directions
        ("\udcff\udcfe", b"\xff\xfe"),  # not UTF-8, from os.environ
        ("\udcc3\udca9", b"\xc3\xa9"),
    ],
)
def test_saslprep(password, prepared):
    assert saslprep(password) == prepared


@given(PASSWORDS)
@settings(max_examples=50)
def test_md5_is_libpqs(password):
    stored = psycopg2.extensions.encrypt_password(password, "role", algorithm="md5")
    assert is_md5(stored) and md5_matches(stored, "role", password)
    assert not md5_matches(stored, "other", password)
    assert not md5_matches(stored, "role", password + "x")


def test_filter():
    scram_verifier = FilterModule().filters()["scram_verifier"]
    verifier = Verifier.parse(scram_verifier("it's", 5000))
    assert verifier is not None and verifier.iterations == 5000 and verifier.matches("it's")


@pytest.mark.parametrize(("password", "iterations"), [("", 4096), (12345, 4096), ("x", 0), ("x", 2**31)])
def test_filter_refuses(password, iterations):
    with pytest.raises(AnsibleFilterError):
        FilterModule().filters()["scram_verifier"](password, iterations)


def test_hostile_samples_round_trip():
    rng = random.Random(1)
    for _sample in range(200):
        codes = [rng.choice([rng.randrange(1, 0xD800), rng.randrange(0xE000, 0x110000)]) for _char in range(6)]
        password = "".join(map(chr, codes))
        assert Verifier.derive(password, iterations=1).matches(password)
