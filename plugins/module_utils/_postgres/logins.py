# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh logins at several servers: whether each of them takes each role's password.

A standby takes a new password once it has replayed the change, so a refusal is waited out as long as there is time.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import time
from typing import Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import AuthenticationFailed, HowdahError, Inconclusive
from .probe import accepts
from .target import Target

# One login that hangs shall not use up the time of the others.
_LOGIN_SECONDS = 3.0
_PAUSE = 0.2
# Where the server wants that of a role, no password of it can be wrong.
_BY_CERTIFICATE = "the server asks for a certificate, and for no password"
_WANTS_CERTIFICATE = "requires a valid client certificate"


def check_logins(base: Target, hosts: Sequence[str], roles: Sequence[Mapping[str, Any]], deadline: Deadline) -> Any:
    """Try every role at every host, again and again until all are taken.

    :param base: what all logins share; its hosts, user and password are not used.
    :param roles: ``name`` and ``password`` of each.
    :return: a list of ``host``, ``name``, ``accepted`` (None where no password is asked for) and ``problem`` (empty if
        accepted).
    :raises InvalidInput: for what is no host.
    """
    found = {(host, role["name"]): "it was not tried in time" for host in hosts for role in roles}
    passwords = {role["name"]: role["password"] for role in roles}
    todo = list(found)
    while todo and deadline.left() > 0:
        for host, name in todo:
            left = deadline.left()
            if left <= 0:
                break
            login = base._replace(hosts=(host,), user=name, password=passwords[name])
            found[host, name] = _problem(login, Deadline(min(_LOGIN_SECONDS, left)))
        todo = [pair for pair in todo if found[pair] not in ("", _BY_CERTIFICATE)]
        if todo and deadline.left() > _PAUSE:
            time.sleep(_PAUSE)
    return [
        {
            "host": host,
            "name": name,
            "accepted": None if problem == _BY_CERTIFICATE else not problem,
            "problem": problem,
        }
        for (host, name), problem in found.items()
    ]


def _problem(login: Target, deadline: Deadline) -> str:
    """Why the server does not take the login; empty if it does."""
    try:
        return "" if accepts(login, deadline) else "the password is not the role's"
    except AuthenticationFailed as error:
        if _WANTS_CERTIFICATE in error.details["server_says"]:
            return _BY_CERTIFICATE
        return f"it cannot be told: {error.details['server_says']}"
    except HowdahError as error:
        return error.message


def refusal(logins: Sequence[Mapping[str, Any]]) -> HowdahError | None:
    """The error that says which logins were not taken; None if all were."""
    bad = [f"{login['name']} at {login['host']} ({login['problem']})" for login in logins if login["accepted"] is False]
    if not bad:
        return None
    return Inconclusive(f"Not every login was taken within the time limit: {'; '.join(bad)}.")
