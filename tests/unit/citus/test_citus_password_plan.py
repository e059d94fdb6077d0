# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords in a formation whose nodes log in to each other by them: what is to change, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._citus import passwords
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    AuthenticationFailed,
    DeadlineExceeded,
    FormationUnsettled,
    NotTheCoordinator,
    RoleMissing,
    TimeoutLock,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import parse
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import citus_passwords as joint
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.password import Observed, Wish
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.target import Target
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

PLENTY = 1_000_000
OLD, NEW = (str(Verifier.derive(password)) for password in ("old", "new"))
WISH = (Wish("app", password="new"),)


def group(number: int, secret: str | None, *, row: str | None, **further: str) -> joint.Group:
    """A group with the role ``app``, or without it where the secret is None."""
    rows = {**({"app": joint.authinfo_of(row)} if row is not None else {}), **further}
    return joint.Group(number, {} if secret is None else {"app": Observed("app", secret)}, rows)


def told(*groups: joint.Group) -> list[tuple[int, str, str]]:
    found = [change.told() for change in joint.plan(groups, WISH, (), PLENTY)]
    return [(change["group"], change["name"], change["what"]) for change in found]


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1))
def test_libpq_reads_a_password_as_it_is(password: str) -> None:
    assert parse_dsn(joint.authinfo_of(password)) == {"password": password}


def test_nothing_is_done_where_all_groups_know_and_use_it() -> None:
    assert told(group(0, NEW, row="new"), group(1, str(Verifier.derive("new")), row="new")) == []


def test_what_differs_is_set_in_that_group_only() -> None:
    found = told(group(0, NEW, row="new"), group(1, OLD, row="new"), group(2, NEW, row="old"), group(3, NEW, row=None))
    assert found == [(1, "app", "password"), (2, "app", "login"), (3, "app", "login")]


def test_all_groups_get_one_verifier() -> None:
    changes = joint.plan([group(0, OLD, row="old"), group(1, OLD, row="old")], WISH, (), PLENTY)
    made = {str(change.verifier) for change in changes if change.verifier}
    assert len(made) == 1 and made != {NEW}
    (only,) = joint.plan([group(0, NEW, row="new"), group(1, OLD, row="new")], WISH, (), PLENTY)
    assert str(only.verifier) == NEW, "the coordinator's is there already"


def test_a_group_that_joins_gets_what_the_coordinator_knows_of_others() -> None:
    groups = [group(0, NEW, row="new", other="password='x'"), group(1, None, row="new", own="password='y'")]
    assert told(*groups) == [(1, "other", "login")]


def test_as_a_role_of_members_no_group_logs_in_to_another() -> None:
    (only,) = joint.plan([group(0, NEW, row=None), group(1, OLD, row=None)], WISH, ("app",), PLENTY)
    assert (only.group, only.told()["what"]) == (1, "password")


def test_a_role_that_the_coordinator_lacks_is_missing() -> None:
    with pytest.raises(RoleMissing, match="'app' on the coordinator"):
        told(group(0, None, row=None), group(1, OLD, row="old"))


def test_nothing_that_is_printed_is_secret() -> None:
    one = group(0, OLD, row="old")
    changes = joint.plan([one], WISH, (), PLENTY)
    shown = repr((one, changes, [change.told() for change in changes], passwords.plan_of([c.told() for c in changes])))
    assert "SCRAM" not in shown and "password='" not in shown and "'old'" not in shown and "'new'" not in shown


# --- The order -----------------------------------------------------------------------------------


