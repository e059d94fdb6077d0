# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does with the folders of a volume."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from howdah._core.deadline import Deadline
from howdah._core.errors import RestoreFailed
from howdah.backup import restore
from howdah.backup.restore import Folder
from howdah.entrypoint import journal, layout
from howdah.entrypoint.logs import Log


def test_what_was_kept_goes_when_it_is_told_to(tmp_path: Path) -> None:
    folder = _with_data(tmp_path)
    folder.clear(discard=False)
    assert not os.path.exists(folder.pgdata) and len(folder.kept()) == 1
    kept = folder.kept()
    assert folder.forget_kept() == kept and folder.kept() == []


def test_what_was_kept_stays_while_another_restore_is_at_work(tmp_path: Path) -> None:
    folder = _with_data(tmp_path)
    folder.mark("moving the data folder aside")
    folder.clear(discard=False)
    with pytest.raises(RestoreFailed, match="what was kept stays"):
        folder.forget_kept()
    assert len(folder.kept()) == 1
    folder.unmark()
    assert len(folder.forget_kept()) == 1


def test_what_a_restore_left_half_made_is_not_kept(tmp_path: Path) -> None:
    folder = _with_data(tmp_path)
    folder.mark("restoring")
    folder.clear(discard=False)
    assert not os.path.exists(folder.pgdata) and folder.kept() == []


@pytest.mark.parametrize("discard", [False, True])
@pytest.mark.parametrize("cut_off", ["before it moved the data", "after it moved the data", "in the restored data"])
def test_a_replica_can_be_made_anew_where_a_restore_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_off: str, discard: bool
) -> None:
    folder = _with_data(tmp_path)
    folder.mark("moving the data folder aside")
    if cut_off != "before it moved the data":
        folder.clear(discard=False)
    if cut_off == "in the restored data":
        folder.mark("restoring")
        folder.make()
        (tmp_path / "15" / "PG_VERSION").write_text("15\n", encoding="ascii")
    seen = folder.told()
    # Else the module finds nothing to do.
    assert seen["cluster"] or seen["incomplete"]
    synced: list[tuple[str, bool]] = []
    sync = journal.sync
    monkeypatch.setattr(
        journal, "sync", lambda path: (synced.append((path, (tmp_path / ".howdah-restoring").exists())), sync(path))
    )
    result: dict[str, Any] = {}
    restore._aside(
        {"discard": discard}, Folder(folder.pgdata, Log("ERROR")), Deadline(10), Log("ERROR"), result
    )
    layout.check_restored(layout.place(folder.pgdata))  # it starts
    assert (result["cluster"], result["incomplete"]) == (False, False)
    assert synced[-1] == (str(tmp_path), False)
    # What the former restore has kept stays until the cluster is well, and then can go.
    kept = 0 if discard and cut_off == "before it moved the data" else 1
    assert len(result["kept"]) == kept
    assert folder.forget_kept() == result["kept"]


@pytest.mark.parametrize("discard", [False, True])
def test_a_folder_whose_removal_was_cut_off_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, discard: bool
) -> None:
    folder = _with_data(tmp_path)

    def cut_off(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restore.shutil, "rmtree", cut_off)
    monkeypatch.setattr(restore.os, "rename", cut_off)
    monkeypatch.setattr(restore.program, "command", lambda *_arguments: [])
    log = Log("ERROR", "restore")
    with pytest.raises(KeyboardInterrupt):
        restore._restore({"discard": discard}, folder, Deadline(10), log, {})
    assert folder.marked() and folder.half_made() is discard


def _with_data(tmp_path: Path) -> Folder:
    folder = Folder(str(tmp_path / "15"), Log("ERROR", "restore"))
    folder.make()
    (tmp_path / "15" / "PG_VERSION").write_text("15\n", encoding="ascii")
    return folder
