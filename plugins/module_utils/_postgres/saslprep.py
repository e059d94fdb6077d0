# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How PostgreSQL prepares passwords that are not ASCII. Most are, and do without.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import stringprep
import unicodedata
from typing import Callable


def prepare(raw: bytes) -> bytes:
    """The password as PostgreSQL hashes it.

    PostgreSQL maps blanks before it drops characters, checks the mapped text before its normalisation,
    knows Unicode 3.2 only, and takes the bytes as they came wherever the RFC says "error".
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw

    mapped = [
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if stringprep.in_table_c12(char) or not stringprep.in_table_b1(char)
    ]
    prohibited: tuple[Callable[[str], bool], ...] = (
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
        stringprep.in_table_a1,
    )
    if not mapped or any(bad(char) for char in mapped for bad in prohibited):
        return raw
    right_to_left = stringprep.in_table_d1
    if any(map(right_to_left, mapped)) and (
        any(map(stringprep.in_table_d2, mapped)) or not (right_to_left(mapped[0]) and right_to_left(mapped[-1]))
    ):
        return raw
    return unicodedata.normalize("NFKC", "".join(mapped)).encode("utf-8")
