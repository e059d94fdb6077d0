# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another certificate authority in the place of the one in a folder, in steps between which nodes are told.

The folder itself tells how far a renewal is, so that one that was broken off goes on where it was:

* ``next.key`` is there: the new authority is announced; its certificate is the second one in ``ca.crt``.
* Else ``former.crt`` is there: the new one issues, and the one in that file is still trusted.

Further certificates in ``ca.crt``, which the user trusts as well, stay.

This util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import os
from typing import Any

from ..module_utils._core.errors import AuthorityFailed
from ._authority import CA_CERT, CA_KEY, Authority, locked

NEXT_KEY, FORMER_CERT = "next.key", "former.crt"
IDLE, ANNOUNCED, SWITCHED = "idle", "announced", "switched"
STEPS = {"announce": ANNOUNCED, "switch": SWITCHED, "finish": IDLE}


def step(folder: str, name: str, wanted: str, check: bool) -> tuple[str, str]:
    """Take one step, unless it was taken already.

    :param name: common name of an authority that is made.
    :param wanted: ``announce``, ``switch`` or ``finish``.
    :param check: only tell.
    :return: where the renewal was before, and where it is now.
    :raises AuthorityFailed: when there is no authority, or the step before was not taken.
    """
    if not os.path.isdir(folder):
        raise AuthorityFailed(f"There is no authority in {folder}: nothing can be renewed. `site` makes it.")
    with locked(folder):
        before = state(folder)
        if wanted == "announce":
            if before != IDLE:
                return before, before
        elif wanted == "switch":
            if before == SWITCHED:
                return before, before
            if before == IDLE and not check:
                raise AuthorityFailed(f"No other authority is announced in {folder}: announce it first.")
        elif before == ANNOUNCED and not check:
            raise AuthorityFailed(f"The authority announced in {folder} does not issue yet: switch first.")
        elif before == IDLE and not check:
            return before, before
        if not check:
            {"announce": _announce, "switch": _switch, "finish": _finish}[wanted](folder, name)
        return before, STEPS[wanted]


def state(folder: str) -> str:
    """How far the renewal in a folder is.

    :raises AuthorityFailed: when there is no authority.
    """
    certificates = _certificates(folder, CA_CERT)
    # A key without its certificate was cut off while it was announced.
    if os.path.exists(os.path.join(folder, NEXT_KEY)) and _of_key(certificates, _read(folder, NEXT_KEY)):
        return ANNOUNCED
    return SWITCHED if os.path.exists(os.path.join(folder, FORMER_CERT)) else IDLE


def _announce(folder: str, name: str) -> None:
    coming = Authority.create(name)
    # The key first: a certificate without it would be trusted, and never used.
    _write(folder, NEXT_KEY, coming.key_pem)
    _write(folder, CA_CERT, _read(folder, CA_CERT) + coming.pem.encode())


def _switch(folder: str, _name: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = _read(folder, NEXT_KEY)
    certificates = _certificates(folder, CA_CERT)
    coming = _of_key(certificates, pem)
    others = [certificate for certificate in certificates if certificate not in coming]
    if certificates[0] not in coming:
        _write(folder, FORMER_CERT, certificates[0].public_bytes(Encoding.PEM))
    # Cut off between these two, the folder is refused until the next run, which begins here again.
    _write(folder, CA_KEY, pem)
    _write_certificates(folder, [*coming, *others])
    os.unlink(os.path.join(folder, NEXT_KEY))


def _finish(folder: str, _name: str) -> None:
    former = _certificates(folder, FORMER_CERT)
    _write_certificates(folder, [one for one in _certificates(folder, CA_CERT) if one not in former])
    os.unlink(os.path.join(folder, FORMER_CERT))


def _write_certificates(folder: str, certificates: list[Any]) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    _write(folder, CA_CERT, b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates))


def _certificates(folder: str, name: str) -> list[Any]:
    from cryptography import x509

    try:
        return list(x509.load_pem_x509_certificates(_read(folder, name)))
    except ValueError as error:
        raise AuthorityFailed(f"There is no authority in {folder} that could be renewed: {error}.") from error


def _of_key(certificates: list[Any], pem: bytes) -> list[Any]:
    """Those that belong to a key."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        public: Any = load_pem_private_key(pem, password=None).public_key()
    except (ValueError, TypeError) as error:
        raise AuthorityFailed(f"{NEXT_KEY} is no key in PEM without a passphrase: {error}.") from error
    return [certificate for certificate in certificates if certificate.public_key() == public]


def _read(folder: str, name: str) -> bytes:
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()
    except OSError as error:
        raise AuthorityFailed(f"There is no authority in {folder} that could be renewed: {error}.") from error


def _write(folder: str, name: str, content: str | bytes) -> None:
    path = os.path.join(folder, name)
    data = content if isinstance(content, bytes) else content.encode()
    try:
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise AuthorityFailed(f"The authority cannot be kept in {folder}: {error.strerror}.") from error
