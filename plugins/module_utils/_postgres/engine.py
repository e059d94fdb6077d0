# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password engine: sets roles' passwords on a running server, within a deadline.

The module, and the agent and the entrypoint inside the image, all call :func:`set_passwords`.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Sequence

from .._core.deadline import Deadline
from . import role as sql
from .connect import connect
from .password import Decision, Observed, Wish, decide, warnings
from .target import Target

# PBKDF2 runs at 2 to 4 million iterations a second; half of the time is for the server.
_ITERATIONS_A_SECOND = 1_000_000


class Outcome:
    """What was done so far; also told when the rest failed.

    :ivar roles: one result a role, in the order of the wishes.
    """

    def __init__(self) -> None:
        self.roles: list[dict[str, Any]] = []
        self.warnings: list[str] = []


def set_passwords(target: Target, wishes: Sequence[Wish], deadline: Deadline, check: bool, outcome: Outcome) -> None:
    """Have each role's password be the wished one; a transaction for each that is not.

    Nothing is written unless all roles exist and all comparisons are conclusive; nothing at all
    is written for roles that have their password, and in check mode.

    :param check: only say what would be done.
    :param outcome: is filled, also before an error is raised.
    :raises HowdahError: numbers 1400 to 1499, and those of the deadline.
    """
    run = Run(target, deadline)
    try:
        decisions = run.observe(wishes, outcome)
        if any(decision.changed for _wish, decision, _elapsed_ms in decisions):
            from .change import apply

            apply(run, decisions, check, outcome)
        else:
            outcome.roles += [decision.result(elapsed_ms) for _wish, decision, elapsed_ms in decisions]
    finally:
        run.session.close()


class Run:
    """One connection, and what was seen through it.

    :ivar session: is replaced when the answer to a commit was lost.
    """

    def __init__(self, target: Target, deadline: Deadline) -> None:
        self.target = target
        self.deadline = deadline
        self.session = connect(target, deadline)
        self.server = sql.Server()

    def observe(self, wishes: Sequence[Wish], outcome: Outcome) -> list[tuple[Wish, Decision, int]]:
        """Compare all; with the milliseconds that each comparison took."""
        deadline = self.deadline
        self.server = sql.begin_reading(self.session, deadline)
        found = sql.observe(self.session, [wish.role for wish in wishes], self.server.readable, deadline)
        missing = [wish.role for wish in wishes if wish.role not in found]
        if missing:
            from .._core.errors import RoleMissing

            names = ", ".join(map(repr, missing))
            raise RoleMissing(
                f"There is no role {names} on {self.session.address}. Create it first, or correct its name."
                " Nothing was changed.",
                roles_missing=missing,
            )
        compared = []
        for wish in wishes:
            started = deadline.elapsed()
            observed = found[wish.role]
            outcome.warnings.extend(warnings(wish, observed))
            if not observed.readable:
                observed = observed._replace(lets_in=self.lets_in(wish, observed))
            decision = decide(wish, observed, self.affordable())
            compared.append((wish, decision, self.since(started)))
        return compared

    def lets_in(self, wish: Wish, observed: Observed) -> bool:
        """Whether a login with the wished password succeeds; see probe.py."""
        from .probe import lets_in

        return lets_in(self.here(), wish, observed, self.deadline)

    def here(self) -> Target:
        """The one server that the session leads to."""
        address = self.session.address
        return self.target._replace(hosts=(f"[{address.host}]:{address.port}",) if address.hostaddr else ())

    def affordable(self) -> int:
        """The iterations of PBKDF2 that there is time for."""
        return int(self.deadline.check("comparing passwords") * _ITERATIONS_A_SECOND)

    def since(self, started: float) -> int:
        """Milliseconds since then, a number of seconds of the deadline's."""
        return round((self.deadline.elapsed() - started) * 1000)
