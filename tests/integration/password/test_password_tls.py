# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins over TLS: the options `ssl_…` are libpq's, and what they refuse is refused."""
from __future__ import annotations

import subprocess

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import options

CERTIFIED = "certified"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, a certificate of the server `localhost`, one of a client, and a CA that has nothing to do with them."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)

    for authority in ("ca", "stranger"):
        made = f"-subj /CN={authority} -keyout {authority}.key -out {authority}.crt"
        openssl(*f"req -x509 -newkey rsa:2048 -nodes -days 2 {made}".split())
    for name, subject in (("server", "localhost"), ("client", CERTIFIED)):
        openssl(*f"req -newkey rsa:2048 -nodes -subj /CN={subject} -keyout {name}.key -out {name}.csr".split())
        (folder / "extensions").write_text(f"subjectAltName=DNS:{subject}\n")
        signed = f"-CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out {name}.crt"
        openssl(*f"x509 -req -days 2 -in {name}.csr {signed}".split())
    (folder / "client.key").chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def encrypted(server, certificates):
    """The server speaks TLS, and lets one role in by its certificate alone."""
    data = server.sql("SHOW data_directory")[0][0]
    hba = server.sql("SHOW hba_file")[0][0]
    for name in ("server.crt", "server.key", "ca.crt"):
        text = (certificates / name).read_text()
        server.execute("sh", "-c", 'umask 077; printf %s "$1" > "$2"', "sh", text, f"{data}/{name}")
    server.execute("sh", "-c", f'cp "$1" "$1.plain"; sed -i "1i hostssl all {CERTIFIED} all cert" "$1"', "sh", hba)
    settings = {"ssl": "on", "ssl_ca_file": "ca.crt"}
    for name, value in settings.items():
        server.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    server.sql(f"CREATE ROLE {CERTIFIED} SUPERUSER LOGIN")
    server.sql("SELECT pg_reload_conf()")
    for _attempt in range(100):
        if server.sql("SHOW ssl")[0][0] == "on":
            break
    yield server
    for name in settings:
        server.sql(f"ALTER SYSTEM RESET {name}")
    server.execute("sh", "-c", 'mv "$1.plain" "$1"', "sh", hba)
    server.sql("SELECT pg_reload_conf()")
    server.sql(f"DROP ROLE {CERTIFIED}")


@pytest.fixture
def login(encrypted, certificates):
    """A target by options of the module."""

    def target(host="localhost", **given):
        known = dict.fromkeys(options.ARGUMENT_SPEC)
        paths = {name: str(certificates / given.pop(name)) for name in list(given) if name != "ssl_mode"}
        params = {**known, "login_host": [host], "login_port": encrypted.port, "login_db": "postgres"}
        return options.target_of({**params, "login_password": encrypted.password, **paths, **given})

    return target


def test_the_right_certificate(role, change, login, encrypted):
    target = login(ssl_mode="verify-full", ssl_root_cert="ca.crt")
    assert change(role, "secret", target=target)["changed"] and not change(role, "secret", target=target)["changed"]
    assert encrypted.lets_in(role, "secret", host="localhost", sslmode="require")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ssl_mode": "verify-full", "ssl_root_cert": "stranger.crt"}, "certificate verify failed"),
        ({"ssl_mode": "verify-ca", "ssl_root_cert": "stranger.crt"}, "certificate verify failed"),
        ({"ssl_mode": "verify-full", "ssl_root_cert": "ca.crt", "host": "127.0.0.1"}, "does not match host name"),
    ],
    ids=["stranger", "stranger-ca", "other-name"],
)
def test_a_wrong_certificate_is_refused_and_named(role, change, login, encrypted, given, told):
    with pytest.raises(errors.ServerUnreachable, match=told):
        change(role, "secret", target=login(**given))
    assert encrypted.stored(role) is None


def test_verify_ca_does_not_look_at_names(role, change, login):
    target = login("127.0.0.1", ssl_mode="verify-ca", ssl_root_cert="ca.crt")
    assert change(role, "secret", target=target)["changed"]


def test_a_login_by_certificate(role, change, login):
    given = {"ssl_mode": "verify-full", "ssl_root_cert": "ca.crt", "ssl_cert": "client.crt", "ssl_key": "client.key"}
    target = login(**given)._replace(user=CERTIFIED, password=None)
    assert change(role, "secret", target=target)["changed"]
    with pytest.raises(errors.AuthenticationFailed):
        change(role, "secret", target=target._replace(ssl=target.ssl[:2]))


def test_a_server_without_tls_is_refused_where_it_is_required(role, change, login, encrypted):
    encrypted.sql("ALTER SYSTEM SET ssl = off")
    encrypted.sql("SELECT pg_reload_conf()")
    try:
        with pytest.raises(errors.ServerUnreachable, match="SSL"):
            change(role, "secret", target=login(ssl_mode="require"))
    finally:
        encrypted.sql("ALTER SYSTEM SET ssl = on")
        encrypted.sql("SELECT pg_reload_conf()")
    assert encrypted.stored(role) is None
