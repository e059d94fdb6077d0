# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode patroni: its files, its variables, its log lines."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from howdah._postgres.rest import Rest
from howdah.entrypoint import command, environment, patroni_files, patroni_lines, patroni_node, patroni_start, runtime
from howdah.entrypoint.faults import Refused
from howdah.entrypoint.logs import Log
from hypothesis import given
from hypothesis import strategies as st

NODE = patroni_files.Node(
    settings=environment.Settings(config={"work_mem": "7MB", "shared_preload_libraries": "pg_cron"}),
    pgdata="/data/15",
    major="15",
    libraries=("citus", "pg_stat_monitor"),
    name="pg1",
    tls="/etc/howdah/tls",
    etcd3=True,
    run="/run/howdah",
    sockets="/run/postgresql",
)
WHOLE = {"PATRONI_SCOPE": "c", "PATRONI_NAME": "pg1", "PATRONI_ETCD3_HOSTS": "etcd1:2379"}

_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
_FILES = st.recursive(
    st.dictionaries(st.text(max_size=3), _VALUES, max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=3), inner | _VALUES, max_size=4),
)


def _effective(node: patroni_files.Node, content: dict[str, Any] | None = None) -> dict[str, Any]:
    below = patroni_files.merge(patroni_files.defaults(node), content or {})
    return patroni_files.merge(below, patroni_files.decisions(node))


@given(st.text(), st.text(min_size=1, max_size=63))
def test_files_are_data_whatever_is_in_them(value: str, user: str) -> None:
    settings = environment.Settings(user=user, config={"search_path": value})
    content = patroni_files.decisions(dataclasses.replace(NODE, settings=settings))
    assert json.loads(patroni_files.text(content))["postgresql"]["parameters"]["search_path"] == value
    defaults = json.loads(patroni_files.text(patroni_files.defaults(dataclasses.replace(NODE, settings=settings))))
    assert defaults["postgresql"]["authentication"]["superuser"] == {"username": user}


@given(_FILES, _FILES)
def test_merging_is_what_patroni_does(below: dict[str, Any], above: dict[str, Any]) -> None:
    merged = patroni_files.merge(below, above)
    assert all(merged[key] == below[key] for key in below if key not in above)
    assert not [key for key, value in above.items() if value is None and key in merged]


def test_members_know_each_other_by_certificate() -> None:
    content = _effective(NODE)
    assert content["restapi"]["verify_client"] == "required"
    assert content["etcd3"]["protocol"] == "https"
    for role in ("replication", "rewind"):
        assert content["postgresql"]["authentication"][role]["sslmode"] == "verify-ca"
        assert "password" not in content["postgresql"]["authentication"][role]
    rules = [rule.split() for rule in content["postgresql"]["pg_hba"]]
    assert [rule[0] for rule in rules] == ["local", "local", "local", "hostssl", "hostssl", "hostssl"]
    assert rules[1] == ["local", "replication", "replicator", "peer", "map=own"]
    assert "own postgres replicator" in content["postgresql"]["pg_ident"]
    assert [rule[4:] for rule in rules[3:5]] == [["cert", "map=members"]] * 2
    assert rules[-1][-1] == "scram-sha-256"


def test_without_certificates_there_is_no_tls_and_no_login_without_a_password() -> None:
    content = _effective(dataclasses.replace(NODE, tls=None))
    assert "etcd3" not in content
    assert "certfile" not in content["restapi"]
    rules = [rule.split() for rule in content["postgresql"]["pg_hba"]]
    assert {rule[-1] for rule in rules if rule[0] == "host"} == {"scram-sha-256"}
    assert {rule[3] for rule in rules if rule[0] == "local"} == {"peer"}


