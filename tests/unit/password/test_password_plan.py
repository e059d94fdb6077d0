# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about passwords, and what is told of it: no database needed."""
from __future__ import annotations

import json

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import probe, wire
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import verifier as verifier_module
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.password import (
    Observed,
    Wish,
    decide,
    plan_of,
    warnings,
    wishes,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.role import limits
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.role_change import needed_standbys
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.target import Target
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.verifier import new_verifier
from hypothesis import given
from hypothesis import strategies as st

PLENTY = 10_000_000
PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
ITERATIONS = st.integers(1, 20)


@given(PASSWORDS, PASSWORDS, ITERATIONS, ITERATIONS)
def test_after_it_is_set_nothing_is_to_be_done(wished, stored, asked, had):
    """Whatever is stored: what the plan writes makes the next plan empty."""
    wish = Wish("r", wished, iterations=asked)
    before = Observed("r", str(Verifier.derive(stored, iterations=had)))
    decision = decide(wish, before, PLENTY)
    assert decision.changed or (had >= asked and Verifier.parse(before.secret).matches(wished))
    if decision.changed:
        after = Observed("r", str(new_verifier(wish)))
        assert not decide(wish, after, PLENTY).changed


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "no password is stored"),
        ("md5" + "0" * 32, "another password is stored"),
        ("md5" + "5f4dcc3b5aa765d61d8327deb882cf99"[:31], "what is stored is no verifier"),
        (str(Verifier.derive("other", iterations=9)), "another password is stored"),
        (str(Verifier.derive("secret", iterations=7)), "7 iterations are raised to 8"),
        (str(Verifier.derive("secret", iterations=8)), ""),
        (str(Verifier.derive("secret", iterations=9)), ""),
    ],
)
def test_reasons(secret, reason):
    decision = decide(Wish("r", "secret", iterations=8), Observed("r", secret), PLENTY)
    assert decision.reason == reason and decision.changed == bool(reason)


def test_md5_of_the_same_password_is_replaced():
    import hashlib

    stored = "md5" + hashlib.md5(b"secretr").hexdigest()
    decision = decide(Wish("r", "secret"), Observed("r", stored), PLENTY)
    assert decision.reason == "MD5 is replaced by SCRAM-SHA-256" and decision.previous.scheme == "md5"


def test_a_verifier_is_compared_as_it_is():
    one, two = Verifier.derive("secret", iterations=3), Verifier.derive("secret", iterations=3)
    assert decide(Wish("r", verifier=one), Observed("r", str(two)), PLENTY).reason == "another verifier is stored"
    assert not decide(Wish("r", verifier=one), Observed("r", str(one)), PLENTY).changed


@pytest.mark.parametrize("let_in", [True, False])
def test_login_decides_where_the_catalog_is_not_readable(let_in):
    decision = decide(Wish("r", "secret"), Observed("r", None, readable=False, lets_in=let_in), PLENTY)
    assert decision.changed is not let_in
    assert decision.verified_by == "login" and decision.previous.scheme == "unknown"


def test_no_time_no_verdict():
    stored = Observed("r", str(Verifier(500, bytes(16), bytes(32), bytes(32))))
    with pytest.raises(errors.Inconclusive):
        decide(Wish("r", "secret", iterations=1), stored, 499)
    with pytest.raises(errors.InvalidInput):
        decide(Wish("r", "secret", iterations=500), Observed("r", None), 499)
    with pytest.raises(errors.InvalidInput):
        decide(Wish("r", verifier=Verifier(500, bytes(16), bytes(32), bytes(32))), Observed("r", None), 499)


def test_a_verifier_that_does_not_match_is_not_written(monkeypatch):
    class Wrong(Verifier):
        @classmethod
        def derive(cls, password, salt=None, iterations=4096):
            return Verifier.derive(password + "x", salt, iterations)

    monkeypatch.setattr(verifier_module, "Verifier", Wrong)
    with pytest.raises(errors.InvalidPassword, match="nothing is set"):
        new_verifier(Wish("r", "secret", iterations=1))


def test_check_mode_and_run_tell_the_same():
    decision = decide(Wish("r", "secret"), Observed("r", None), PLENTY)
    planned = decision.result(1)
    done = {**planned, "current": {**planned["current"], "salt_id": "abcd1234"}, "replicated": True, "elapsed_ms": 9}
    assert plan_of([planned]) == plan_of([done])
    assert plan_of([done]).after == {"r": "scram-sha-256, 4096 iterations, new salt"}


def test_an_unchanged_role_has_no_diff():
    stored = Observed("r", str(Verifier.derive("secret")))
    plan = plan_of([decide(Wish("r", "secret"), stored, PLENTY).result(1)])
    assert not plan.changed and plan.before == plan.after and "salt" in plan.before["r"]


