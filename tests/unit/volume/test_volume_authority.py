# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate authority of the controller."""
from __future__ import annotations

import ssl
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import AuthorityFailed, InvalidInput
from ansible_collections.howdah.postgresql.plugins.plugin_utils._authority import Authority, digest, pair_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName, load_pem_x509_certificate

NAMES = ("127.0.0.1", "localhost", "pg1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("unit")


def test_a_stored_authority_is_for_its_owner_alone_and_issues_as_before(tmp_path: Path, authority: Authority) -> None:
    authority.store(str(tmp_path))
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        "ca.key": 0o600,
        "ca.crt": 0o600,
    }
    again = Authority.load(str(tmp_path))
    assert again is not None and again.fingerprint == authority.fingerprint
    issued = again.issue("pg1", NAMES, 365)
    assert authority.why_renew("pg1", NAMES, 60, issued.certificate, True) == ""
    assert "PRIVATE" in issued.key and "PRIVATE" not in issued.certificate + issued.pair


@pytest.mark.parametrize("missing", ["ca.key", "ca.crt"])
def test_half_an_authority_is_none(tmp_path: Path, authority: Authority, missing: str) -> None:
    assert Authority.load(str(tmp_path)) is None
    authority.store(str(tmp_path))
    (tmp_path / missing).unlink()
    with pytest.raises(AuthorityFailed, match="not whole"):
        Authority.load(str(tmp_path))


def test_a_key_of_another_authority_is_refused(tmp_path: Path, authority: Authority) -> None:
    authority.store(str(tmp_path))
    (tmp_path / "ca.crt").write_text(Authority.create("other").pem)
    with pytest.raises(AuthorityFailed, match="is not the key of the first certificate"):
        Authority.load(str(tmp_path))


def test_reasons_to_renew(authority: Authority) -> None:
    issued = authority.issue("pg1", NAMES, 90)

    def why(
        names: tuple[str, ...] = NAMES,
        before: int = 60,
        certificate: str | None = issued.certificate,
        fits: bool = True,
        name: str = "pg1",
        of: Authority = authority,
    ) -> str:
        return of.why_renew(name, names, before, certificate, fits)

    assert why() == ""
    assert why(certificate=None) == "there is none"
    assert why(fits=False) == "its key is missing or another one's"
    assert why(names=(*NAMES, "db.example.com")) == "its names are others"
    assert why(name="pg2") == "its names are others"
    assert why(before=91) == "it ends in 89 days"
    assert "authority" in why(of=Authority.create("unit"))
    assert "authority" in why(certificate="rubbish")


def test_a_pair_tells_keys_apart() -> None:
    assert pair_of(digest("a"), digest("b")) != pair_of(digest("a"), digest("c")) != pair_of(digest("a"), None)


def test_a_name_that_can_be_none_is_refused(authority: Authority) -> None:
    with pytest.raises(InvalidInput, match="can be neither the name nor the address"):
        authority.issue("pg1", ["pg\u00fc1"], 1)


def test_an_address_can_be_a_name_as_well(authority: Authority) -> None:
    names = ["10.0.0.31", "DNS:10.0.0.31", "pg1", "DNS:pg1"]
    issued = authority.issue("pg1", names, 365)
    extension = load_pem_x509_certificate(issued.certificate.encode()).extensions.get_extension_for_class(
        SubjectAlternativeName
    )
    assert [str(one) for one in extension.value.get_values_for_type(IPAddress)] == ["10.0.0.31"]
    assert extension.value.get_values_for_type(DNSName) == ["10.0.0.31", "pg1"]
    assert authority.why_renew("pg1", names, 60, issued.certificate, True) == ""
    # One of before, which has it as an address only.
    before = authority.issue("pg1", ["10.0.0.31", "pg1"], 365)
    assert authority.why_renew("pg1", names, 60, before.certificate, True) == "its names are others"


def shake_hands(authority: Authority, name: str, folder: Path) -> None:
    """A server with a certificate of the authority, and a client that trusts it, without a network between them.

    :raises ssl.SSLError: when the client refuses.
    """
    pair = folder / "pair.pem"
    issued = authority.issue(name, [name], 30)
    pair.write_text(issued.certificate + issued.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pair)
    asking = ssl.create_default_context(cadata=authority.pem)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(back, there, server_hostname=name)
    server = serving.wrap_bio(there, back, server_side=True)
    for _turn in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    assert client.version() and client.getpeercert()


def test_a_node_may_be_called_as_its_cluster(tmp_path: Path) -> None:
    shake_hands(Authority.create("solo"), "solo", tmp_path)


def test_an_authority_that_is_called_as_the_node_alone_is_refused() -> None:
    """As those of somebody else may be."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "solo")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    theirs = Authority([certificate], key, "")
    with pytest.raises(AuthorityFailed, match="is called as the node solo"):
        theirs.issue("solo", ["solo"], 1)
    assert theirs.issue("pg1", ["pg1"], 1)
