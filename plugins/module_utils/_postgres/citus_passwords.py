# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords in a Citus formation whose nodes log in to each other by them: asked of the coordinator's leader.

Each group has each role's verifier, and in ``pg_dist_authinfo`` the clear text that its nodes log in to other nodes
with. While all of that changes, a node that wants to log in to another one waits: for it has to read
``pg_dist_authinfo``, which is locked everywhere until every group has the new verifiers. So no login meets a password
that is not in force.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import os
import time
from typing import Any, Collection, Mapping, NamedTuple, Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    AuthenticationFailed,
    DeadlineExceeded,
    NotTheCoordinator,
    RoleMissing,
    ServerUnreachable,
)
from . import role as reading
from . import role_change as writing
from .connect import Session, connect
from .password import Observed, Wish, decide
from .scram import Verifier
from .target import Target
from .verifier import new_verifier

COORDINATOR = 0
# A login that read the old password a moment ago shall be through before that is refused.
_UNDER_WAY = 0.3
# As long as one group's table is waited for, logins wait in the others: readers have it for a moment only.
_LOCK_SECONDS = 2
_ITERATIONS_A_SECOND = 1_000_000
# Rules for all nodes; those for a single one are somebody's own.
_ROWS = "SELECT rolename::text, authinfo FROM pg_catalog.pg_dist_authinfo WHERE nodeid = 0"
_CONNINFO = "SELECT current_setting('citus.node_conninfo', true)"
_LOCK = "LOCK TABLE pg_catalog.pg_dist_authinfo IN ACCESS EXCLUSIVE MODE"
_TELL = (
    "INSERT INTO pg_catalog.pg_dist_authinfo (nodeid, rolename, authinfo) VALUES (0, %s, %s)"
    " ON CONFLICT (rolename, nodeid) DO UPDATE SET authinfo = excluded.authinfo"
)


class Group(NamedTuple):
    """What a group has.

    :param roles: those of the wished roles that exist.
    :param rows: what its nodes log in with, by role; text as libpq reads it.
    """

    number: int
    roles: Mapping[str, Observed]
    rows: Mapping[str, str]

    def __repr__(self) -> str:
        """Without what is stored."""
        return f"Group({self.number})"


class Change(NamedTuple):
    """What is to be done in a group for a role.

    :param verifier: what the role is to have; None where only the login changes.
    :param authinfo: what the group's nodes are to log in with.
    """

    group: int
    role: str
    reason: str
    verifier: Verifier | None = None
    authinfo: str | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Change({self.group}, {self.role!r}, {self.reason!r})"

    def told(self) -> dict[str, Any]:
        """As a part of the answer."""
        return {
            "group": self.group,
            "name": self.role,
            "what": "password" if self.verifier else "login",
            "reason": self.reason,
        }


def citus_passwords(
    target: Target, leaders: Mapping[int, str], wishes: Sequence[Wish], outside: Collection[str], deadline: Deadline,
    check: bool,
) -> dict[str, Any]:  # fmt: skip
    """Have every group know the wished passwords, and log in with them; and with those that the coordinator knows.

    :param target: the coordinator's leader, over its own socket.
    :param leaders: ``host:port`` of the other groups' leaders, as the coordinator reaches them.
    :param outside: roles that no node logs in to another group as.
    :param check: only say what would be done.
    :return: ``changes``, and ``replicated``: whether the synchronous standbys have them, None where there are none.
    :raises RoleMissing: when the coordinator has no such role.
    :raises AuthenticationFailed: when a group takes neither the password in use nor the wished one.
    :raises NotTheCoordinator: when somebody else leads now, there or in another group.
    :raises HowdahError: numbers 1400 to 1499, and those of the deadline.
    """
    doors = _Doors(target, leaders, wishes, deadline)
    try:
        sessions = {number: doors.enter(number) for number in (COORDINATOR, *sorted(leaders))}
        groups = [_look(number, session, wishes, deadline) for number, session in sessions.items()]
        affordable = int(deadline.check("comparing passwords") * _ITERATIONS_A_SECOND)
        changes = plan(groups, wishes, outside, affordable)
        if changes and not check:
            _apply(doors, sessions, changes, deadline)
        return {
            "changes": [change.told() for change in changes],
            "replicated": _replicated(sessions, changes, deadline) if changes and not check else None,
        }
    finally:
        doors.close()


