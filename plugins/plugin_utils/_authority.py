# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority in a folder of the controller, and what is to be done to a node's certificate.

The authority's key is the only one that is ever a file here. Nodes' keys are made in memory, and travel to the node.

This util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import datetime
import fcntl
import hashlib
import ipaddress
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Iterator

from ..module_utils._core.errors import AuthorityFailed, InvalidInput

if TYPE_CHECKING:
    from cryptography import x509

CA_CERT, CA_KEY = "ca.crt", "ca.key"
_CA_DAYS = 3650
# Clocks of machines differ a little.
_BACKDATE = datetime.timedelta(hours=1)
# In front of an address that is to be in the certificate as if it were a name.
_NAME_ALL_THE_SAME = "DNS:"


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, both in PEM."""

    certificate: str
    key: str

    @property
    def pair(self) -> str:
        """Tells that these two belong together, without telling the key."""
        return pair_of(digest(self.certificate), digest(self.key))


def digest(text: str) -> str:
    """The SHA-256 of a file's text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def pair_of(certificate: str | None, key: str | None) -> str:
    """The content of the file that ties a certificate to its key; from the digests of both."""
    return f"certificate {certificate}\nkey {key}\n"


class Authority:
    """A certificate authority.

    :param certificates: what the nodes trust; the first one is the issuer, others are former or future ones.
    :param key: the issuer's.
    :param pem: the certificates as the file has them.
    :ivar names: what all that the nodes trust are called, see :func:`issuer_of`.
    """

    def __init__(self, certificates: list[x509.Certificate], key: Any, pem: str) -> None:
        self.certificate = certificates[0]
        self.names = frozenset(_called(one.subject) for one in certificates)
        self.pem = pem
        self._key = key

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the issuer's certificate, in hexadecimal digits."""
        from cryptography.hazmat.primitives import hashes

        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def key_pem(self) -> bytes:
        """The issuer's key."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        pem: bytes = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem

    @property
    def not_after(self) -> datetime.datetime:
        """When the issuer's certificate ends."""
        return self.certificate.not_valid_after_utc

    @classmethod
    def create(cls, name: str) -> Authority:
        """A new one, in memory."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        # More than the name, which may be a node's as well: OpenSSL takes a certificate whose issuer is called as its
        # subject for one that has signed itself.
        subject = x509.Name(
            [
                x509.NameAttribute(x509.oid.NameOID.ORGANIZATIONAL_UNIT_NAME, "authority"),
                x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name),
            ]
        )
        usage = _key_usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(subject, subject, key.public_key(), _CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls([certificate], key, _pem(certificate))

    @classmethod
    def load(cls, folder: str) -> Authority | None:
        """The one in the folder; None when the folder holds none.

        :raises AuthorityFailed: when its files cannot be used.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        paths = [os.path.join(folder, name) for name in (CA_CERT, CA_KEY)]
        there = [os.path.exists(path) for path in paths]
        if not any(there):
            return None
        if not all(there):
            raise AuthorityFailed(f"The authority in {folder} is not whole: it needs both {CA_CERT} and {CA_KEY}.")
        try:
            with open(paths[0], "rb") as file:
                pem = file.read()
            with open(paths[1], "rb") as file:
                key: Any = load_pem_private_key(file.read(), password=None)
            certificates = x509.load_pem_x509_certificates(pem)
        except (OSError, ValueError, TypeError) as error:
            raise AuthorityFailed(
                f"The authority in {folder} cannot be used: {error}. Both files are PEM, the key without a passphrase."
            ) from error
        if key.public_key() != certificates[0].public_key():
            raise AuthorityFailed(
                f"In {folder}, {CA_KEY} is not the key of the first certificate in {CA_CERT}. The first one issues;"
                " others that are to be trusted as well come after it."
            )
        return cls(certificates, key, pem.decode("ascii", "replace"))

    def store(self, folder: str) -> None:
        """Keep it in the folder, for the owner alone.

        :raises AuthorityFailed: when that is not possible.
        """
        key = self.key_pem
        try:
            # The certificate last: with it the authority is whole.
            for name, data in ((CA_KEY, key), (CA_CERT, self.pem.encode())):
                path = os.path.join(folder, name)
                descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
                with open(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            for name in (CA_KEY, CA_CERT):
                os.replace(os.path.join(folder, f"{name}.new"), os.path.join(folder, name))
        except OSError as error:
            raise AuthorityFailed(f"The authority cannot be kept in {folder}: {error.strerror}.") from error

    def issue(self, name: str, alt_names: Iterable[str], days: int) -> Issued:
        """A certificate for a node that is both a server and a client, with a new key.

        :param name: its common name, by which it is known to other nodes.
        :param days: how long it is valid; never longer than the authority.
        :raises AuthorityFailed: when the authority is called as the node.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        if subject == self.certificate.subject:
            raise AuthorityFailed(
                f"The authority is called as the node {name}, by its whole subject. OpenSSL would take the node's"
                " certificate for one that has signed itself. Use an authority that is called otherwise."
            )
        usages = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
        names = x509.SubjectAlternativeName(_general_names(alt_names))
        issuer_key: Any = self._key.public_key()
        algorithm = None if type(self._key).__name__.startswith("Ed") else hashes.SHA256()
        certificate = (
            _builder(subject, self.certificate.subject, key.public_key(), days, self.not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
            .sign(self._key, algorithm)
        )
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return Issued(_pem(certificate), pem)

    def why_renew(
        self, name: str, alt_names: Iterable[str], renew_before: int, certificate: str | None, pair_fits: bool
    ) -> str:
        """Why a node needs another certificate; empty when it does not.

        :param renew_before: days before its end.
        :param certificate: the one that it has, if any.
        :param pair_fits: whether the key that it has belongs to the certificate.
        """
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        if certificate is None:
            return "there is none"
        if not pair_fits:
            return "its key is missing or another one's"
        try:
            current = x509.load_pem_x509_certificate(certificate.encode())
            current.verify_directly_issued_by(self.certificate)
        except InvalidSignature:
            return "it was issued by another authority"
        except (ValueError, TypeError):
            return "it is none, or of another authority"
        left = current.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
        # An authority that ends sooner cannot give more.
        if left < datetime.timedelta(days=renew_before) and current.not_valid_after_utc < self.not_after:
            return f"it ends in {max(0, left.days)} days"
        if _names(current) != (name, set(_general_names(alt_names))):
            return "its names are others"
        return ""


def end_of(certificate: str) -> str:
    """When a certificate ends, as ISO 8601."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc.isoformat()


def issuer_of(certificate: str) -> str:
    """What the authority is called that issued a certificate; empty of what is none."""
    from cryptography import x509

    try:
        return _called(x509.load_pem_x509_certificate(certificate.encode()).issuer)
    except ValueError:
        return ""


def _called(subject: x509.Name) -> str:
    from cryptography import x509

    common = subject.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)
    return str(common[0].value) if common else subject.rfc4514_string()


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep others from making an authority in the folder at the same time; makes the folder.

    :raises AuthorityFailed: when the folder cannot be made.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise AuthorityFailed(f"The folder {folder} for the authority cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _names(certificate: x509.Certificate) -> tuple[str, set[x509.GeneralName]]:
    from cryptography import x509

    common = certificate.subject.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return str(common[0].value) if common else "", set()
    return str(common[0].value) if common else "", set(extension.value)


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    return list(dict.fromkeys(map(_general_name, names)))


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.removeprefix(_NAME_ALL_THE_SAME))
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{name!r} can be neither the name nor the address of a node.") from error


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, days: int, latest: datetime.datetime | None = None
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.timezone.utc)
    end = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(min(end, latest) if latest else end)
    )


def _key_usage(**granted: bool) -> x509.KeyUsage:
    from cryptography import x509

    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()
