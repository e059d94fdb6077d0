# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a password is a role's, told by a login: where the catalog may not be read.

A login that succeeds proves nothing where the server asks for no password (``trust``, ``peer``,
certificates). libpq 16 can insist on SCRAM; for an older one, a random password has to fail first.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
import secrets

from .._core.deadline import Deadline
from .._core.errors import AuthenticationFailed, Inconclusive
from .connect import connect, libpq_version
from .password import Observed, Wish
from .target import Target

_REQUIRE_AUTH_SINCE = 160000
_WRONG = re.compile(r"password authentication failed for user")
# What is stored is an MD5 hash, then: equal or not, it is to be replaced.
_MD5_ASKED = re.compile(r"server requested a hashed password")
# The server says this only to those who have already proved who they are.
_LET_IN = re.compile(
    r"permission denied for database|too many connections for (?:role|database)|is not permitted to log in"
)


def lets_in(target: Target, wish: Wish, observed: Observed, deadline: Deadline) -> bool:
    """Whether the server lets the role in with the wished password, and would not with another.

    :param target: the one server to ask; its login is not used.
    :raises Inconclusive: when a login cannot tell.
    """
    role = wish.role
    if wish.verifier is not None:
        raise Inconclusive(
            f"The login may not read pg_authid, so the verifier of role {role!r} cannot be compared."
            " Give the password in clear text (it does not leave this host), or let login_user read pg_authid."
        )
    if observed.expired or not observed.can_login:
        raise Inconclusive(
            f"The login may not read pg_authid, and role {role!r} cannot log in (NOLOGIN, or VALID UNTIL has passed),"
            " so its password cannot be compared. Let the role log in, or let login_user read pg_authid."
        )
    try:
        return accepts(target._replace(user=role, password=wish.clear), deadline)
    except AuthenticationFailed as error:
        raise _inconclusive(role, str(error.details["server_says"])) from error


def accepts(login: Target, deadline: Deadline) -> bool:
    """Whether the one server that it names takes this login, and would not take another password.

    :raises AuthenticationFailed: when that cannot be told; ``server_says`` has the cause.
    """
    if libpq_version() >= _REQUIRE_AUTH_SINCE:
        return _try(login._replace(require_auth="scram-sha-256"), deadline)
    if _try(login._replace(password=secrets.token_urlsafe(24)), deadline):
        cause = "the server lets it in with any password (trust, or peer)"
        raise AuthenticationFailed(f"A login as {login.user!r} tells nothing: {cause}.", server_says=cause)
    return _try(login, deadline)


def _try(login: Target, deadline: Deadline) -> bool:
    try:
        connect(login, deadline).close()
    except AuthenticationFailed as error:
        said = str(error.details["server_says"])
        if _LET_IN.search(said):
            return True
        if _WRONG.search(said) or _MD5_ASKED.search(said):
            return False
        raise
    return True


def _inconclusive(role: str, cause: str) -> Inconclusive:
    return Inconclusive(
        f"Whether the password of role {role!r} is the wished one cannot be told: the login may not read pg_authid,"
        f" and a login as the role does not tell either ({cause}). Let login_user read pg_authid, or have the server"
        " ask the role for a scram-sha-256 password from here (pg_hba.conf)."
    )
