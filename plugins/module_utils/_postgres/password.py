# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about roles' passwords: decided from what is wished and what is observed.

Pure: no Ansible, no database. Nothing here that is shown holds a password or a verifier.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

from .._core.basic_errors import InvalidInput
from .scram import ITERATIONS, MOST_ITERATIONS, Verifier, check_password, is_md5, md5_matches

if TYPE_CHECKING:
    from .._core.plan import Plan


class Wish(NamedTuple):
    """The password that a role shall have: either in clear text or as a finished verifier.

    :param password: in clear text; not looked at when there is a verifier.
    :param iterations: the fewest that a stored verifier may have; those of a new one.
    """

    role: str
    password: str | None = None
    verifier: Verifier | None = None
    iterations: int = ITERATIONS

    def __repr__(self) -> str:
        """Without the password: a wish in a traceback must not leak it."""
        return f"Wish({self.role!r}, verifier={self.verifier!r}, iterations={self.iterations})"

    @property
    def clear(self) -> str:
        """The clear text; empty where a verifier is wished."""
        return self.password or ""


class Observed(NamedTuple):
    """What there is.

    :param secret: what is stored, None for nothing; meaningless unless ``readable``.
    :param readable: whether the login may read what is stored.
    :param expired: whether ``VALID UNTIL`` has passed.
    :param lets_in: where it is not readable, whether a login with the wished password succeeded.
    """

    role: str
    secret: str | None
    readable: bool = True
    can_login: bool = True
    expired: bool = False
    lets_in: bool = False

    def __repr__(self) -> str:
        """Without what is stored."""
        return f"Observed({self.role!r}, readable={self.readable}, lets_in={self.lets_in})"


class Secret(NamedTuple):
    """What may be told of a stored secret.

    :param scheme: ``scram-sha-256``, ``md5``, ``none`` (nothing is stored) or ``unknown``.
    :param salt_id: tells two salts apart; None for a verifier that is still to be made.
    """

    scheme: str
    iterations: int | None = None
    salt_id: str | None = None

    def __str__(self) -> str:
        if self.iterations is None:
            return self.scheme
        salt = "new salt" if self.salt_id is None else f"salt {self.salt_id}"
        return f"{self.scheme}, {self.iterations} iterations, {salt}"


class Decision(NamedTuple):
    """What is to be done for one role.

    :param reason: why the password is to be set; empty when it is not.
    :param verified_by: how the comparison was made, ``catalog`` or ``login``.
    """

    role: str
    reason: str
    previous: Secret
    current: Secret
    verified_by: str

    @property
    def changed(self) -> bool:
        """Whether the password is to be set."""
        return bool(self.reason)

    def result(self, elapsed_ms: int) -> dict[str, Any]:
        """The role's part of a module's result."""
        return {
            "name": self.role,
            "changed": self.changed,
            "reason": self.reason,
            "previous": self.previous._asdict(),
            "current": self.current._asdict(),
            "verified_by": self.verified_by,
            "replicated": None,
            "elapsed_ms": elapsed_ms,
        }


def wishes(entries: Sequence[Mapping[str, Any]], iterations: int) -> tuple[Wish, ...]:
    """The wishes that options, or a request to the agent, spell.

    :param entries: each with ``name`` and one of ``password`` and ``verifier``.
    :raises InvalidInput: without a role, for a role that is named twice, for impossible iterations.
    :raises InvalidPassword: for a password, or verifier, that cannot work.
    """
    if not 1 <= iterations <= MOST_ITERATIONS:
        raise InvalidInput(f"iterations must be from 1 to {MOST_ITERATIONS}; got {iterations}.")
    if not entries:
        raise InvalidInput("No role is named. Set name and password, or roles.")
    found: dict[str, Wish] = {}
    for entry in entries:
        wish = _wish(entry, iterations)
        if wish.role in found:
            raise InvalidInput(f"Role {wish.role!r} is named twice. Name each role once.")
        found[wish.role] = wish
    return tuple(found.values())