class Server:
    """Sessions of all groups, of which is noted what is done in which."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: dict[str, str], fails: str = "") -> None:
        self.takes = takes
        self.fails = fails
        self.done: list[tuple[str, str]] = []
        self.standby = ""
        monkeypatch.setattr(joint, "connect", self.connect)
        monkeypatch.setattr(joint.reading, "begin_reading", lambda _session, _deadline: joint.reading.Server())
        monkeypatch.setattr(joint.reading, "observe", lambda session, *_rest: {"app": Observed("app", OLD)})
        monkeypatch.setattr(joint.reading, "end", lambda session, how, _deadline: session.note(how))
        monkeypatch.setattr(joint.writing, "begin_writing", lambda session, *_rest: session.note("BEGIN"))
        monkeypatch.setattr(joint.writing, "alter", lambda session, *_rest: session.note("ALTER"))
        monkeypatch.setattr(joint.time, "sleep", lambda seconds: self.done.append(("all", f"wait {seconds:g}")))

    def connect(self, target: Target, _deadline: Deadline) -> Any:
        where = target.hosts[0] if target.hosts else "own"
        if where != "own" and target.password != self.takes[where]:
            raise AuthenticationFailed("no", server_says="no")
        return Session(self, where)


class Session:
    """One of them."""

    def __init__(self, server: Server, where: str) -> None:
        self.server = server
        self.where = where
        self.in_recovery = where == server.standby
        self._wrote = ""

    def note(self, what: str) -> None:
        if what in ("ALTER", "LOCK"):
            self._wrote = "roles" if what == "ALTER" else "logins"
        if what != "ROLLBACK":  # of what was only read
            self.server.done.append((self.where, f"COMMIT {self._wrote}" if what == "COMMIT" else what))

    def query(self, statement: str, _parameters: Any, _deadline: Deadline, _doing: str) -> list[tuple[Any, ...]]:
        if statement == joint._CONNINFO:
            return [("sslmode=verify-full sslrootcert=/ca.crt",)]
        if statement == joint._ROWS:
            return [("app", joint.authinfo_of("old")), ("boss", joint.authinfo_of("key"))]
        if statement.startswith(("LOCK", "INSERT")):
            if self.server.fails == self.where:
                raise TimeoutLock("somebody holds it")
            self.note(statement.split()[0])
        return []

    def close(self) -> None:
        self.note("close")


def change(check: bool = False) -> dict[str, Any]:
    boss = Target(user="boss", dbname="citus")
    return joint.citus_passwords(boss, {1: "w1:5432", 2: "w2:5432"}, WISH, (), Deadline(30), check)


def test_logins_wait_from_before_the_first_password_changes_until_all_have(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, {"w1:5432": "key", "w2:5432": "key"})
    change()
    done = [step for step in server.done if step[1] not in ("BEGIN", "close")]
    everywhere = ("own", "w1:5432", "w2:5432")
    assert done == [
        *((where, "ALTER") for where in everywhere),
        *((where, step) for where in everywhere for step in ("LOCK", "INSERT")),
        ("all", "wait 0.3"),
        *((where, "COMMIT roles") for where in everywhere),
        *((where, "COMMIT logins") for where in everywhere),
    ]


def test_check_mode_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, {"w1:5432": "key", "w2:5432": "key"})
    assert len(change(check=True)["changes"]) == 6
    assert {step for _where, step in server.done} == {"close"}


def test_standbys_that_are_late_do_not_hide_that_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_given: Any) -> bool:
        raise DeadlineExceeded("The time limit was reached.")

    server = Server(monkeypatch, {"w1:5432": "key", "w2:5432": "key"})
    needing = joint.reading.Server(standbys=("ANY 1 (a)", "on"))
    monkeypatch.setattr(joint.reading, "begin_reading", lambda _session, _deadline: needing)
    monkeypatch.setattr(joint.writing, "wait_replicated", late)
    told = change()
    assert (len(told["changes"]), told["replicated"]) == (6, False)
    assert ("w2:5432", "COMMIT logins") in server.done


def test_nothing_is_committed_where_one_group_cannot_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, {"w1:5432": "key", "w2:5432": "key"}, fails="w2:5432")
    with pytest.raises(TimeoutLock):
        change()
    assert not [step for _where, step in server.done if step.startswith("COMMIT")]
    assert len([step for step in server.done if step[1] == "close"]) == 6


def test_a_group_that_has_neither_password_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Server(monkeypatch, {"w1:5432": "key", "w2:5432": "another"})
    with pytest.raises(AuthenticationFailed, match=r"Group 2 at w2:5432 takes neither"):
        change()


def test_another_leader_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, {"w1:5432": "key", "w2:5432": "key"})
    server.standby = "w1:5432"
    with pytest.raises(NotTheCoordinator, match="Somebody else leads group 1"):
        change()


# --- Whom it is asked of -------------------------------------------------------------------------


def test_all_groups_have_to_have_a_leader_but_in_check_mode() -> None:
    member = {"name": "n", "role": "leader", "state": "running", "api_url": "https://n:8008/patroni"}
    led = parse({"scope": "s", "members": [{**member, "host": "n", "port": 5432}]})
    assert passwords.leaders({0: led, 1: led}) == {1: "n:5432"}
    with pytest.raises(FormationUnsettled, match="group 2 does not answer: nothing was changed"):
        passwords.leaders({0: led, 1: led, 2: None})
    assert passwords.leaders({0: led, 1: led, 2: None}, some=True) == {1: "n:5432"}