@given(PASSWORDS)
def test_nothing_that_is_told_has_the_password(text):
    secret = "☃" + text  # what is told has no snowman of its own
    wish = Wish("r", secret, iterations=1)
    observed = Observed("r", str(Verifier.derive("old", iterations=1)))
    decision = decide(wish, observed, PLENTY)
    result = decision.result(0)
    told = repr(wish) + repr(observed) + repr(decision) + repr(result) + repr(plan_of([result]))
    assert secret not in told and "SCRAM-SHA-256$" not in told


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"name": "", "password": "x"}, errors.InvalidInput),
        ({"name": "a\0", "password": "x"}, errors.InvalidInput),
        ({"name": "\ud800", "password": "x"}, errors.InvalidInput),
        ({"name": "a"}, errors.InvalidInput),
        ({"name": "a", "password": "x", "verifier": "x"}, errors.InvalidInput),
        ({"name": "a", "password": ""}, errors.InvalidPassword),
        ({"name": "a", "password": "a\0"}, errors.InvalidPassword),
        ({"name": "a", "verifier": "plain"}, errors.InvalidPassword),
        ({"name": "a", "verifier": "md5" + "0" * 32}, errors.InvalidPassword),
        ({"name": "a", "verifier": str(Verifier.derive("", iterations=2))}, errors.InvalidPassword),
    ],
)
def test_wishes_that_cannot_be(entry, kind):
    with pytest.raises(kind):
        wishes([entry], 4096)


@pytest.mark.parametrize(("entries", "iterations"), [([], 1), ([{"name": "a", "password": "x"}] * 2, 1)])
def test_no_role_and_the_same_role_twice(entries, iterations):
    with pytest.raises(errors.InvalidInput):
        wishes(entries, iterations)


@pytest.mark.parametrize("iterations", [0, -1, 2**31])
def test_iterations_have_bounds(iterations):
    with pytest.raises(errors.InvalidInput):
        wishes([{"name": "a", "password": "x"}], iterations)


def test_what_looks_like_a_verifier_is_clear_text_as_password():
    text = str(Verifier.derive("secret", iterations=1))
    (wish,) = wishes([{"name": "a", "password": text, "verifier": None}], 1)
    assert wish.password == text and wish.verifier is None


def test_warnings_only_where_there_is_something():
    assert warnings(Wish("r", "secret"), Observed("r", None)) == []
    assert len(warnings(Wish("r", "secret\n"), Observed("r", None, can_login=False, expired=True))) == 3


@pytest.mark.parametrize(
    ("names", "commit", "needed"),
    [
        ("", "on", 0),
        ("  ", "on", 0),
        ("a", "local", 0),
        ("a", "off", 0),
        ("a, b", "on", 1),
        ("*", "remote_apply", 1),
        ("2 (a, b)", "on", 2),
        ("FIRST 2 (a, b, c)", "on", 2),
        ("any 3 (a, b, c)", "remote_write", 3),
        ('ANY 1 ("x (y)")', "on", 1),
    ],
)
def test_needed_standbys(names, commit, needed):
    assert needed_standbys(names, commit) == needed


@given(st.floats(0.01, 3600))
def test_the_server_gives_up_first(seconds):
    statement, lock = (int(text[:-2]) / 1000 for text in limits(Deadline(seconds)))
    assert 0 < lock <= statement <= seconds


def test_errors_travel():
    def kinds(kind):
        yield kind
        for sub in kind.__subclasses__():
            yield from kinds(sub)

    for kind in kinds(errors.HowdahError):
        sent = json.loads(json.dumps(wire.failure(kind("why", address="a"))))
        back = wire.error_of(sent)
        assert back.__class__ is kind and back.message == "why" and back.details == {"address": "a"}


def test_a_request_is_one_line_of_ascii():
    line = wire.line_of({"roles": [{"name": "a\nb", "password": "é\n🐘"}]})
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and line.isascii()


# --- the login probe's verdicts ------------------------------------------------------------------


class Server:
    """Answers logins; by the words of a real one."""

    def __init__(self, answers):
        self.answers = answers
        self.logins = []

    def __call__(self, target, deadline):
        self.logins.append(target)
        said = self.answers(target)
        if said:
            raise errors.AuthenticationFailed("refused", server_says=said)
        return self

    def close(self):
        pass


WRONG = 'password authentication failed for user "r"'


def ask(monkeypatch, libpq, answers):
    server = Server(answers)
    monkeypatch.setattr(probe, "connect", server)
    monkeypatch.setattr(probe, "libpq_version", lambda: libpq)
    target = Target(hosts=("h",), password="admin")
    return probe.lets_in(target, Wish("r", "secret"), Observed("r", None, readable=False), Deadline(5)), server


@pytest.mark.parametrize("libpq", [150000, 170000])
@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("", True),
        (WRONG, False),
        ("server requested a hashed password", False),
        ('permission denied for database "postgres"', True),
        ('too many connections for role "r"', True),
    ],
)
def test_probe_verdicts(monkeypatch, libpq, said, verdict):
    answer, server = ask(monkeypatch, libpq, lambda target: said if target.password == "secret" else WRONG)
    assert answer is verdict
    assert all(login.user == "r" and login.password != "admin" for login in server.logins)
    assert (server.logins[-1].require_auth == "scram-sha-256") is (libpq >= 160000)


def test_probe_under_trust_with_an_old_libpq(monkeypatch):
    with pytest.raises(errors.Inconclusive, match="any password"):
        ask(monkeypatch, 150000, lambda target: "")


@pytest.mark.parametrize("said", ["server did not complete authentication", 'no pg_hba.conf entry for host "x"', "?"])
@pytest.mark.parametrize("libpq", [150000, 170000])
def test_probe_that_cannot_tell(monkeypatch, said, libpq):
    with pytest.raises(errors.Inconclusive):
        ask(monkeypatch, libpq, lambda target: said)