class _Doors:
    """Sessions with the groups' leaders."""

    def __init__(
        self, target: Target, leaders: Mapping[int, str], wishes: Sequence[Wish], deadline: Deadline
    ) -> None:
        self._targets = {COORDINATOR: target}
        self._leaders = leaders
        self._wished = next((wish.clear for wish in wishes if wish.role == target.user), None)
        self._deadline = deadline
        self._open: list[Session] = []
        self._keys: list[str] = []
        self._ssl: tuple[tuple[str, str], ...] = ()

    def enter(self, number: int) -> Session:
        """A session with a group's leader; the coordinator's has to be the first."""
        if number in self._targets:
            session = self._led(number, connect(self._targets[number], self._deadline))
            if not self._keys:
                self._keys = self._read_keys(session)
            return session
        refusal: AuthenticationFailed | None = None
        for key in self._keys:
            own = self._targets[COORDINATOR]
            door = Target(
                hosts=(self._leaders[number],), user=own.user, password=key, dbname=own.dbname, ssl=self._ssl
            )
            try:
                session = self._led(number, connect(door, self._deadline))
            except AuthenticationFailed as error:
                refusal = error
                continue
            self._targets[number] = door
            return session
        raise AuthenticationFailed(
            f"Group {number} at {self._leaders[number]} takes neither the password that the coordinator logs in with as"
            f" {self._targets[COORDINATOR].user!r}, nor the new one. Set the new one on that group's leader by itself"
            " (module password, its container), then run this again.",
            **(refusal.details if refusal else {}),
        )

    def _led(self, number: int, session: Session) -> Session:
        self._open.append(session)
        if session.in_recovery:
            raise NotTheCoordinator(f"Somebody else leads group {number} now: run it again.")
        return session

    def _read_keys(self, session: Session) -> list[str]:
        """The passwords that other groups may take, the likelier one first."""
        from psycopg2.extensions import parse_dsn

        conninfo = session.query(_CONNINFO, (), self._deadline, "reading how nodes connect")[0][0]
        given = parse_dsn(conninfo or "")
        self._ssl = tuple((name, given[name]) for name in ("sslmode", "sslrootcert") if name in given)
        # For a formation that is changed over, whose nodes still ask each other for one.
        tls = os.environ.get("PATRONI_TLS")
        if tls:
            self._ssl += (("sslcert", f"{tls}/node.crt"), ("sslkey", f"{tls}/node.key"))
        user = self._targets[COORDINATOR].user
        rows = dict(session.query(_ROWS, (), self._deadline, "reading what nodes log in with"))
        return list(dict.fromkeys(key for key in (_password(rows.get(user, "")), self._wished) if key))

    def close(self) -> None:
        """Leave all; what was not committed is undone."""
        for session in self._open:
            session.close()


def _look(number: int, session: Session, wishes: Sequence[Wish], deadline: Deadline) -> Group:
    reading.begin_reading(session, deadline)
    roles = reading.observe(session, [wish.role for wish in wishes], True, deadline)
    rows = dict(session.query(_ROWS, (), deadline, "reading what nodes log in with"))
    reading.end(session, "ROLLBACK", deadline)
    return Group(number, roles, rows)


# --- What is to be done: pure --------------------------------------------------------------------


def plan(
    groups: Sequence[Group], wishes: Sequence[Wish], outside: Collection[str], affordable: int
) -> list[Change]:
    """All that is to change; nothing where all is as it should be.

    :param groups: the coordinator's is the first.
    :param outside: roles that no node logs in to another group as.
    :param affordable: iterations of PBKDF2 that there is time for.
    :raises RoleMissing: when the coordinator has no such role. Another group gets it when it joins.
    """
    missing = [wish.role for wish in wishes if wish.role not in groups[0].roles]
    if missing:
        names = ", ".join(map(repr, missing))
        raise RoleMissing(
            f"There is no role {names} on the coordinator. Create it there first, or correct its name."
            " Nothing was changed.",
            roles_missing=missing,
        )
    changes: list[Change] = []
    for wish in wishes:
        changes += _verifiers(groups, wish, affordable)
        if wish.role not in outside:
            changes += _logins(groups, wish)
    wished = {wish.role for wish in wishes}
    for role, authinfo in groups[0].rows.items():
        if role not in wished:
            changes += [
                Change(group.number, role, "the coordinator logs in with another one", authinfo=authinfo)
                for group in groups[1:]
                if group.rows.get(role) != authinfo
            ]
    return changes


