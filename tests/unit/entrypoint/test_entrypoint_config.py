# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command, the server's files, and what the server says of them."""

from __future__ import annotations

import pytest
from howdah.entrypoint import command, config, environment, runtime, settings_check
from howdah.entrypoint.faults import Refused
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], command.Command("postgres", ())),
        (["postgres"], command.Command("postgres", ())),
        (["-c", "port=5433"], command.Command("postgres", ("-c", "port=5433"))),
        (["postgres", "-cport=5433"], command.Command("postgres", ("-cport=5433",))),
        (["-c", "config_file=/etc/x"], command.Command("postgres", (), "/etc/x")),
        (["--config-file=/etc/x", "-c", "a=b"], command.Command("postgres", ("-c", "a=b"), "/etc/x")),
        (["-cconfig_file=/etc/x"], command.Command("postgres", (), "/etc/x")),
        (
            ["-c", "shared_preload_libraries=pg_cron", "-p", "5433"],
            command.Command("postgres", ("-p", "5433"), None, {"shared_preload_libraries": "pg_cron"}),
        ),
        (["maintenance"], command.Command("maintenance", ())),
        (["bash", "-c", "true"], command.Command(None, ("bash", "-c", "true"))),
        (["postgres", "--version"], command.Command(None, ("postgres", "--version"))),
        (["--help"], command.Command(None, ("postgres", "--help"))),
        (["postgres", "--single", "app"], command.Command(None, ("postgres", "--single", "app"))),
    ],
)
def test_command(words: list[str], expected: command.Command) -> None:
    assert command.parse(words) == expected


def test_the_directory_is_not_for_the_command_line() -> None:
    with pytest.raises(Refused, match="PGDATA"):
        command.parse(["-D", "/data"])


@pytest.mark.parametrize(
    ("installed", "wanted", "expected"),
    [
        ([], None, "pg_stat_statements"),
        (["pg_stat_monitor"], None, "pg_stat_monitor"),
        (["pg_stat_monitor", "citus"], "auto_explain", "citus,pg_stat_monitor,auto_explain"),
        ([], "auto_explain, pg_stat_statements,auto_explain", "pg_stat_statements,auto_explain"),
        (["citus"], ' "pg_cron" ,citus', "citus,pg_stat_statements,pg_cron"),
        ([], "pg_cron,citus", "citus,pg_stat_statements,pg_cron"),
    ],
)
def test_preload(installed: list[str], wanted: str | None, expected: str) -> None:
    assert config.preload(installed, wanted) == expected


@given(st.text(st.characters(blacklist_characters="\0")))
def test_a_value_stays_in_its_quotes(value: str) -> None:
    quoted = config.quote(value)
    assert quoted[0] == quoted[-1] == "'"
    assert "\n" not in quoted
    inner = quoted[1:-1].replace("\\\\", "").replace("''", "")
    assert "'" not in inner
    assert not inner.endswith("\\")


def _conf(**changes: object) -> list[str]:
    options: dict[str, object] = {
        "include": "/data/postgresql.conf",
        "config": {"work_mem": "7MB"},
        "libraries": (),
        "level": "INFO",
    }
    return config.server_conf(**{**options, **changes}).splitlines()  # type: ignore[arg-type]


def test_the_user_is_stronger_than_the_defaults() -> None:
    lines = _conf()
    order = [lines.index(line) for line in ("listen_addresses = '*'", "include '/data/postgresql.conf'")]
    order += [lines.index("work_mem = '7MB'")]
    assert order == sorted(order)


@pytest.mark.parametrize("words", [["-c", "log_destination=csvlog"], ["-clog-destination=x"], ["--LOG-destination=x"]])
def test_the_image_decides_on_logs(words: list[str]) -> None:
    asked = command.parse(["-c", "port=5433", *words])
    assert (asked.arguments, asked.overruled) == (("-c", "port=5433"), ("log_destination",))
    # No variable may set them either.
    assert config.logging_settings("/x").keys() <= environment.OWN_SETTINGS
    assert "log_directory=/run/log" in config.words(config.logging_settings("/run/log"))


def test_statistics_keep_no_passwords() -> None:
    lines = _conf(libraries=("pg_stat_monitor",))
    assert "pg_stat_monitor.pgsm_track_utility = off" in lines
    assert not any("pgsm" in line for line in _conf())


def test_the_user_s_libraries_come_after_ours() -> None:
    lines = _conf(libraries=("citus",), config={"shared_preload_libraries": "pg_cron"})
    assert lines.index("shared_preload_libraries = 'citus,pg_stat_statements,pg_cron'") > lines.index(
        "shared_preload_libraries = 'citus,pg_stat_statements'"
    )


def test_the_socket_is_for_the_container_s_user_alone() -> None:
    hba = [line.split() for line in config.pg_hba("md5").splitlines()[1:]]
    assert [(words[0], words[-2:]) for words in hba if words[0] == "local"] == [("local", ["peer", "map=howdah"])] * 2
    assert [words[-1] for words in hba if words[0] == "host"] == ["md5"]
    assert config.pg_ident('o"wner').splitlines()[1].endswith('postgres         "o""wner"')


def test_the_server_gets_no_secret_and_no_door_to_elsewhere() -> None:
    environ = {
        "POSTGRES_PASSWORD": "x",
        "POSTGRESQL_CONFIG_PRIMARY_CONNINFO": "x",
        "PGPASSWORD": "x",
        "PGHOST": "x",
        "PGDATA": "/data",
        "PGBACKREST_REPO1_CIPHER_PASS": "key",
        "PATH": "/bin",
    }
    assert runtime.child_environment(environ, {"LD_PRELOAD": "y"}) == {
        "PGDATA": "/data",
        "PGBACKREST_REPO1_CIPHER_PASS": "key",
        "PATH": "/bin",
        "LD_PRELOAD": "y",
    }


CONF = ["# comment", "work_memory = '1'", "a.b = 'x'"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            'x y GMT [1] LOG:  unrecognized configuration parameter "work_memory" in file "/conf" line 2',
            [("work_memory", 'POSTGRESQL_CONFIG_WORK_MEMORY: unrecognized configuration parameter "work_memory". ')],
        ),
        (
            'x y UTC [1] LOG:  invalid value for parameter "a.b": "x"',
            [("a.b", 'POSTGRESQL_CONFIG_A__B: invalid value for parameter "a.b": "x". ')],
        ),
        (
            'FATAL:  syntax error in file "/data/postgresql.conf" line 3, near token "?"',
            [("", 'syntax error in file "/data/postgresql.conf" line 3, near token "?". ')],
        ),
        ("", [("", "The server does not accept")]),
    ],
)
def test_the_server_s_complaints_are_told_in_the_user_s_words(said: str, expected: list[tuple[str, str]]) -> None:
    noise = 'LOG:  skipping missing configuration file "/x"\nFATAL:  configuration file "/conf" contains errors\n'
    found = settings_check.explain((noise if said else "") + said, "/conf", CONF)
    assert [subject for subject, _message in found] == [subject for subject, _message in expected]
    pairs = zip(found, expected)
    assert all(message.startswith(start) for (_found, message), (_wanted, start) in pairs)
