# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server says of settings."""

from __future__ import annotations

from pathlib import Path

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
