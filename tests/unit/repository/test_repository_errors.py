# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/errors.md says what the code does; every error that a module can return is in it, with a cause and a cure."""

from __future__ import annotations

import re

import error_table
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import RoleMissing


def test_every_error_has_a_cause_and_a_cure() -> None:
    cures = error_table.cures()
    assert sorted(cures) == [error.number for error in error_table.shown()], "see tests/tools/error_cures.yml"
    assert [number for number, cure in cures.items() if set(cure) != {"cause", "cure"}] == []
    texts = [(number, text) for number, cure in cures.items() for text in cure.values()]
    assert [number for number, text in texts if len(text) < 15 or text[-1] not in ".)"] == []


def test_the_page_is_up_to_date() -> None:
    written = error_table.PAGE.read_text(encoding="utf-8")
    assert written == error_table.page(), "run tests/tools/error_table.py"


def test_the_page_has_all_numbers_once_and_in_order() -> None:
    numbers = [int(number) for number in re.findall(r"^### (\d+) `", error_table.page(), re.MULTILINE)]
    assert RoleMissing.number in numbers and len(numbers) > 20
    assert numbers == sorted(set(numbers)) and min(numbers) > 1000
