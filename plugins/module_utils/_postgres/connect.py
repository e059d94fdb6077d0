# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to PostgreSQL under a deadline.

psycopg2's asynchronous connections are polled here, so that the deadline holds for connecting,
TLS, authentication and every statement alike: libpq's ``connect_timeout`` counts per host, and
``statement_timeout`` cannot save a client from a frozen server. Several addresses are tried
one beside the other, so that a dead one costs a quarter of a second and not the budget.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, Sequence

from .._core.basic_errors import HowdahError, InvalidInput, MissingLibrary
from .._core.deadline import Deadline
from .target import Address, Target, resolve

if TYPE_CHECKING:
    from psycopg2 import Error
    from psycopg2.extensions import connection as Connection
    from psycopg2.sql import Composable

# After this many seconds without an answer the next address is tried as well.
_STAGGER = 0.25


def libpq_version() -> int:
    """The version of the libpq that psycopg2 uses, e.g. 150018."""
    import psycopg2.extensions

    return int(psycopg2.extensions.libpq_version())


class Session:
    """A connection that is ready for statements; each is sent on its own, nothing begins a transaction unasked.

    :param address: where it leads, to be found again.
    :param in_recovery: whether the server is a standby.
    """

    def __init__(self, connection: Connection, address: Address, in_recovery: bool) -> None:
        self._connection = connection
        self.address = address
        self.in_recovery = in_recovery

    @property
    def backend_pid(self) -> int:
        """The server process of this connection."""
        return int(self._connection.info.backend_pid)

    @property
    def version_num(self) -> int:
        """The server's version, e.g. 150018."""
        return int(self._connection.info.server_version)

    def query(
        self, statement: str | Composable, parameters: Sequence[Any], deadline: Deadline, doing: str
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement; none for one that has no rows.

        :param doing: completes "while …".
        :raises DeadlineExceeded: the session can only be closed then.
        :raises HowdahError: what the server's refusal means; never with the statement's text.
        """
        import psycopg2

        try:
            cursor = self._connection.cursor()
            cursor.execute(statement, parameters)
            _wait(self._connection, deadline, doing)
            return cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            from . import failures

            failure = failures.of_statement(error, self.address, deadline, doing)
        # Out here, for psycopg2's error quotes the statement and must not be in the chain.
        raise failure

    def close(self) -> None:
        """Leave the server; does not wait for it."""
        self._connection.close()


def connect(target: Target, deadline: Deadline) -> Session:
    """A session with the first address whose server is no standby; with a standby when there is nothing better.

    :raises TimeoutConnect: when no server has answered in time.
    :raises AuthenticationFailed: when a server refused the login, and none accepted it.
    :raises ServerUnreachable: when no server can be connected to.
    :raises InvalidInput: for options that libpq does not understand, and databases that do not exist.
    :raises MissingLibrary: without psycopg2.
    """
    try:
        import psycopg2  # noqa: F401  # here, for one clear error
    except ImportError as error:
        raise MissingLibrary(
            "The Python library psycopg2 is missing where this runs: install Debian's python3-psycopg2"
            " (the role howdah.postgresql.engine does), or `pip install psycopg2-binary`."
        ) from error
    addresses, unresolved = resolve(target, deadline)
    search = _Search(target, deadline, addresses)
    try:
        session = search.run()
    finally:
        search.close_the_others()
    if session is None:
        from .failures import no_session

        raise no_session(unresolved, search.failures, search.silent, deadline)
    return session


class _Attempt:
    """A connection on its way: first it connects, then the server is asked what it is."""

    def __init__(self, connection: Connection, address: Address) -> None:
        self.connection = connection
        self.address = address
        self.cursor: Any = None
        self.wants_write = True

    def fileno(self) -> int:
        return int(self.connection.fileno())

    def step(self) -> bool:
        """Go on as far as goes without waiting; whether the server has answered.

        :raises psycopg2.Error: when it will not.
        """
        from psycopg2.extensions import POLL_OK, POLL_WRITE

        state = self.connection.poll()
        if state == POLL_OK and self.cursor is None:
            self.cursor = self.connection.cursor()
            self.cursor.execute("SELECT pg_catalog.pg_is_in_recovery()")
            state = self.connection.poll()
        self.wants_write = state == POLL_WRITE
        return bool(state == POLL_OK)


class _Search:
    """The search for a writable server among several addresses."""

    def __init__(self, target: Target, deadline: Deadline, addresses: Sequence[Address]) -> None:
        self._target = target
        self.deadline = deadline
        self._waiting = list(addresses)
        self._attempts: list[_Attempt] = []
        self._standby: Session | None = None
        self._result: Session | None = None
        self.failures: dict[str, HowdahError] = {}
        self.silent: list[str] = []
        # With many addresses and little time, the last one shall still get half of it.
        self._stagger = min(_STAGGER, deadline.left() / (2 * len(addresses))) if addresses else 0.0

    def run(self) -> Session | None:
        """The best session there is, or None."""
        next_start = 0.0
        give_up = self.deadline.seconds
        while self._waiting or self._attempts:
            now = self.deadline.elapsed()
            if now >= give_up:
                break
            if self._waiting and (not self._attempts or now >= next_start):
                self._start(self._waiting.pop(0))
                next_start = now + self._stagger
            if not self._attempts:
                continue  # it failed at once
            until = min(give_up, next_start) if self._waiting else give_up
            for attempt in _ready(self._attempts, until - now):
                session = self._advance(attempt)
                if session is not None and not session.in_recovery:
                    self._result = session
                    return session
                if session is not None and self._standby is None:
                    self._standby = session
                    # Where one answers, the others rarely need longer than this.
                    give_up = now + self.deadline.left() / 2
                elif session is not None:
                    session.close()
        self.silent = [str(attempt.address) for attempt in self._attempts]
        self.silent += [str(address) for address in self._waiting]
        self._result = self._standby
        return self._standby

    def close_the_others(self) -> None:
        """Leave nothing open but the result."""
        for attempt in self._attempts:
            attempt.connection.close()
        if self._standby is not None and self._standby is not self._result:
            self._standby.close()

    def _start(self, address: Address) -> None:
        import psycopg2

        target = self._target
        options = {
            "host": address.host,
            "port": address.port,
            "user": target.user,
            "dbname": target.dbname,
            "application_name": "howdah.postgresql",
            "client_encoding": "UTF8",
            "gssencmode": "disable",  # Kerberos resolves names, which blocks
            "hostaddr": address.hostaddr,  # libpq is given no option whose value is None
            "password": target.password,
            "require_auth": target.require_auth,
            **dict(target.ssl),
        }
        try:
            self._attempts.append(_Attempt(psycopg2.connect(async_=True, **options), address))
        except UnicodeEncodeError:
            self.failures[str(address)] = InvalidInput("The login's name or password is not valid Unicode.")
        except psycopg2.ProgrammingError as error:
            from .failures import words

            self.failures[str(address)] = InvalidInput(f"The connection's options cannot be used: {words(error)}")
        except psycopg2.Error as error:
            self._failed(error, address)

    def _advance(self, attempt: _Attempt) -> Session | None:
        import psycopg2

        try:
            if not attempt.step():
                return None
            session = Session(attempt.connection, attempt.address, bool(attempt.cursor.fetchone()[0]))
        except psycopg2.Error as error:
            self._failed(error, attempt.address)
            attempt.connection.close()
            session = None
        self._attempts.remove(attempt)
        return session

    def _failed(self, error: Error, address: Address) -> None:
        from . import failures

        self.failures[str(address)] = failures.of_login(error, self._target, address)


def _ready(attempts: Sequence[_Attempt], seconds: float) -> list[_Attempt]:
    """The attempts that can go on."""
    readers = [attempt for attempt in attempts if not attempt.wants_write]
    writers = [attempt for attempt in attempts if attempt.wants_write]
    readable, writable = select.select(readers, writers, [], max(0.0, seconds))[:2]
    return [attempt for attempt in attempts if attempt in readable or attempt in writable]


def _wait(connection: Connection, deadline: Deadline, doing: str) -> None:
    """Wait until the statement's result is there."""
    from psycopg2.extensions import POLL_OK, POLL_READ

    while True:
        state = connection.poll()
        if state == POLL_OK:
            return
        left = deadline.check(doing)
        select.select(*(([connection], []) if state == POLL_READ else ([], [connection])), [], left)