def test_the_image_insists_on_its_own_and_the_node_decides_the_rest() -> None:
    mine = {"restapi": {"listen": "10.0.0.1:9008"}, "log": {"type": "plain"}, "postgresql": {"data_dir": "/elsewhere"}}
    content = _effective(NODE, mine)
    assert content["restapi"]["listen"] == "10.0.0.1:9008"
    assert content["log"]["type"] == "json"
    assert content["postgresql"]["data_dir"] == "/data/15"
    assert content["postgresql"]["parameters"]["log_destination"] == "jsonlog"
    assert content["postgresql"]["parameters"]["shared_preload_libraries"] == "citus,pg_stat_monitor,pg_cron"
    assert content["postgresql"]["parameters"]["pg_stat_monitor.pgsm_track_utility"] == "off"


def test_citus_is_loaded_unasked_in_a_formation_only() -> None:
    installed = ["citus", "pg_cron"]
    assert patroni_files.preloadable(installed, True) == ("citus", "pg_cron")
    assert patroni_files.preloadable(installed, False) == ("pg_cron",)


def test_the_timings_keep_patroni_s_rules() -> None:
    timings = patroni_files.TIMINGS
    assert timings["loop_wait"] + 2 * timings["retry_timeout"] <= timings["ttl"]
    assert (timings["ttl"], timings["retry_timeout"] >= 3, timings["loop_wait"] >= 1) == (20, True, True)


def test_another_superuser_needs_the_map() -> None:
    node = dataclasses.replace(NODE, settings=environment.Settings(user="owner"))
    assert patroni_files.pg_hba(node)[0] == "local all all peer map=howdah"
    assert patroni_files.pg_ident(node)[0] == 'howdah postgres "owner"'


def test_arguments_of_initdb_come_last() -> None:
    settings = environment.Settings(initdb_args=("--locale=C", "--wal-segsize=1", "--x"))
    node = dataclasses.replace(NODE, settings=settings)
    assert patroni_files.defaults(node)["bootstrap"]["initdb"][-3:] == [{"locale": "C"}, {"wal-segsize": "1"}, "x"]
    assert {"locale": "C.UTF-8"} not in patroni_files.defaults(node)["bootstrap"]["initdb"]


@pytest.mark.parametrize(
    ("environ", "settings", "content", "expected"),
    [
        ({}, {}, {}, ["the cluster's name", "this member's name", "where etcd is"]),
        ({"PATRONI_NAME": "a"}, {}, {"scope": "c", "etcd3": {"host": "x"}}, []),
        ({**WHOLE, "PATRONI_CONFIGURATION": "{}"}, {}, {}, ["PATRONI_CONFIGURATION is set"]),
        ({**WHOLE, "PATRONI_POSTGRESQL_DATA_DIR": "/x"}, {}, {}, ["Set PGDATA"]),
        ({**WHOLE, "PATRONI_LOG_LEVEL": "DEBUG"}, {}, {}, ["Set LOG_LEVEL"]),
        ({**WHOLE, "PATRONI_ETCD_HOST": "x"}, {}, {}, ["etcd's first interface"]),
        (WHOLE, {"waldir": "/wal"}, {}, ["POSTGRES_INITDB_WALDIR"]),
        (WHOLE, {"user": 'a"b'}, {}, ["POSTGRES_USER"]),
        (WHOLE, {"initdb_args": ("-k",)}, {}, ["long forms only"]),
    ],
)
def test_what_cannot_work_is_one_line_each(
    environ: dict[str, str], settings: dict[str, Any], content: dict[str, Any], expected: list[str]
) -> None:
    member = patroni_node.understand(environ, environment.Settings(**settings), content, "/tls", [])
    assert [part in fault.message for part, fault in zip(expected, member.faults)] == [True] * len(expected)
    assert len(member.faults) == len(expected)


