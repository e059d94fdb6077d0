# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh logins everywhere: what counts as taken, and until when a refusal is waited out."""
from __future__ import annotations

import socket
import time

from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import agent, logins, probe
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.target import Target

ROLES = [{"name": "a", "password": "pa"}, {"name": "b", "password": "pb"}]
WRONG = 'password authentication failed for user "a"'


class Servers:
    """Take the right passwords, once they have replayed the change."""

    def __init__(self, late=(), trusting=(), dead=()):
        self.late, self.trusting, self.dead = dict(late), trusting, dead
        self.logins = []

    def __call__(self, target, deadline):
        host = target.hosts[0]
        self.logins.append((host, target.user))
        if host in self.dead:
            raise errors.ServerUnreachable(f"{host}: no")
        if host in self.trusting:
            return self
        if target.password != f"p{target.user}" or self.late.get(host, 0) > 0:
            self.late[host] = self.late.get(host, 0) - 1
            raise errors.AuthenticationFailed("refused", server_says=WRONG)
        return self

    def close(self):
        pass


def check(monkeypatch, servers, seconds=5.0, libpq=170000):
    monkeypatch.setattr(probe, "connect", servers)
    monkeypatch.setattr(probe, "libpq_version", lambda: libpq)
    monkeypatch.setattr(logins, "_PAUSE", 0.01)
    return logins.check_logins(Target(), ["h1:1", "h2:2"], ROLES, Deadline(seconds))


def test_a_standby_that_is_late_is_waited_for(monkeypatch):
    servers = Servers(late={"h2:2": 3})
    found = check(monkeypatch, servers)
    assert [login["accepted"] for login in found] == [True] * 4
    assert logins.refusal(found) is None
    assert servers.logins.count(("h1:1", "a")) == 1, "what was taken is not tried again"


def test_what_is_not_taken_in_time_is_named(monkeypatch):
    found = check(monkeypatch, Servers(late={"h2:2": 10**9}), 0.2)
    refusal = logins.refusal(found)
    assert isinstance(refusal, errors.Inconclusive)
    assert "a at h2:2 (the password is not the role's); b at h2:2" in refusal.message
    assert "h1:1" not in refusal.message and not {"pa", "pb"} & set(refusal.message.split())


def test_a_server_that_is_away_is_named_with_the_cause(monkeypatch):
    found = check(monkeypatch, Servers(dead=["h1:1"]), 0.2)
    assert [login["problem"] for login in found if login["host"] == "h1:1"] == ["h1:1: no"] * 2


def test_trust_is_not_taken_for_a_right_password(monkeypatch):
    found = check(monkeypatch, Servers(trusting=["h2:2"]), 0.2, libpq=150000)
    assert [login["accepted"] for login in found] == [True, True, False, False]
    assert "any password" in found[-1]["problem"]


def test_where_a_certificate_is_asked_for_no_password_is_wrong(monkeypatch):
    """As before a cluster is changed over: its members' roles have passwords, and are not asked for them yet."""

    def by_certificate(target, deadline):
        raise errors.AuthenticationFailed("no", server_says="connection requires a valid client certificate")

    monkeypatch.setattr(probe, "connect", by_certificate)
    begun = time.monotonic()
    found = logins.check_logins(Target(), ["h1:1"], ROLES, Deadline(5.0))
    assert [login["accepted"] for login in found] == [None, None] and logins.refusal(found) is None
    assert time.monotonic() - begun < 1, "it is not tried again"


def test_the_agent_names_who_is_silent_before_its_time_is_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # as a frozen server: connected to, and no word
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        request = {"command": "logins", "timeout": 1.0, "hosts": [host], "roles": ROLES[:1]}
        started = time.monotonic()
        answer = agent.answer(request)
        took = time.monotonic() - started
    assert [login["host"] for login in answer["result"]["logins"] if not login["accepted"]] == [host]
    assert "no answer" in answer["result"]["logins"][0]["problem"]
    assert took < 0.95
