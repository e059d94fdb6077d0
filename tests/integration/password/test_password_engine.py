# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine against a real server: it sets what is asked, only when it has to, and tells the truth."""
from __future__ import annotations

import base64
import secrets
import threading

import psycopg2.extensions
import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import probe
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.engine import Outcome, set_passwords
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.password import Wish, plan_of
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier

ADMIN = "WITH ADMIN OPTION"  # CREATEROLE alone does not do since PostgreSQL 16
NEW_LIBPQ = psycopg2.extensions.libpq_version() >= 160000


def test_set_then_unchanged(server, role, change):
    first = change(role, "first secret")
    assert first["changed"] and first["previous"]["scheme"] == "none" and first["verified_by"] == "catalog"
    assert server.lets_in(role, "first secret") and not server.lets_in(role, "another")
    stored = server.stored(role)
    second = change(role, "first secret")
    assert not second["changed"] and second["current"] == second["previous"] == first["current"]
    assert server.stored(role) == stored


def test_unchanged_needs_no_right_to_write(server, role, change):
    change(role, "secret")
    server.sql("ALTER ROLE postgres SET default_transaction_read_only = on")
    try:
        assert not change(role, "secret")["changed"]
        with pytest.raises(errors.ReadOnly, match="default_transaction_read_only"):
            change(role, "different")
    finally:
        server.sql(
            "ALTER ROLE postgres RESET default_transaction_read_only", options="-c default_transaction_read_only=off"
        )
    assert server.lets_in(role, "secret")


@pytest.mark.parametrize("check", [False, True])
def test_unchanged_sends_no_write(server, role, change, statements, check):
    change(role, "secret")
    assert "COMMIT" in statements()  # the log does log
    change(role, "secret", check=check)
    _assert_only_reads(statements())


def _assert_only_reads(sent):
    assert "BEGIN READ ONLY" in sent
    assert "ALTER" not in sent and "advisory" not in sent and "BEGIN" not in sent.replace("BEGIN READ ONLY", "")


def test_check_mode_sends_no_write_and_tells_the_same(server, role, change, statements):
    planned = change(role, "secret", check=True)
    _assert_only_reads(statements())
    assert server.stored(role) is None
    done = change(role, "secret")
    assert plan_of([planned]) == plan_of([done]) and plan_of([done]).changed


def test_the_log_never_has_what_was_set(server, role, change, statements):
    change(role, "canary-4711")
    verifier = Verifier.parse(server.stored(role))
    text = statements()
    assert "synchronous_commit" in text and "COMMIT" in text  # the log does log
    for secret in ("canary-4711", "SCRAM-SHA-256", base64.b64encode(verifier.stored_key).decode()):
        assert secret not in text
    queries = server.sql("SELECT query FROM pg_stat_statements")
    assert not any("canary" in query or base64.b64encode(verifier.salt).decode() in query for (query,) in queries)


def test_md5_is_upgraded(server, role, change):
    server.sql(f"SET password_encryption = 'md5'; ALTER ROLE {role} PASSWORD 'secret'")
    result = change(role, "secret")
    assert result["changed"] and result["previous"]["scheme"] == "md5"
    assert result["reason"] == "MD5 is replaced by SCRAM-SHA-256"
    assert server.lets_in(role, "secret")


def test_weaker_iterations_are_raised_and_stronger_kept(server, role, change):
    server.sql(f"ALTER ROLE {role} PASSWORD '{Verifier.derive('secret', iterations=1000)}'")
    result = change(role, "secret")
    assert result["changed"] and result["reason"] == "1000 iterations are raised to 4096"
    assert change(role, "secret", iterations=10000)["current"]["iterations"] == 10000
    assert not change(role, "secret")["changed"]
    assert server.lets_in(role, "secret")


def test_a_finished_verifier_is_stored_as_it_is(server, role, change):
    verifier = Verifier.derive("secret", iterations=5000)
    assert change(role, verifier=verifier)["changed"]
    assert server.stored(role) == str(verifier)
    assert not change(role, verifier=verifier)["changed"]
    assert change(role, verifier=Verifier.derive("secret", iterations=5000))["reason"] == "another verifier is stored"
    assert not change(role, "secret")["changed"]


