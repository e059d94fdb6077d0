# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read out of apt's simulation of an upgrade."""
from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "image/setup/updates.py"


@pytest.fixture(scope="module")
def updates() -> ModuleType:
    spec = importlib.util.spec_from_file_location("updates", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PRINTED = """\
Reading package lists...
Calculating upgrade...
The following packages will be upgraded:
  libc6 tzdata
Inst libc6 [2.36-9] (2.36-9+deb12u13 Debian-Security:12/oldstable-security [amd64]) [libc6:amd64 ]
Inst tzdata [2024a] (2025b Debian:12.12/oldstable, Debian:12-updates/oldstable-updates [all])
Inst new (1:1.0~rc1 apt.postgresql.org:bookworm-pgdg [amd64])
Conf libc6 (2.36-9+deb12u13 Debian-Security:12/oldstable-security [amd64])
"""


def test_each_update_with_its_versions(updates: ModuleType) -> None:
    assert [tuple(each.values()) for each in updates.pending(PRINTED)] == [
        ("libc6", "2.36-9", "2.36-9+deb12u13", True),
        ("tzdata", "2024a", "2025b", False),
        ("new", None, "1:1.0~rc1", False),
    ]


def test_none(updates: ModuleType) -> None:
    assert updates.pending("Reading package lists...\n0 upgraded, 0 newly installed.\n") == []


def test_what_is_not_understood_is_no_none(updates: ModuleType) -> None:
    with pytest.raises(ValueError, match="not understood: Inst libc6$"):
        updates.pending("Inst libc6\n")
