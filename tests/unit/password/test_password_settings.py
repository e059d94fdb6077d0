# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server says of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import settings

_GIVES_UP = """#!/bin/sh
for word; do
    case $word in (a=* | c=*) echo "FATAL:  invalid value for parameter \\"${word%%=*}\\"" >&2; exit 1;; esac
done
"""
WANTED = {"max_connections": "many", "work_mem": "4MB", "timezone": "x"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            '2026-11-30 09:52:01.123 UTC [77] FATAL:  invalid value for parameter "max_connections": "many"\n',
            ("max_connections", 'invalid value for parameter "max_connections": "many"'),
        ),
        (
            'FATAL:  1 is outside the valid range for parameter "work_mem" (64 .. 2147483647)\nHINT:  more\n',
            ("work_mem", '1 is outside the valid range for parameter "work_mem" (64 .. 2147483647)'),
        ),
        (
            'FATAL:  invalid value for parameter "TimeZone": "x"\n',
            ("timezone", 'invalid value for parameter "TimeZone": "x"'),
        ),
        ('FATAL:  invalid value for parameter "port": "x"\n', None),
        ('FATAL:  could not open file "postgresql.conf"\n', None),
        ("", None),
    ],
)
def test_the_setting_that_is_wrong_is_found_among_those_asked_for(
    output: str, expected: tuple[str, str] | None
) -> None:
    assert settings.complaint_of(output, WANTED) == expected


def test_where_there_is_no_server_program_nothing_is_refused() -> None:
    assert settings.refused(WANTED, "/nowhere", 990000, Deadline(5)) == {}


def test_all_that_are_wrong_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "postgres"
    program.write_text(_GIVES_UP, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(settings, "_PROGRAM", str(program))
    found = settings.refused({"a": "1", "b": "2", "c": "3"}, "/nowhere", 150000, Deadline(20))
    assert set(found) == {"a", "c"}


class Asked:
    """In the place of the server's program: what it keeps of values, and which it was asked for."""

    def __init__(self, kept: Mapping[str, str | None]) -> None:
        self._kept = kept
        self.values: list[str] = []

    def ask(self, name: str, values: Mapping[str, str]) -> settings.Answer:
        (value,) = values.values()
        self.values.append(value)
        return settings.Answer(self._kept[value], "")


# As PostgreSQL 15 shows them, and as its program keeps what was declared.
SEEN = {
    "wal_compression": settings.Setting("pglz", "pglz", "configuration file", "enum"),
    "wal_buffers": settings.Setting("4MB", "512", "override", "integer", True, "-1"),
    "transaction_buffers": settings.Setting("8MB", "1024", "default", "integer", True, "0"),
    "max_wal_senders": settings.Setting("20", "20", "command line", "integer", True, "10"),
    "effective_cache_size": settings.Setting("1331MB", "170368", "configuration file", "integer"),
    "log_file_mode": settings.Setting("0640", "416", "configuration file", "integer"),
    "datestyle": settings.Setting("German, DMY", "German, DMY", "session", "string", text="German"),
    "statement_timeout": settings.Setting("0", "0", "user", "integer", text="30min"),
    "work_mem": settings.Setting("64kB", "64", "configuration file", "integer"),
    "jit": settings.Setting("on", "on", "default", "bool"),
    "archive_command": settings.Setting("cp %p /Archive", "cp %p /Archive", "configuration file", "string"),
    "lock_timeout": settings.Setting("1s", "1000", "database", "integer"),
}


# What is declared, and what the program has to be asked for to know; whether it is what the server has.
SPELLED_OTHERWISE = [
    ("wal_compression", "on", {"on": "pglz"}),
    ("wal_buffers", "-1", {"-1": "-1"}),
    ("transaction_buffers", "0kB", {"0kB": "0"}),
    ("effective_cache_size", "1.3GB", {"1.3GB": "170368"}),
    ("log_file_mode", "416", {}),
    ("log_file_mode", "0640", {}),
    ("datestyle", "German", {}),
    ("DateStyle", "german", {"german": "German, DMY", "German": "German, DMY"}),
    ("statement_timeout", "30min", {}),
    ("statement_timeout", "1800s", {"1800s": "1800000", "30min": "1800000"}),
    ("work_mem", "64", {}),
    ("jit", "YES", {}),
]
ANOTHER_VALUE = [
    ("work_mem", "64MB", {"64MB": "65536"}),
    ("jit", "off", {"off": "off"}),
    ("archive_command", "cp %p /archive", {"cp %p /archive": "cp %p /archive"}),
    ("wal_buffers", "1MB", {"1MB": "128"}),
    ("max_wal_senders", "1e1", {"1e1": "10"}),
    ("statement_timeout", "0", {"0": "0", "30min": "1800000"}),
    ("lock_timeout", "1s", {}),  # of the database; the server has none
    ("work_mem", "none", {"none": None}),
]


@pytest.mark.parametrize(
    ("name", "wanted", "kept", "unlike"),
    [*((*case, False) for case in SPELLED_OTHERWISE), *((*case, True) for case in ANOTHER_VALUE)],
)
def test_a_setting_may_be_spelled_otherwise_but_not_have_another_value(
    name: str, wanted: str, kept: dict[str, str | None], unlike: bool
) -> None:
    program = Asked(kept)
    assert settings.unlike({name: wanted}, SEEN, program) == ([name] if unlike else [])
    assert set(program.values) == set(kept)


def test_what_is_not_there_is_nobody_elses() -> None:
    assert settings.unlike({"no_such": "1"}, SEEN, Asked({})) == []
