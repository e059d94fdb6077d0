# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another authority in the place of the one that is there: at any time, whoever issued is trusted."""
from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import AuthorityFailed
from ansible_collections.howdah.postgresql.plugins.plugin_utils import _renewal
from ansible_collections.howdah.postgresql.plugins.plugin_utils._authority import Authority


@pytest.fixture
def folder(tmp_path: Path) -> str:
    Authority.create("unit").store(str(tmp_path))
    return str(tmp_path)


def load(folder: str) -> Authority:
    found = Authority.load(folder)
    assert found is not None
    return found


def trusted(folder: str) -> int:
    return Path(folder, "ca.crt").read_text(encoding="ascii").count("BEGIN")


def test_all_steps(folder: str) -> None:
    old = load(folder)
    issued = old.issue("pg1", ["pg1"], 365).certificate
    assert _renewal.step(folder, "unit", "announce", False) == ("idle", "announced")
    assert load(folder).fingerprint == old.fingerprint and trusted(folder) == 2
    assert old.why_renew("pg1", ["pg1"], 60, issued, True) == load(folder).why_renew("pg1", ["pg1"], 60, issued, True)
    assert _renewal.step(folder, "unit", "switch", False) == ("announced", "switched")
    new = load(folder)
    assert new.fingerprint != old.fingerprint and trusted(folder) == 2
    assert new.why_renew("pg1", ["pg1"], 60, issued, True) == "it was issued by another authority"
    assert _renewal.step(folder, "unit", "finish", False) == ("switched", "idle")
    assert load(folder).fingerprint == new.fingerprint and trusted(folder) == 1
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path(folder).iterdir()} == {
        "ca.key": 0o600,
        "ca.crt": 0o600,
    }


def test_steps_that_were_taken_are_not_taken_again(folder: str) -> None:
    _renewal.step(folder, "unit", "announce", False)
    announced = Path(folder, "ca.crt").read_bytes()
    assert _renewal.step(folder, "unit", "announce", False) == ("announced", "announced")
    assert Path(folder, "ca.crt").read_bytes() == announced
    _renewal.step(folder, "unit", "switch", False)
    fingerprint = load(folder).fingerprint
    assert _renewal.step(folder, "unit", "announce", False) == ("switched", "switched")
    assert _renewal.step(folder, "unit", "switch", False) == ("switched", "switched")
    assert load(folder).fingerprint == fingerprint and trusted(folder) == 2


def test_a_switch_that_was_cut_off_in_the_middle_is_completed(folder: str) -> None:
    _renewal.step(folder, "unit", "announce", False)
    Path(folder, "ca.key").write_bytes(Path(folder, "next.key").read_bytes())
    with pytest.raises(AuthorityFailed):
        Authority.load(folder)
    _renewal.step(folder, "unit", "switch", False)
    assert trusted(folder) == 2 and not Path(folder, "next.key").exists()
    assert load(folder).issue("pg1", ["pg1"], 30)


def test_an_announcement_that_was_cut_off_is_made_anew(folder: str) -> None:
    Path(folder, "next.key").write_bytes(Authority.create("cut off").key_pem)
    assert _renewal.step(folder, "unit", "announce", False) == ("idle", "announced")
    assert trusted(folder) == 2


def test_no_step_is_left_out(folder: str, tmp_path: Path) -> None:
    with pytest.raises(AuthorityFailed, match="announce it first"):
        _renewal.step(folder, "unit", "switch", False)
    _renewal.step(folder, "unit", "announce", False)
    with pytest.raises(AuthorityFailed, match="switch first"):
        _renewal.step(folder, "unit", "finish", False)
    with pytest.raises(AuthorityFailed, match="no authority"):
        _renewal.step(str(tmp_path / "nowhere"), "unit", "announce", False)


def test_who_else_is_trusted_stays(folder: str) -> None:
    own, other = load(folder), Authority.create("another site's")
    Path(folder, "ca.crt").write_text(own.pem + other.pem, encoding="ascii")
    assert _renewal.state(folder) == "idle"
    for step in ("announce", "switch", "finish"):
        _renewal.step(folder, "unit", step, False)
    assert own.pem not in load(folder).pem and other.pem in load(folder).pem and trusted(folder) == 2


def test_check_mode_touches_nothing(folder: str) -> None:
    before = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    assert _renewal.step(folder, "unit", "announce", True) == ("idle", "announced")
    assert _renewal.step(folder, "unit", "switch", True) == ("idle", "switched")
    assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == before
