# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's rules of SASLprep, which differ from RFC 4013's: libpq's verifier of a text is one of that text for us.

libpq 16 and newer takes the number of iterations from the server. A server of this test's own says 1, so that all
1,112,063 code points take a minute or two instead of an hour.
"""

from __future__ import annotations

import secrets
import socket
import struct
import threading
from typing import Any, Iterable, Iterator

import psycopg2
import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier, saslprep
from psycopg2.extensions import encrypt_password, libpq_version

SURROGATES = range(0xD800, 0xE000)
LAST = 0x10FFFF


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _serve(listener: socket.socket) -> None:
    """Let one client in, and then only wait until it goes."""
    parameters = {"server_version": "17.0", "client_encoding": "UTF8", "DateStyle": "ISO, DMY", "scram_iterations": "1"}
    peer, _address = listener.accept()
    with peer:
        peer.settimeout(10)
        peer.recv(4096)
        peer.sendall(_message(b"R", struct.pack("!I", 0)))
        for name, value in parameters.items():
            peer.sendall(_message(b"S", name.encode() + b"\0" + value.encode() + b"\0"))
        peer.sendall(_message(b"Z", b"I"))
        peer.settimeout(None)
        peer.recv(1)


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    """A connection on which libpq hashes with one iteration."""
    assert libpq_version() >= 160000, f"libpq {libpq_version()} always does 4096 iterations"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=_serve, args=(listener,))
        server.start()
        host, port = listener.getsockname()
        options = {"sslmode": "disable", "gssencmode": "disable", "connect_timeout": 5}
        # Asynchronous, with the DateStyle that it wants: psycopg2 sends no statement of its own then.
        made = psycopg2.connect(host=host, port=port, user="any", dbname="any", async_=True, **options)
        while made.poll() != psycopg2.extensions.POLL_OK:
            pass
        yield made
        made.close()
        server.join(10)


def _disagreements(connection: Any, samples: Iterable[str]) -> list[str]:
    wrong = []
    for sample in samples:
        verifier = Verifier.parse(encrypt_password(sample, "role", connection, "scram-sha-256"))
        assert verifier and verifier.iterations == 1
        if not verifier.matches(sample):
            wrong.append(f"{sample!a}: {saslprep(sample)!r}")
    return wrong


def test_odd_texts(connection: Any) -> None:
    odd = [0x41, 0x20, 0xA0, 0xAD, 0xE9, 0x200B, 0x200F, 0x5D0, 0x627, 0xFB01, 0x301, 0x1F418, 0x221, 0xE000, 0xFFFD]
    odd += [0x340, 0x2028, 0x2FF0, 0xE0001, 0x10FFFF, 0x0661, 0x1680, 0x180B, 0xFEFF, 0x7F, 0x85, 0x2160, 0xAC00]
    samples = [chr(a) for a in odd] + [chr(a) + chr(b) for a in odd for b in odd]
    rng = secrets.SystemRandom()
    samples += ["".join(chr(rng.choice(odd)) for _char in range(rng.randrange(3, 8))) for _sample in range(1000)]
    assert _disagreements(connection, samples) == []


@pytest.mark.parametrize("start", [0, 0x8000, 0x10000, 0x1D000, 0x2F000, 0xE0000], ids=hex)
def test_some_characters(connection: Any, start: int) -> None:
    """A window of each plane that has characters of every kind; the full run has them all."""
    offset = secrets.randbelow(0x800)
    codes = range(max(1, start + offset), start + offset + 0x800)
    assert _disagreements(connection, (chr(code) for code in codes if code not in SURROGATES)) == []


@pytest.mark.full
@pytest.mark.parametrize("start", range(0, LAST + 1, 0x10000), ids=hex)
def test_every_character(connection: Any, start: int) -> None:
    codes = range(max(1, start), start + 0x10000)
    assert _disagreements(connection, (chr(code) for code in codes if code not in SURROGATES)) == []


@pytest.mark.full
@pytest.mark.parametrize("start", range(0, 0x30000, 0x10000), ids=hex)
def test_every_character_within_a_text(connection: Any, start: int) -> None:
    """Between letters, before a combining one: what composes, is mapped to nothing, or has a direction."""
    codes = range(max(1, start), start + 0x10000)
    texts = (f"a{chr(code)}\u0301\u00aa" for code in codes if code not in SURROGATES)
    assert _disagreements(connection, texts) == []
