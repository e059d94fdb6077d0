# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies a new POSTGRES_PASSWORD to the running server.

It works over the socket as the container's user, and goes on until the password holds: a failure must
not stop a database that serves. It uses the engine of the module `password`.
"""
from __future__ import annotations

import time
from typing import Any, Mapping

from .._core.deadline import Deadline
from .._core.errors import HowdahError, ReadOnly, ServerUnreachable
from .._postgres.engine import Outcome, set_passwords
from .._postgres.password import Wish
from .._postgres.scram import Verifier
from .._postgres.target import Target
from .._postgres.verifier import new_verifier
from . import question, record, run_state
from .logs import Log

# Seconds: the first, and the longest, between two looks at whether it serves, and between two attempts.
_LOOK_SECONDS = (0.1, 1.0)
_RETRY_SECONDS = (1.0, 60.0)


def run(request: Mapping[str, Any]) -> None:
    """Carry a request of the entrypoint out, however long it takes."""
    verifier = Verifier.parse(request["password"])
    job = _Job(
        pgdata=request["pgdata"],
        wish=Wish(request["role"], verifier=verifier, password=None if verifier else request["password"]),
        timeout=request["timeout"],
        adopt=record.read(request["pgdata"]) is None,
        log=Log(request["level"], "password"),
    )
    job.run()


class _Job:
    def __init__(self, pgdata: str, wish: Wish, timeout: int, adopt: bool, log: Log) -> None:
        self._pgdata = pgdata
        self._wish = wish
        self._timeout = timeout
        self._adopt = adopt
        self._log = log

    def run(self) -> None:
        """Try until it is done."""
        self._tell("pending", "the server does not serve yet")
        look, retry = _LOOK_SECONDS[0], _RETRY_SECONDS[0]
        waited_for_start = False
        while True:
            try:
                self._attempt()
                return
            except ServerUnreachable as error:
                # Recovery takes as long as it takes, and is not within the time limit.
                if not waited_for_start:
                    self._log.debug("password_waiting", "Waiting for the server to accept logins.", cause=error.message)
                    waited_for_start = True
                pause, look = look, min(look * 1.5, _LOOK_SECONDS[1])
            except HowdahError as error:
                # Of its own: a long start says nothing about how soon a refusal may be over.
                pause, retry = retry, min(retry * 2, _RETRY_SECONDS[1])
                self._failed(error, pause)
            time.sleep(pause)

    def _failed(self, error: HowdahError, pause: float) -> None:
        """Say that it was in vain; on a standby there is nothing to complain of."""
        if isinstance(error, ReadOnly) and error.details.get("standby"):
            self._tell("applied", "this server is a standby: its leader's password holds")
            self._log.debug("password_standby", "The server is a standby; trying again once it may lead.")
            return
        self._tell("failed", error.message)
        self._log.error(
            "password_failed",
            f"The password of role {self._wish.role!r} was not changed: {error.message} "
            f"Trying again in {pause:.0f} s.",
            error=error.code,
            code=error.number,
        )

    def _attempt(self) -> None:
        server = question.running(self._pgdata)
        if server is None or not server.ready:
            # To ask a server that recovers would fill its log with refusals.
            raise ServerUnreachable("the server does not accept logins yet")
        target = Target(port=server.port, socket_dir=server.socket_dir, user=self._wish.role)
        outcome = Outcome()
        set_passwords(target, [self._wish], Deadline(self._timeout), self._adopt, outcome)
        result = outcome.roles[0]
        record.write(self._pgdata, record.Record(self._wish.role, str(new_verifier(self._wish))))
        if self._adopt and result["changed"]:
            self._log.warn(
                "password_differs",
                f"The volume was made elsewhere, and its password of role {self._wish.role!r} was left as it is: "
                "it is not the value of POSTGRES_PASSWORD. Change the variable, or the password, to have it set.",
            )
        elif result["changed"]:
            self._log.info("password_changed", f"The password of role {self._wish.role!r} was changed.")
        for warning in outcome.warnings:
            self._log.warn("password_warning", warning)
        self._tell("applied", "the environment's password was taken over")

    def _tell(self, state: str, detail: str) -> None:
        run_state.put(run_state.PASSWORD_STATE, {"state": state, "detail": detail})
