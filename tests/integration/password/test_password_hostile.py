# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords that break others' quoting: each can be set, lets in, keeps wrong ones out, and is recognised."""
from __future__ import annotations

import psycopg2
import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import ask_agent, raise_failure
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.password import wishes
from hostile import HOSTILE


def test_there_are_enough():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 40


@pytest.mark.parametrize("password", HOSTILE, ids=ascii)
def test_over_tcp(server, role, change, password):
    assert change(role, password)["changed"]
    assert server.lets_in(role, password)
    assert not server.lets_in(role, password + "x") and not server.lets_in(role, "x" + password)
    again = change(role, password)
    assert not again["changed"]


@pytest.mark.parametrize("password", ["", "a\0b", "\ud800"])
def test_what_cannot_be_a_password(password):
    with pytest.raises(errors.InvalidPassword):
        wishes([{"name": "role", "password": password}], 4096)


def test_through_the_container(server, docker_params):
    """All of them in one call, by the door that has no login."""
    roles = {f"hostile_{index}": password for index, password in enumerate(HOSTILE)}
    server.sql("; ".join(f"CREATE ROLE {name} LOGIN" for name in roles))
    entries = [{"name": name, "password": password} for name, password in roles.items()]
    message = {"command": "password", "roles": entries, "iterations": 4096, "check": False}
    try:
        for changed in (True, False):
            answer = ask_agent(docker_params, message, Deadline(15), writes=True)
            raise_failure(answer)
            assert {result["changed"] for result in answer["result"]["roles"]} == {changed}
        for name, password in roles.items():
            assert server.lets_in(name, password) and not server.lets_in(name, password + "x")
    finally:
        server.sql("; ".join(f"DROP ROLE {name}" for name in roles))


def test_refused_by_the_server_means_refused(server, role, change):
    """The fixture's own proof: a login that fails otherwise is no refusal."""
    change(role, "secret")
    server.sql(f"ALTER ROLE {role} NOLOGIN")
    with pytest.raises((AssertionError, psycopg2.OperationalError)):
        server.lets_in(role, "secret")