def _verifiers(groups: Sequence[Group], wish: Wish, affordable: int) -> list[Change]:
    """The groups in which the role has another password; they all get the same verifier."""
    reasons = {
        group.number: decide(wish, group.roles[wish.role], affordable).reason
        for group in groups
        if wish.role in group.roles
    }
    if not any(reasons.values()):
        return []
    stored = groups[0].roles[wish.role].secret
    kept = Verifier.parse(stored) if stored and not reasons[COORDINATOR] else None
    verifier = kept or new_verifier(wish)
    return [Change(number, wish.role, reason, verifier=verifier) for number, reason in reasons.items() if reason]


def _logins(groups: Sequence[Group], wish: Wish) -> list[Change]:
    """The groups whose nodes log in as the role with another password, or with none."""
    return [
        Change(
            group.number,
            wish.role,
            "another password is in pg_dist_authinfo" if wish.role in group.rows else "pg_dist_authinfo has none",
            authinfo=authinfo_of(wish.clear),
        )
        for group in groups
        if _password(group.rows.get(wish.role, "")) != wish.clear
    ]


def authinfo_of(password: str) -> str:
    """As ``pg_dist_authinfo`` has it: a connection string of libpq's."""
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    return f"password='{escaped}'"


def _password(authinfo: str) -> str | None:
    """The password of such a text; None where it has none."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        found: dict[str, str] = parse_dsn(authinfo)
    except psycopg2.Error:
        return None
    return found.get("password")


# --- Doing it ------------------------------------------------------------------------------------


def _apply(
    doors: _Doors, sessions: Mapping[int, Session], changes: Sequence[Change], deadline: Deadline
) -> None:
    """Change all; see the top of this file for why in this order."""
    for number, session in sessions.items():
        _alter(session, [one for one in changes if one.group == number and one.verifier], deadline)
    tellers = {
        number: doors.enter(number) for number in sessions if any(one.group == number for one in changes)
    }
    for number, session in tellers.items():
        _tell(session, [one for one in changes if one.group == number and one.authinfo], deadline)
    altered = {one.group for one in changes if one.verifier}
    if altered:
        time.sleep(min(_UNDER_WAY, deadline.check("waiting for logins under way")))
    for number in sorted(altered):
        reading.end(sessions[number], "COMMIT", deadline)
    for session in tellers.values():
        reading.end(session, "COMMIT", deadline)


def _alter(session: Session, changes: Sequence[Change], deadline: Deadline) -> None:
    """Set roles' verifiers in this group alone, and leave it uncommitted."""
    if not changes:
        return
    writing.begin_writing(session, [change.role for change in changes], True, deadline)
    session.query("SET LOCAL citus.enable_ddl_propagation = off", (), deadline, "keeping to one group")
    for change in changes:
        if change.verifier is not None:
            writing.alter(session, change.role, change.verifier, deadline)


def _tell(session: Session, changes: Sequence[Change], deadline: Deadline) -> None:
    """Lock what nodes log in with, set it, and leave it uncommitted."""
    writing.begin_writing(session, [], True, deadline)
    session.query(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'", (), deadline, "limiting the wait for locks")
    session.query(_LOCK, (), deadline, "locking what nodes log in with")
    for change in changes:
        session.query(_TELL, (change.role, change.authinfo), deadline, "setting what nodes log in with")


def _replicated(
    sessions: Mapping[int, Session], changes: Sequence[Change], deadline: Deadline
) -> bool | None:
    """Whether the synchronous standbys of all groups that changed have it; None where there are none."""
    found = []
    try:
        for number in sorted({change.group for change in changes}):
            server = reading.begin_reading(sessions[number], deadline)
            reading.end(sessions[number], "ROLLBACK", deadline)
            standbys = writing.needed_standbys(*server.standbys)
            if standbys:
                found.append(writing.wait_replicated(sessions[number], standbys, deadline))
    except (DeadlineExceeded, ServerUnreachable):
        return False  # all is committed by now, which no error shall hide
    return all(found) if found else None