def test_a_stored_verifier_that_takes_too_long_is_not_compared(server, role, change, within):
    costly = Verifier(2**31 - 1, bytes(16), bytes(32), bytes(32))
    # Not by ALTER ROLE: the server itself would compare it with the empty password, for many minutes.
    server.sql(
        "SET allow_system_table_mods = on; UPDATE pg_authid SET rolpassword = %s WHERE rolname = %s",
        (str(costly), role),
    )
    with within(2), pytest.raises(errors.Inconclusive, match="2147483647 iterations"):
        change(role, "secret", timeout=2)


def test_a_verifier_that_occupies_the_server_is_refused(server, role, change, within):
    costly = Verifier(2**31 - 1, bytes(16), bytes(32), bytes(32))
    with within(2), pytest.raises(errors.InvalidInput, match="2147483647 iterations"):
        change(role, verifier=costly, timeout=2)


def test_many_roles_in_one_connection(server):
    names = [f"many_{index}" for index in range(10)]
    server.sql("; ".join(f"CREATE ROLE {name} LOGIN" for name in names))
    try:
        outcome = Outcome()
        wishes = [Wish(name, f"password of {name}") for name in names]
        set_passwords(server.target(), wishes, Deadline(5), False, outcome)
        assert [result["name"] for result in outcome.roles] == names and all(r["changed"] for r in outcome.roles)
        again = Outcome()
        set_passwords(server.target(), [*wishes[:5], Wish(names[5], "other"), *wishes[6:]], Deadline(5), False, again)
        assert [result["name"] for result in again.roles if result["changed"]] == [names[5]]
    finally:
        server.sql("; ".join(f"DROP ROLE {name}" for name in names))


def test_nothing_is_written_when_one_role_is_missing(server, role):
    outcome = Outcome()
    with pytest.raises(errors.RoleMissing) as caught:
        set_passwords(server.target(), [Wish(role, "x"), Wish("nobody here", "x")], Deadline(5), False, outcome)
    assert caught.value.details["roles_missing"] == ["nobody here"] and outcome.roles == []
    assert server.stored(role) is None


def test_a_name_longer_than_postgresql_has_them_is_not_cut(server):
    name = "x" * 63
    server.sql(f"CREATE ROLE {name}")
    try:
        with pytest.raises(errors.RoleMissing):
            set_passwords(server.target(), [Wish(name + "y", "p")], Deadline(5), False, Outcome())
        assert server.stored(name) is None
    finally:
        server.sql(f"DROP ROLE {name}")


@pytest.mark.parametrize("name", ['qu"ote', "it's", "-- x", "Übung", "per%cent", "back\\slash", "a b", "$1"])
def test_hostile_role_names(server, change, name):
    quoted = '"' + name.replace('"', '""') + '"'
    server.sql(f"CREATE ROLE {quoted} LOGIN", None)
    try:
        assert change(name, "secret")["changed"] and not change(name, "secret")["changed"]
        assert server.lets_in(name, "secret")
    finally:
        server.sql(f"DROP ROLE {quoted}", None)


def test_warnings_for_roles_that_cannot_log_in(server, role):
    server.sql(f"ALTER ROLE {role} NOLOGIN VALID UNTIL '2001-01-01'")
    outcome = Outcome()
    set_passwords(server.target(), [Wish(role, "secret\n")], Deadline(5), False, outcome)
    text = " ".join(outcome.warnings)
    assert "NOLOGIN" in text and "expired" in text and "line break" in text


def test_wrong_login_password(server, role, change):
    with pytest.raises(errors.AuthenticationFailed):
        change(role, "x", target=server.target(password="wrong"))


def test_no_right_to_alter(server, role, change):
    server.sql("CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON pg_authid TO reader")
    try:
        with pytest.raises(errors.Forbidden):
            change(role, "x", target=server.target(user="reader", password="reader"))
    finally:
        server.sql("REVOKE SELECT ON pg_authid FROM reader; DROP ROLE reader")
    assert server.stored(role) is None


@pytest.mark.parametrize("dbnames", [("postgres", "postgres"), ("postgres", "template1")])
def test_two_runs_at_once_end_well(server, role, dbnames):
    failures, changed = [], []
    start = threading.Barrier(len(dbnames) * 3)

    def run(dbname):
        try:
            start.wait()
            for password in ("one", "two", "three"):
                outcome = Outcome()
                target = server.target(dbname=dbname)
                set_passwords(target, [Wish(role, password)], Deadline(10), False, outcome)
                changed.append(outcome.roles[0]["changed"])
        except errors.HowdahError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(dbname,)) for dbname in dbnames * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and any(changed)
    assert server.lets_in(role, "three")


