# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password engine: sets roles' passwords on a running server, within a deadline.

The module, and the agent and the entrypoint inside the image, all call :func:`set_passwords`.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    ConcurrentChange,
    DeadlineExceeded,
    HowdahError,
    Inconclusive,
    OutcomeUnknown,
    ReadOnly,
    RoleMissing,
    ServerUnreachable,
)
from . import role as sql
from .connect import connect
from .password import Decision, Observed, Wish, decide, new_verifier, warnings
from .scram import Verifier
from .target import Target

# PBKDF2 runs at 2 to 4 million iterations a second; half of the time is for the server.
_ITERATIONS_A_SECOND = 1_000_000
# Of what is left when committing, the share in which a lost answer can still be settled.
_SETTLE_SHARE = 0.25
_POLL_SECONDS = 0.02


@dataclass
class Outcome:
    """What was done so far; also told when the rest failed.

    :param roles: one result a role, in the order of the wishes.
    """

    roles: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def set_passwords(target: Target, wishes: Sequence[Wish], deadline: Deadline, check: bool, outcome: Outcome) -> None:
    """Have each role's password be the wished one; a transaction for each that is not.

    Nothing is written unless all roles exist and all comparisons are conclusive; nothing at all
    is written for roles that have their password, and in check mode.

    :param check: only say what would be done.
    :param outcome: is filled, also before an error is raised.
    :raises HowdahError: numbers 1400 to 1499, and those of the deadline.
    """
    run = _Run(target, deadline)
    try:
        decisions = run.observe(wishes, outcome)
        if any(decision.changed for _wish, decision, _elapsed_ms in decisions):
            run.refuse_read_only()
        for wish, decision, elapsed_ms in decisions:
            if decision.changed and not check:
                started = deadline.elapsed()
                decision = run.write(wish, decision)
                elapsed_ms += _since(started, deadline)
            outcome.roles.append(decision.result(elapsed_ms))
        written = [result for result in outcome.roles if result["changed"]]
        if written and not check:
            replicated = run.replicated()
            for result in written:
                result["replicated"] = replicated
    finally:
        run.session.close()


def _since(started: float, deadline: Deadline) -> int:
    """Milliseconds."""
    return round((deadline.elapsed() - started) * 1000)


