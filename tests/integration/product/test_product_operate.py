# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A single server is operated by the same playbooks as a cluster."""

from __future__ import annotations

import secrets

import psycopg2
from conftest import Site, recap


def lets_in(site: Site, password: str) -> bool:
    try:
        login = {"host": "127.0.0.1", "port": site.port, "user": "postgres", "connect_timeout": 10}
        psycopg2.connect(password=password, **login).close()
    except psycopg2.OperationalError as error:
        assert "password authentication failed" in str(error)
        return False
    return True


def test_the_password_of_a_single_server_is_rotated(site: Site) -> None:
    deployed = site.run("site")
    assert deployed.returncode == 0, deployed.stdout
    old, new = site.password, "canary-" + secrets.token_urlsafe(12)
    foreseen = site.run("rotate_password", "--check", password=new)
    assert recap(foreseen.stdout)["changed"] == 1 and not lets_in(site, new)
    assert "Would set password of role postgres: another password is stored." in foreseen.stdout
    rotated = site.run("rotate_password", password=new)
    assert rotated.returncode == 0, rotated.stdout
    assert recap(rotated.stdout)["changed"] == 1
    assert old not in rotated.stdout and new not in rotated.stdout
    assert lets_in(site, new) and not lets_in(site, old)
    again = site.run("rotate_password", password=new)
    assert again.returncode == 0 and recap(again.stdout)["changed"] == 0, again.stdout
