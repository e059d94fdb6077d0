# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the password engine does once a password is to be changed.

Apart from engine.py, for an unchanged password shall not pay for it: see target.py.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    ConcurrentChange,
    DeadlineExceeded,
    HowdahError,
    OutcomeUnknown,
    ReadOnly,
    RoleMissing,
    ServerUnreachable,
)
from . import role as reading
from . import role_change as sql
from .connect import connect
from .engine import Outcome, Run
from .password import Decision, Observed, Wish, decide
from .scram import Verifier
from .verifier import new_verifier

# Of what is left when committing, the share in which a lost answer can still be settled.
_SETTLE_SHARE = 0.25
_POLL_SECONDS = 0.02
# Of several runs at once one gets through each time, so each comes to its turn.
_ATTEMPTS = 8
_PAUSE_SECONDS = 0.02


def apply(run: Run, decisions: Sequence[tuple[Wish, Decision, int]], check: bool, outcome: Outcome) -> None:
    """Carry out what was decided; see engine.set_passwords.

    :param decisions: with the milliseconds that each took.
    """
    reading.end(run.session, "ROLLBACK", run.deadline)
    _refuse_read_only(run)
    writer = _Writer(run)
    for wish, decision, elapsed_ms in decisions:
        if decision.changed and not check:
            started = run.deadline.elapsed()
            decision = writer.write(wish, decision)
            elapsed_ms += run.since(started)
        outcome.roles.append(decision.result(elapsed_ms))
    written = [result for result in outcome.roles if result["changed"]]
    if written and not check:
        replicated = writer.replicated()
        for result in written:
            result["replicated"] = replicated


def _refuse_read_only(run: Run) -> None:
    """Raise ReadOnly where nothing can be written."""
    if not run.server.read_only:
        return
    if not run.session.in_recovery:
        raise ReadOnly(
            f"The server at {run.session.address} is read-only (default_transaction_read_only is on),"
            " and a password has to be changed. Switch the setting off for the login role.",
            standby=False,
        )
    leader = sql.leader_of(run.session, run.deadline)
    hint = f" Its leader is {leader}." if leader else ""
    raise ReadOnly(
        f"The server at {run.session.address} is a standby, and a password has to be changed.{hint}"
        " Name the leader, or all servers, in login_host.",
        standby=True,
        leader=leader or None,
    )


class _Writer:
    """Writes through a run's session."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._deadline = run.deadline

    def write(self, wish: Wish, decision: Decision) -> Decision:
        """Set the password; what was done may be nothing, when another run has been faster."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return self._write(wish, decision)
            except ConcurrentChange:
                # Advisory locks are per database, roles are not; and others do not know our lock.
                reading.end(self._run.session, "ROLLBACK", self._deadline)
                time.sleep(min(attempt * _PAUSE_SECONDS, self._deadline.left()))
        return self._write(wish, decision)

    def _write(self, wish: Wish, decision: Decision) -> Decision:
        deadline = self._deadline
        sql.begin_writing(self._run.session, [wish.role], self._run.server.superuser, deadline)
        if self._run.server.readable:
            found = reading.observe(self._run.session, [wish.role], True, deadline)
            if wish.role not in found:
                raise RoleMissing(f"Role {wish.role!r} was dropped meanwhile.", roles_missing=[wish.role])
            decision = decide(wish, found[wish.role], self._run.affordable())
            if not decision.changed:
                reading.end(self._run.session, "ROLLBACK", deadline)
                return decision
        verifier = new_verifier(wish)
        sql.alter(self._run.session, wish.role, verifier, deadline)
        self._commit(wish, verifier)
        current = decision.current._replace(salt_id=verifier.salt_id)
        return decision._replace(current=current)

    def _commit(self, wish: Wish, verifier: Verifier) -> None:
        """Commit, and find out what became of it when the answer does not come."""
        pid = self._run.session.backend_pid
        left = self._deadline.check("committing")
        try:
            reading.end(self._run.session, "COMMIT", Deadline(left * (1 - _SETTLE_SHARE)))
            return
        except DeadlineExceeded:
            failure: HowdahError = DeadlineExceeded(
                f"The time limit of {self._deadline.seconds:g} s was reached while committing. The password of role"
                f" {wish.role!r} was not changed.",
                doing="committing",
            )
        except ServerUnreachable as error:
            failure = error
        self._run.session.close()
        if self._settle(pid, wish, verifier):
            return
        raise failure

    def _settle(self, pid: int, wish: Wish, verifier: Verifier) -> bool:
        """Whether the commit that the server process works at came to pass.

        :raises OutcomeUnknown: when it still may, or nothing can be read.
        """
        try:
            self._run.session = connect(self._run.here(), self._deadline)
            while True:
                # In this order: a process that has gone can no longer commit.
                runs = sql.backend_runs(self._run.session, pid, self._deadline)
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
        if self._run.server.readable:
            found = reading.observe(self._run.session, [wish.role], True, self._deadline)
            return wish.role in found and found[wish.role].secret == str(verifier)
        return self._run.lets_in(wish, Observed(wish.role, None, readable=False))

    def replicated(self) -> bool | None:
        """Whether the synchronous standbys have it; None where there are none to be waited for."""
        standbys = sql.needed_standbys(*self._run.server.standbys)
        if not standbys:
            return None
        try:
            return sql.wait_replicated(self._run.session, standbys, self._deadline)
        except (DeadlineExceeded, ServerUnreachable):
            return False
