# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the S3 API, in a container beside the repository, over HTTPS with a certificate of its own authority."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
import sys
from pathlib import Path

import docker
from ansible_runs import until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PORT = 9443
BUCKET = "backups"
_PIP_SECONDS = 300
# The Python of the image, which is Debian 12's.
_PYTHON = ["--python-version", "3.11", "--only-binary=:all:"]
# A connection is ended as TLS has it, and stays open until then: this server by itself just drops it, which pgBackRest
# takes for an attack.
_SERVER = """
import sys
import werkzeug.serving as serving

def end(server, request):
    request.settimeout(2)
    try:
        request.unwrap()
    except (OSError, ValueError):
        pass
    plain(server, request)

plain, serving.BaseWSGIServer.shutdown_request = serving.BaseWSGIServer.shutdown_request, end
serving.WSGIRequestHandler.protocol_version = "HTTP/1.1"
from moto.server import main
main(sys.argv[1:])
"""
_REQUEST = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/tls/ca.crt")
asked = urllib.request.Request(sys.argv[2], method=sys.argv[1])
sys.stdout.write(urllib.request.urlopen(asked, timeout=10, context=context).read().decode())
"""


class S3:
    """The server; it forgets everything when it is removed.

    :param name: of its container, by which others reach it.
    :param folder: for its programs and its certificate.
    """

    def __init__(self, client: docker.APIClient, name: str, image: str, folder: Path) -> None:
        self.client = client
        self.name = name
        self._image = image
        self._folder = folder
        self.authority = ""

    def start(self, network: str) -> None:
        """Start it, with an empty bucket."""
        programs, tls = self._folder / "programs", self._folder / "tls"
        requirements = Path(__file__).with_name("s3-requirements.txt")
        words = ["install", "--quiet", "--no-deps", "--target", str(programs), *_PYTHON, "-r", str(requirements)]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=_PIP_SECONDS)
        tls.mkdir()
        self.authority = _certify(self.name, tls)
        self.client.create_container(
            self._image, name=self.name,
            command=["/usr/bin/python3", "-c", _SERVER, "-H", "0.0.0.0", "-p", str(PORT), "-c", "/tls/node.crt", "-k",
                     "/tls/node.key"],
            environment={"PYTHONPATH": "/programs", "PYTHONDONTWRITEBYTECODE": "1"},
            host_config=self.client.create_host_config(
                binds=[f"{programs}:/programs:ro", f"{tls}:/tls:ro"], network_mode=network, tmpfs={"/tmp": ""},
            ),
        )  # fmt: skip
        self.client.start(self.name)
        until(lambda: self._ask("PUT", BUCKET) is not None, "the S3 server answers", 60)

    def objects(self) -> str:
        """What is in the bucket, as S3 lists it."""
        return self._ask("GET", f"{BUCKET}?list-type=2") or ""

    def _ask(self, method: str, path: str) -> str | None:
        done = subprocess.run(
            ["docker", "exec", self.name, "/usr/bin/python3", "-c", _REQUEST, method, f"https://localhost:{PORT}/{path}"],
            capture_output=True, text=True, timeout=60, check=False,
        )
        return done.stdout if done.returncode == 0 else None


def _certify(name: str, folder: Path) -> str:
    """An authority, and a certificate for a name; the authority's certificate."""
    now = datetime.datetime.now(datetime.timezone.utc)
    life = datetime.timedelta(days=2)

    def builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - life).not_valid_after(now + life)
        )  # fmt: skip

    own, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        builder("S3 authority", "S3 authority", own)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(own, hashes.SHA256())
    )  # fmt: skip
    names = [x509.DNSName(name), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        builder(name, "S3 authority", key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False).sign(own, hashes.SHA256())
    )  # fmt: skip
    text = authority.public_bytes(serialization.Encoding.PEM).decode()
    (folder / "ca.crt").write_text(text, encoding="ascii")
    (folder / "node.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "node.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "node.key").chmod(0o644)  # the container's user is another one; it lives for a test
    return text
