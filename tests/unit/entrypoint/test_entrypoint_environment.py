# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the environment may hold, and what is said of the rest."""

from __future__ import annotations

import pytest
from howdah._postgres.scram import Verifier
from howdah.entrypoint import environment
from hypothesis import given
from hypothesis import strategies as st

VERIFIER = str(Verifier.derive("x", b"0123456789abcdef"))


def test_nothing_is_needed() -> None:
    reading = environment.read({})
    assert reading == environment.Reading(environment.Settings(), (), ())


def test_all_that_can_be_said_is_understood() -> None:
    reading = environment.read(
        {
            "POSTGRES_PASSWORD": "p w",
            "POSTGRES_USER": "boss",
            "POSTGRES_INITDB_ARGS": "--wal-segsize=1 --lc-messages 'C'",
            "POSTGRES_INITDB_WALDIR": "/wal/",
            "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256 clientcert=verify-full",
            "PGDATA": "/data//",
            "TIMEOUT_CHANGE_PASSWORD": "300",
            "LOG_LEVEL": "warn",
            "POSTGRESQL_CONFIG_PG_STAT_MONITOR__PGSM_MAX": "1",
            "POSTGRESQL_CONFIG_WORK_MEM": "it's",
        }
    )
    assert not reading.faults
    assert reading.settings == environment.Settings(
        user="boss",
        database="boss",
        password="p w",
        initdb_args=("--wal-segsize=1", "--lc-messages", "C"),
        waldir="/wal",
        host_auth_method="scram-sha-256 clientcert=verify-full",
        pgdata="/data",
        timeout_change_password=300,
        log_level="WARN",
        config={"pg_stat_monitor.pgsm_max": "1", "work_mem": "it's"},
    )


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("POSTGRES_PASSWORD", "", "set but empty"),
        ("POSTGRES_PASSWORD", "SCRAM-SHA-256$4096:AAAA", "not a well-formed verifier"),
        ("POSTGRES_PASSWORD", VERIFIER[:-1], "not a well-formed verifier"),
        ("POSTGRES_PASSWORD_FILE", "/x", "POSTGRES_PASSWORD_FILE is not supported"),
        ("POSTGRES_USER_FILE", "/x", "POSTGRES_USER_FILE is not supported"),
        ("POSTGRES_USER", "pg_boss", "begin with pg_"),
        ("POSTGRES_USER", "/boss", "slash"),
        ("POSTGRES_USER", "a\nb", "control character"),
        ("POSTGRES_USER", "ü" * 32, "64 bytes"),
        ("POSTGRES_DB", "x" * 64, "64 bytes"),
        ("POSTGRES_INITDB_ARGS", "'open", "not quoted as for a shell"),
        ("POSTGRES_INITDB_ARGS", "--pwfile=/x", "--pwfile"),
        ("POSTGRES_INITDB_ARGS", "-D/x", "-D"),
        ("POSTGRES_INITDB_WALDIR", "wal", "absolute path"),
        ("POSTGRES_HOST_AUTH_METHOD", "peer", "must begin with one of"),
        ("POSTGRES_HOST_AUTH_METHOD", "trust\nhost all", "must begin with one of"),
        ("PGDATA", "data", "absolute path"),
        ("TIMEOUT_CHANGE_PASSWORD", "0", "from 1 to 300"),
        ("TIMEOUT_CHANGE_PASSWORD", "301", "from 1 to 300"),
        ("TIMEOUT_CHANGE_PASSWORD", "5s", "from 1 to 300"),
        ("TIMEOUT_CHANGE_PASSWORD", "٥", "from 1 to 300"),
        ("LOG_LEVEL", "LOUD", "must be one of"),
        ("POSTGRESQL_CONFIG_", "x", "does not name a setting"),
        ("POSTGRESQL_CONFIG_A-B", "x", "does not name a setting"),
        ("POSTGRESQL_CONFIG_LOG_DESTINATION", "stderr", "this image decides"),
        ("POSTGRESQL_CONFIG_INCLUDE", "/x", "this image decides"),
    ],
)
def test_what_cannot_work_is_one_fault_that_names_its_variable(variable: str, value: str, told: str) -> None:
    (fault,) = environment.read({variable: value}).faults
    assert told in fault.message
    assert variable in fault.message


def test_all_faults_are_told_at_once() -> None:
    reading = environment.read({"POSTGRES_PASSWORD": "", "LOG_LEVEL": "x", "TIMEOUT_CHANGE_PASSWORD": "x"})
    assert len(reading.faults) == 3


@pytest.mark.parametrize("password", ["line\n", " blank", "blank "])
def test_a_password_that_is_likely_a_mistake_works_and_warns(password: str) -> None:
    reading = environment.read({"POSTGRES_PASSWORD": password})
    assert not reading.faults
    assert len(reading.warnings) == 1
    assert reading.settings.password == password


def test_trust_warns() -> None:
    assert [warning.event for warning in environment.read({"POSTGRES_HOST_AUTH_METHOD": "trust"}).warnings] == ["trust"]


def test_a_verifier_is_taken_for_one() -> None:
    settings = environment.read({"POSTGRES_PASSWORD": VERIFIER}).settings
    assert (settings.password, settings.password_is_verifier) == (VERIFIER, True)


@given(st.text(st.characters(blacklist_characters="\0"), min_size=1).filter(lambda text: not text.startswith("SCRAM-")))
def test_any_password_passes_unchanged_and_is_shown_nowhere(password: str) -> None:
    reading = environment.read({"POSTGRES_PASSWORD": password})
    assert reading.settings.password == password
    assert not reading.faults
    assert "password=" not in repr(reading.settings).replace("timeout_change_password=", "")


def test_every_variable_is_documented_once() -> None:
    names = [variable.name for variable in environment.VARIABLES]
    assert len(names) == len(set(names))
    assert all(variable.values and variable.default and variable.meaning for variable in environment.VARIABLES)