# --- where the login may not read pg_authid ------------------------------------------------------


@pytest.fixture
def manager(server, role):
    """The login of a role that may change passwords, but not read them."""
    name = f"manager_{secrets.token_hex(4)}"
    server.sql(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'manager'; GRANT {role}, trusty TO {name} {ADMIN}")
    yield server.target(user=name, password="manager")
    server.sql(f"DROP ROLE {name}")


LIBPQS = [pytest.param(NEW_LIBPQ, id="of this machine"), pytest.param(False, id="before 16")]


def test_a_right_that_is_missing_is_named(server, role, change):
    server.sql("CREATE ROLE halfway LOGIN CREATEROLE PASSWORD 'halfway'")
    try:
        target = server.target(user="halfway", password="halfway")
        if server.sql("SHOW server_version_num")[0][0] >= "160000":
            with pytest.raises(errors.Forbidden, match="changing the password .* ADMIN option"):
                change(role, "x", target=target)
        else:
            assert change(role, "x", target=target)["changed"]
    finally:
        server.sql("DROP ROLE halfway")


@pytest.mark.parametrize("require_auth", LIBPQS)
def test_login_probe(server, role, change, manager, monkeypatch, require_auth):
    if not require_auth:
        monkeypatch.setattr(probe, "libpq_version", lambda: 150000)
    first = change(role, "secret", target=manager)
    assert first["changed"] and first["verified_by"] == "login" and first["previous"]["scheme"] == "unknown"
    assert server.lets_in(role, "secret")
    stored = server.stored(role)
    assert not change(role, "secret", target=manager)["changed"]
    assert change(role, "other", target=manager, check=True)["changed"]
    assert server.stored(role) == stored


@pytest.mark.parametrize("require_auth", LIBPQS)
def test_login_probe_is_inconclusive_under_trust(server, change, manager, monkeypatch, require_auth):
    if not require_auth:
        monkeypatch.setattr(probe, "libpq_version", lambda: 150000)
    with pytest.raises(errors.Inconclusive, match="trusty"):
        change("trusty", "whatever", target=manager)
    assert server.stored("trusty") is None


def test_login_probe_knows_who_was_let_in(server, role, change, manager):
    change(role, "secret")
    server.sql(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    assert not change(role, "secret", target=manager)["changed"]


@pytest.mark.parametrize("fault", ["NOLOGIN", "VALID UNTIL '2001-01-01'"])
def test_login_probe_of_a_role_that_cannot_log_in(server, role, change, manager, fault):
    server.sql(f"ALTER ROLE {role} {fault}")
    with pytest.raises(errors.Inconclusive, match="cannot log in"):
        change(role, "secret", target=manager)


def test_verifier_without_the_catalog(role, change, manager):
    with pytest.raises(errors.Inconclusive, match="verifier"):
        change(role, verifier=Verifier.derive("secret"), target=manager)


# --- several servers -----------------------------------------------------------------------------


def test_standby_is_read_only_and_names_its_leader(server, standby, role, change):
    target = server.target(hosts=(f"127.0.0.1:{standby}",))
    change(role, "secret")
    _replay(server, standby)
    with pytest.raises(errors.ReadOnly) as caught:
        change(role, "other", target=target)
    assert caught.value.details["leader"] == "127.0.0.1:5432" and "127.0.0.1:5432" in caught.value.message
    assert not change(role, "secret", target=target)["changed"]


def test_the_leader_is_found_behind_a_standby(server, standby, role, change):
    hosts = (f"127.0.0.1:{standby}", "127.0.0.1:1", f"127.0.0.1:{server.port}")
    assert change(role, "secret", target=server.target(hosts=hosts))["changed"]
    assert server.lets_in(role, "secret")


def test_replicated(server, standby, role, change):
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (howdah_standby)'")
    try:
        server.sql("SELECT pg_reload_conf()")
        assert change(role, "secret")["replicated"] is True
    finally:
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")


def _replay(server, standby):
    lsn = server.sql("SELECT pg_current_wal_lsn()")[0][0]
    for _attempt in range(500):
        if server.sql("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,), port=standby)[0][0]:
            return
    pytest.fail("the standby does not follow")