def _wish(entry: Mapping[str, Any], iterations: int) -> Wish:
    role, password, text = entry["name"], entry.get("password"), entry.get("verifier")
    if not role or "\0" in role or any("\ud800" <= char <= "\udfff" for char in role):
        raise InvalidInput("A role's name is empty, or holds what no name can. Give the name as in pg_roles.")
    if (password is None) == (text is None):
        raise InvalidInput(f"Role {role!r} needs exactly one of password and verifier.")
    if text is None:
        check_password(str(password))
        return Wish(role, password=str(password), iterations=iterations)
    from .verifier import wished_verifier

    return Wish(role, verifier=wished_verifier(role, text), iterations=iterations)


def decide(wish: Wish, observed: Observed, affordable: int) -> Decision:
    """Whether the password is to be set, and what that would change.

    :param affordable: iterations of PBKDF2 that there is time for.
    :raises Inconclusive: when wish and stored secret cannot be compared.
    """
    reason = _reason(wish, observed, affordable)
    previous = _secret_of(observed)
    current = previous
    if reason and wish.verifier is not None:
        current = Secret("scram-sha-256", wish.verifier.iterations, wish.verifier.salt_id)
    elif reason:
        current = Secret("scram-sha-256", wish.iterations)
    return Decision(wish.role, reason, previous, current, "catalog" if observed.readable else "login")


def _secret_of(observed: Observed) -> Secret:
    if not observed.readable:
        return Secret("unknown")
    if observed.secret is None:
        return Secret("none")
    if is_md5(observed.secret):
        return Secret("md5")
    verifier = Verifier.parse(observed.secret)
    return Secret("scram-sha-256", verifier.iterations, verifier.salt_id) if verifier else Secret("unknown")


def _reason(wish: Wish, observed: Observed, affordable: int) -> str:
    stored = observed.secret
    # The server computes a verifier's iterations as well, when it is set, and nothing can interrupt it then.
    iterations = wish.verifier.iterations if wish.verifier is not None else wish.iterations
    if iterations > affordable:
        raise InvalidInput(f"{iterations} iterations take longer than the time limit. Ask for fewer, or raise timeout.")
    if not observed.readable:
        return "" if observed.lets_in else "another password is stored"
    if stored is None:
        return "no password is stored"
    if wish.verifier is not None:
        return "" if stored == str(wish.verifier) else "another verifier is stored"
    if is_md5(stored):
        same = md5_matches(stored, wish.role, wish.clear)
        return "MD5 is replaced by SCRAM-SHA-256" if same else "another password is stored"
    verifier = Verifier.parse(stored)
    if verifier is None:
        return "what is stored is no verifier"
    if verifier.iterations > affordable:
        from .._core.errors import Inconclusive

        raise Inconclusive(
            f"The stored verifier of role {wish.role!r} has {verifier.iterations} iterations, and comparing would take"
            " longer than the time limit. Raise timeout, or give a finished verifier."
        )
    if not verifier.matches(wish.clear):
        return "another password is stored"
    if verifier.iterations < wish.iterations:
        return f"{verifier.iterations} iterations are raised to {wish.iterations}"
    return ""


def warnings(wish: Wish, observed: Observed) -> list[str]:
    """Why the role cannot log in with the password although it is set."""
    found = []
    if not observed.can_login:
        found.append(f"Role {wish.role!r} is NOLOGIN: its password cannot be used until ALTER ROLE … LOGIN.")
    if observed.expired:
        found.append(f"The password of role {wish.role!r} has expired: move VALID UNTIL to let the role log in.")
    if wish.clear != wish.clear.rstrip("\r\n"):
        found.append(f"The password of role {wish.role!r} ends on a line break, which is part of it. Is it meant?")
    return found


def plan_of(results: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan that the roles' results tell of, be they predictions or facts."""
    from .._core.plan import Action, Plan  # the agent in the image shows none, and starts sooner without

    changed = [result for result in results if result["changed"]]
    actions = tuple(Action("set", f"password of role {result['name']}", result["reason"]) for result in changed)
    before = {result["name"]: str(Secret(**result["previous"])) for result in results}
    after = {result["name"]: _after(result) for result in results}
    return Plan(actions, before, after)


def _after(result: Mapping[str, Any]) -> str:
    """What is stored then; a new salt is not known before it is made, and check mode shall show what the run shows."""
    current = Secret(**result["current"])
    return str(current._replace(salt_id=None) if result["changed"] else current)