def test_what_has_no_effect_is_a_warning() -> None:
    settings = environment.Settings(config={"max_connections": "7", "work_mem": "1MB"})
    member = patroni_node.understand(WHOLE, settings, {}, None, [])
    assert [warning.event for warning in member.warnings] == ["shared_setting", "no_replication"]
    assert "MAX_CONNECTIONS" in member.warnings[0].message
    with_password = {**WHOLE, "PATRONI_REPLICATION_PASSWORD": "x"}
    assert not patroni_node.understand(with_password, environment.Settings(), {}, None, []).warnings


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("*:8008", "127.0.0.1:8008"), ("0.0.0.0:1", "127.0.0.1:1"), ("10.0.0.7:8008", "10.0.0.7:8008")],
)
def test_the_own_interface_is_asked_where_it_listens(listen: str, expected: str) -> None:
    member = patroni_node.understand(WHOLE, environment.Settings(), {"restapi": {"listen": listen}}, None, [])
    assert member.rest == expected
    assert Rest.at(member.rest).port == int(expected.rpartition(":")[2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [b", "is no valid YAML: "),
        ('{"scope": "c",', "is no valid YAML: "),
        ("- a", "must hold a mapping"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "patroni.yml"
    file.write_text(text, encoding="utf-8")
    member = patroni_node.read({}, environment.Settings(), str(file), str(tmp_path / "tls"))
    assert len(member.faults) == 1
    assert expected in member.faults[0].message
    assert str(file) in member.faults[0].message


def test_passwords_of_members_come_from_a_file_of_their_own(tmp_path: Path) -> None:
    """A new cluster's roles get them; another file that says something else does not matter."""
    node, members = tmp_path / "patroni.yml", tmp_path / "members.yml"
    own = {"postgresql": {"authentication": {"rewind": {"username": "winder"}}}}
    node.write_text(json.dumps(own), encoding="utf-8")
    given = {section: {"password": f"{section} 'x'"} for section in ("replication", "rewind")}
    members.write_text(json.dumps({"postgresql": {"authentication": given}}), encoding="utf-8")
    asked = (WHOLE, environment.Settings(), str(node), str(tmp_path / "tls"))
    found = patroni_node.read(*asked, str(members)).roles
    assert [(role.name, role.password) for role in found] == [
        ("replicator", "replication 'x'"),
        ("winder", "rewind 'x'"),
    ]
    members.write_text("[]", encoding="utf-8")
    faults = patroni_node.read(*asked, str(members)).faults
    assert [str(members) in fault.message for fault in faults] == [True]
    members.unlink()
    assert [role.password for role in patroni_node.read(*asked, str(members)).roles] == [None, None]


def test_a_certificate_without_its_key_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "node.crt").write_text("x", encoding="utf-8")
    member = patroni_node.read(WHOLE, environment.Settings(), str(tmp_path / "none"), str(tmp_path))
    assert ["must all be there" in fault.message for fault in member.faults] == [True]
    (tmp_path / "node.key").write_text("x", encoding="utf-8")
    os.chmod(tmp_path / "node.key", 0o644)
    member = patroni_node.read(WHOLE, environment.Settings(), str(tmp_path / "none"), str(tmp_path))
    assert any("mode 0644" in fault.message for fault in member.faults)


def test_the_verifier_is_made_before_anything_is_written() -> None:
    request = patroni_start.bootstrap_request(environment.Settings(password="clear text", database="app"))
    assert "clear text" not in json.dumps(request)
    assert request["verifier"].startswith("SCRAM-SHA-256$")
    verifier = request["verifier"]
    kept = patroni_start.bootstrap_request(environment.Settings(password=verifier, password_is_verifier=True))
    assert kept["verifier"] == verifier


def test_patroni_takes_no_arguments_and_answers_questions() -> None:
    assert command.parse(["patroni"]) == command.Command("patroni", ())
    assert command.parse(["patroni", "--version"]).mode is None
    with pytest.raises(Refused, match="no arguments"):
        command.parse(["patroni", "/etc/patroni.yml"])


LINES = [
    (b'{"created": 1.5, "levelname": "WARNING", "module": "ha", "message": "x"}', ("WARN", "patroni", "ha", "x")),
    (b"2026-01-01 00:00:00,123 ERROR: y", ("ERROR", "patroni", "raw", "y")),
    (b"pg_basebackup: error: z", ("ERROR", "pg_basebackup", "raw", "z")),
    (b"2026-01-01 00:00:00.123 UTC [7] FATAL:  w", ("ERROR", "patroni", "raw", "w")),
    (b"plain", ("WARN", "patroni", "raw", "plain")),
    (b'{"broken', ("WARN", "patroni", "raw", '{"broken')),
]


@pytest.mark.parametrize(("raw", "expected"), LINES)
def test_each_line_becomes_one_of_our_form(
    raw: bytes, expected: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    lines = patroni_lines.PatroniLines(Log("DEBUG"), "WARN")
    lines.feed(raw + b"\n")
    entry = json.loads(capfd.readouterr().err)
    assert (entry["level"], entry["component"], entry["event"], entry["message"]) == expected


def test_a_traceback_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    lines = patroni_lines.PatroniLines(Log("INFO"), "WARN")
    lines.feed(b'Traceback (most recent call last):\n  File "x", line 1\n    y\nKeyError: \'scope\'\nafter\n')
    first, second = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (first["level"], first["message"]) == ("ERROR", "Patroni failed: KeyError: 'scope'")
    assert "line 1" in first["fields"]["traceback"]
    assert second["message"] == "after"


def test_our_own_lines_pass_unchanged(capfd: pytest.CaptureFixture[str]) -> None:
    raw = b'{"time": "t", "level": "INFO", "component": "post-bootstrap", "event": "e", "message": "m"}\n'
    patroni_lines.PatroniLines(Log("INFO"), "WARN").feed(raw)
    assert capfd.readouterr().err.encode() == raw


def test_what_a_new_cluster_needs_for_its_members() -> None:
    environ = {**WHOLE, "PATRONI_REPLICATION_USERNAME": "copier", "PATRONI_REPLICATION_PASSWORD": "secret"}
    found = patroni_node.understand(environ, environment.Settings(), {}, None, [])
    request = patroni_start.bootstrap_request(environment.Settings(), found.roles)
    copier, rewinder = request["members"]
    assert (copier["role"], copier["options"]) == ("copier", "LOGIN REPLICATION")
    assert copier["verifier"].startswith("SCRAM-SHA-256$")
    assert rewinder == {"role": "rewinder", "verifier": None, "options": "LOGIN"}


# --- Citus ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "environ", "right"),
    [
        ({}, {}, None),
        ({"citus": {"group": 0, "database": "citus"}}, {}, True),
        ({}, {"PATRONI_CITUS_GROUP": "2", "PATRONI_CITUS_DATABASE": "citus"}, True),
        ({"citus": {"group": 1}}, {"PATRONI_CITUS_DATABASE": "citus"}, True),
        ({"citus": {"group": "1", "database": "citus"}}, {}, False),
        ({"citus": {"group": True, "database": "citus"}}, {}, False),
        ({"citus": {"group": -1, "database": "citus"}}, {}, False),
        ({"citus": {"group": 1}}, {}, False),
        ({"citus": {"group": 1, "database": ""}}, {}, False),
        ({"citus": "yes"}, {}, False),
        ({}, {"PATRONI_CITUS_GROUP": "one", "PATRONI_CITUS_DATABASE": "citus"}, False),
    ],
)
def test_a_node_of_citus_is_one_or_is_refused(
    content: dict[str, Any], environ: dict[str, str], right: bool | None
) -> None:
    member = patroni_node.understand({**WHOLE, **environ}, environment.Settings(), content, None, [])
    assert member.citus is (right is not None)
    assert [fault.message for fault in member.faults if "`citus`" in fault.message] == [
        fault.message for fault in member.faults
    ]
    assert bool(member.faults) is (right is False)


def test_the_server_shows_the_nodes_certificate_to_others() -> None:
    names = runtime.own_certificate("/etc/howdah/tls")
    environ = runtime.child_environment({"PGSSLCERT": "/tmp/x", "PGPASSWORD": "secret"}, names)
    assert environ == {"PGSSLCERT": "/etc/howdah/tls/node.crt", "PGSSLKEY": "/etc/howdah/tls/node.key"}