class _Run:
    """One connection, which is replaced when a commit's answer was lost, and what was seen through it."""

    def __init__(self, target: Target, deadline: Deadline) -> None:
        self._target = target
        self._deadline = deadline
        self.session = connect(target, deadline)
        self._server = sql.Server(superuser=False, readable=False, read_only=False, standbys=0)

    def observe(self, wishes: Sequence[Wish], outcome: Outcome) -> list[tuple[Wish, Decision, int]]:
        """Compare all; with the milliseconds that each comparison took."""
        deadline = self._deadline
        self._server = sql.begin_reading(self.session, deadline)
        found = sql.observe(self.session, [wish.role for wish in wishes], self._server.readable, deadline)
        sql.end(self.session, "ROLLBACK", deadline)
        missing = [wish.role for wish in wishes if wish.role not in found]
        if missing:
            names = ", ".join(map(repr, missing))
            raise RoleMissing(
                f"There is no role {names} on {self.session.address}. Create it first, or correct its name.",
                roles_missing=missing,
            )
        compared = []
        for wish in wishes:
            started = deadline.elapsed()
            observed = found[wish.role]
            outcome.warnings.extend(warnings(wish, observed))
            if not observed.readable:
                observed = replace(observed, lets_in=self._lets_in(wish, observed))
            decision = decide(wish, observed, self._affordable())
            compared.append((wish, decision, _since(started, deadline)))
        return compared

    def refuse_read_only(self) -> None:
        """Raise ReadOnly where nothing can be written."""
        if not self._server.read_only:
            return
        if not self.session.in_recovery:
            raise ReadOnly(
                f"The server at {self.session.address} is read-only (default_transaction_read_only is on),"
                " and a password has to be changed. Switch the setting off for the login role.",
                standby=False,
            )
        leader = sql.leader_of(self.session, self._deadline)
        hint = f" Its leader is {leader}." if leader else ""
        raise ReadOnly(
            f"The server at {self.session.address} is a standby, and a password has to be changed.{hint}"
            " Name the leader, or all servers, in login_host.",
            standby=True,
            leader=leader or None,
        )

    def write(self, wish: Wish, decision: Decision) -> Decision:
        """Set the password; what was done may be nothing, when another run has been faster."""
        try:
            return self._write(wish, decision)
        except ConcurrentChange:
            # Advisory locks are per database, roles are not; and others do not know our lock.
            sql.end(self.session, "ROLLBACK", self._deadline)
            return self._write(wish, decision)

    def _write(self, wish: Wish, decision: Decision) -> Decision:
        deadline = self._deadline
        sql.begin_writing(self.session, wish.role, self._server.superuser, deadline)
        if self._server.readable:
            found = sql.observe(self.session, [wish.role], True, deadline)
            if wish.role not in found:
                raise RoleMissing(f"Role {wish.role!r} was dropped meanwhile.", roles_missing=[wish.role])
            decision = decide(wish, found[wish.role], self._affordable())
            if not decision.changed:
                sql.end(self.session, "ROLLBACK", deadline)
                return decision
        verifier = new_verifier(wish)
        sql.alter(self.session, wish.role, verifier, deadline)
        self._commit(wish, verifier)
        current = decision.current._replace(salt_id=verifier.salt_id)
        return decision._replace(current=current)

    def _commit(self, wish: Wish, verifier: Verifier) -> None:
        """Commit, and find out what became of it when the answer does not come."""
        pid = self.session.backend_pid
        left = self._deadline.check("committing")
        try:
            sql.end(self.session, "COMMIT", Deadline(left * (1 - _SETTLE_SHARE)))
            return
        except DeadlineExceeded:
            failure: HowdahError = DeadlineExceeded(
                f"The time limit of {self._deadline.seconds:g} s was reached while committing. The password of role"
                f" {wish.role!r} was not changed.",
                doing="committing",
            )
        except ServerUnreachable as error:
            failure = error
        self.session.close()
        if self._settle(pid, wish, verifier):
            return
        raise failure

    def _settle(self, pid: int, wish: Wish, verifier: Verifier) -> bool:
        """Whether the commit that the server process works at came to pass.

        :raises OutcomeUnknown: when it still may, or nothing can be read.
        """
        try:
            self.session = connect(self._here(), self._deadline)
            while True:
                # In this order: a process that has gone can no longer commit.
                runs = sql.backend_runs(self.session, pid, self._deadline)
                if self._has(wish, verifier):
                    return True
                if not runs:
                    return False
                self._deadline.check("settling a commit")
                time.sleep(_POLL_SECONDS)
        except HowdahError as error:
            raise OutcomeUnknown(
                f"The server did not answer while committing the password of role {wish.role!r}, and may still do so."
                " Run again to settle it: what is right already is left alone.",
                outcome="unknown",
                role=wish.role,
            ) from error

    def _has(self, wish: Wish, verifier: Verifier) -> bool:
        """Whether the role has got this verifier."""
        if self._server.readable:
            found = sql.observe(self.session, [wish.role], True, self._deadline)
            return wish.role in found and found[wish.role].secret == str(verifier)
        return wish.verifier is None and self._probe(wish.role, wish.clear)

    def replicated(self) -> bool | None:
        """Whether the synchronous standbys have it; None where there are none to be waited for."""
        if not self._server.standbys:
            return None
        try:
            return sql.wait_replicated(self.session, self._server.standbys, self._deadline)
        except (DeadlineExceeded, ServerUnreachable):
            return False

    def _lets_in(self, wish: Wish, observed: Observed) -> bool:
        if wish.verifier is not None:
            raise Inconclusive(
                f"The login may not read pg_authid, so the verifier of role {wish.role!r} cannot be compared."
                " Give the password in clear text (it does not leave this host), or let login_user read pg_authid."
            )
        if observed.expired or not observed.can_login:
            raise Inconclusive(
                f"The login may not read pg_authid, and role {wish.role!r} cannot log in (NOLOGIN, or VALID UNTIL has"
                " passed), so its password cannot be compared. Let the role log in, or let login_user read pg_authid."
            )
        return self._probe(wish.role, wish.clear)

    def _probe(self, role: str, password: str) -> bool:
        from .probe import lets_in  # rarely needed, and each import counts in a module's run

        return lets_in(self._here(), role, password, self._deadline)

    def _here(self) -> Target:
        """The one server that the session leads to."""
        address = self.session.address
        return replace(self._target, hosts=(f"[{address.host}]:{address.port}",) if address.hostaddr else ())

    def _affordable(self) -> int:
        return int(self._deadline.check("comparing passwords") * _ITERATIONS_A_SECOND)
