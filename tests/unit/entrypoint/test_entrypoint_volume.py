# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the cluster is, what survives a kill, what was applied last, and how raw lines become JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from howdah._postgres.scram import Verifier
from howdah.entrypoint import journal, layout, lines, question, record, runtime
from howdah.entrypoint.faults import Refused
from howdah.entrypoint.logs import Log, tell_of_crashes

ROOT = "/v"


def _volume(own: str | None = "/v/15", **versions: str) -> layout.Volume:
    found = {ROOT if name == "root" else f"{ROOT}/{name}": version for name, version in versions.items()}
    return layout.Volume(ROOT, own, "15", found)


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (_volume(), "/v/15"),
        (_volume(**{"15": "15"}), "/v/15"),
        (_volume(root="15"), "/v"),
        (_volume(**{"14": "14", "15": "15"}), "/v/15"),
        (_volume(own=None), "/v"),
        (_volume(own=None, root="15"), "/v"),
    ],
)
def test_the_cluster_is_found(volume: layout.Volume, expected: str) -> None:
    assert layout.choose(volume) == expected


@pytest.mark.parametrize(
    ("volume", "event"),
    [
        (_volume(root="14"), "wrong_major"),
        (_volume(**{"14": "14"}), "wrong_major"),
        (_volume(**{"15": "16"}), "wrong_major"),
        (_volume(root="14", **{"15": "15"}), "wrong_major"),
        (_volume(root="15", **{"15": "15"}), "two_clusters"),
        (_volume(pgdata="15"), "cluster_elsewhere"),
        (_volume(own=None, **{"15": "15"}), "cluster_elsewhere"),
        (_volume(own=None, root="9.6"), "wrong_major"),
    ],
)
def test_a_cluster_that_cannot_run_is_refused_and_never_overlooked(volume: layout.Volume, event: str) -> None:
    with pytest.raises(Refused) as refusal:
        layout.choose(volume)
    assert [fault.event for fault in refusal.value.faults] == [event]


def test_clusters_are_found_at_the_root_and_one_level_below(tmp_path: Path) -> None:
    (tmp_path / "pgdata").mkdir()
    (tmp_path / "pgdata/PG_VERSION").write_text("15\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/PG_VERSION").write_text("")
    seen = layout.observe(None, "15", str(tmp_path))
    assert (seen.root, seen.own) == (str(tmp_path), f"{tmp_path}/15")
    assert seen.versions == {f"{tmp_path}/pgdata": "15"}
    assert layout.observe("/elsewhere", "15", str(tmp_path)).own is None


def _half_made(tmp_path: Path, staged: bool) -> layout.Layout:
    """As a kill leaves it in the middle of moving."""
    place = layout.Layout(str(tmp_path / "15"), staged)
    os.makedirs(f"{place.build}/base/1")
    journal.write(place, str(tmp_path / "wal"), moving=staged)
    if staged:
        os.mkdir(f"{place.pgdata}/global")
        Path(f"{place.pgdata}/postmaster.pid").touch()  # the server's, while init scripts run
    os.makedirs(tmp_path / "wal/archive_status")
    Path(f"{place.pgdata}/PG_VERSION").write_text("15\n")
    return place


@pytest.mark.parametrize("staged", [False, True])
def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path: Path, staged: bool) -> None:
    place = _half_made(tmp_path, staged)
    mine = tmp_path / "15/lost+found" if staged else tmp_path / "other"
    mine.mkdir()
    journal.clean(place)
    assert mine.is_dir()
    assert not layout.is_cluster(place.pgdata)
    assert os.listdir(tmp_path / "wal") == []
    assert journal.pending(place) is None
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == (["15", "15/lost+found", "wal"] if staged else ["other", "wal"])


def test_before_the_move_the_mount_is_left_alone(tmp_path: Path) -> None:
    place = layout.Layout(str(tmp_path), True)
    os.mkdir(place.build)
    journal.write(place, None, moving=False)
    (tmp_path / "mine").touch()
    journal.clean(place)
    assert os.listdir(tmp_path) == ["mine"]


def test_stopped_while_the_journal_is_written_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_paths: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        journal.write(layout.Layout(str(tmp_path / "15"), False), None, moving=False)
    assert os.listdir(tmp_path) == []


def test_without_a_journal_nothing_is_removed(tmp_path: Path) -> None:
    place = layout.Layout(str(tmp_path / "15"), False)
    (tmp_path / "15").mkdir()
    (tmp_path / "15/PG_VERSION").write_text("15\n")
    journal.clean(place)
    assert layout.is_cluster(place.pgdata)


@pytest.fixture
def boot(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the kernel says which run of the machine this is."""
    file = tmp_path_factory.mktemp("proc") / "boot_id"
    file.write_text("b00f\n")
    monkeypatch.setattr(journal, "_BOOT_ID", str(file))
    return file


@pytest.mark.parametrize(
    ("copy", "last_file", "left"),
    [(False, "x", []), (True, None, []), (True, "", []), (True, "x", ["global"])],
    ids=["new", "half a copy", "a last file that is empty", "complete copy"],
)
def test_what_a_start_finds_in_the_journal(
    tmp_path: Path, boot: Path, copy: bool, last_file: str | None, left: list[str]
) -> None:
    place = layout.Layout(str(tmp_path / "15"), staged=False)
    (tmp_path / "15/global").mkdir(parents=True)
    if last_file is not None:
        (tmp_path / "15/global/pg_control").write_text(last_file)
    (tmp_path / "15.failed").mkdir()  # Patroni's name for what it gave up
    journal.write(place, None, moving=False, copy=copy)
    journal.settle(place, Log("ERROR"))
    assert journal.pending(place) is None
    assert (sorted(os.listdir(place.pgdata)) if os.path.isdir(place.pgdata) else []) == left
    assert (tmp_path / "15.failed").exists() == bool(left)


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (b"b00f\n", b"b00f\n", True),
        (b"b00f\n", b"0ther\n", False),
        (b"b00f\n", None, False),
        (None, b"b00f\n", False),
        (None, None, False),
        (b"", b"", False),
        (b"\xff", b"\xff", False),
        ("older", b"b00f\n", False),
        ("older", None, False),
    ],
)
def test_a_copy_outlives_a_kill_but_not_the_machine(
    tmp_path: Path, boot: Path, before: bytes | str | None, after: bytes | None, kept: bool
) -> None:
    """What pg_basebackup has written is on the disk only once it has ended; None: nothing tells of the run."""
    place = layout.Layout(str(tmp_path / "15"), staged=False)

    def runs(name: bytes | None) -> None:
        boot.unlink(missing_ok=True)
        if name is not None:
            boot.write_bytes(name)

    runs(before if isinstance(before, bytes) else None)
    journal.write(place, None, moving=False, copy=True)
    if before == "older":
        entry = json.loads(Path(place.journal).read_text())
        del entry["boot"]
        Path(place.journal).write_text(json.dumps(entry))
    (tmp_path / "15/global").mkdir(parents=True)
    (tmp_path / "15/global/pg_control").write_text("x")
    runs(after)
    journal.settle(place, Log("ERROR"))
    assert (tmp_path / "15/global/pg_control").exists() == kept
    assert journal.pending(place) is None


def test_this_run_of_the_machine_has_a_name() -> None:
    assert journal._boot() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_an_empty_start_is_remembered_until_there_is_a_cluster(tmp_path: Path) -> None:
    place = layout.Layout(str(tmp_path / "15"), staged=False)
    assert not journal.attempted(place)
    journal.note_attempt(place, empty=True)
    journal.note_attempt(place, empty=True)
    assert journal.attempted(place)
    journal.note_attempt(place, empty=False)
    assert not journal.attempted(place)


def test_of_a_damaged_journal_nothing_is_removed(tmp_path: Path) -> None:
    place = layout.Layout(str(tmp_path / "15"), False)
    (tmp_path / "15").mkdir()
    Path(place.journal).write_text('{"directory": "/')
    with pytest.raises(Refused, match="is damaged itself"):
        journal.clean(place)
    assert (tmp_path / "15").is_dir()


def test_one_lock_a_cluster(tmp_path: Path) -> None:
    place = layout.Layout(str(tmp_path / "15"), False)
    held = journal.lock(place)
    assert os.get_inheritable(held)
    with pytest.raises(Refused, match="Another container"):
        journal.lock(place)
    assert not journal.has_served(held)
    os.close(held)
    held = journal.lock(place)
    assert not journal.has_served(held)
    for _start in range(2):
        journal.mark_served(place, held)
    os.close(held)
    held = journal.lock(place)
    assert journal.has_served(held)
    os.close(held)


def test_a_last_applied_value_is_known_again(tmp_path: Path) -> None:
    verifier = str(Verifier.derive("pass"))
    entry = record.Record("boss", verifier)
    record.write(str(tmp_path), entry)
    assert record.read(str(tmp_path)) == entry
    assert (tmp_path / record.NAME).stat().st_mode & 0o777 == 0o600
    assert record.is_applied(entry, "boss", "pass", False)
    assert record.is_applied(entry, "boss", verifier, True)
    assert not record.is_applied(entry, "boss", "other", False)
    assert not record.is_applied(entry, "boss", str(Verifier.derive("pass")), True)
    assert not record.is_applied(entry, "other", "pass", False)
    assert not record.is_applied(record.Record("boss", None), "boss", "pass", False)


def test_a_cluster_of_others_has_no_record(tmp_path: Path) -> None:
    assert record.read(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23 06:06:03.220 UTC [48] FATAL:  no", ("ERROR", "no")),
        ("2026-11-23 06:06:03.220 UTC [48] WARNING:  hm", ("WARN", "hm")),
        ("2026-11-23 06:06:03.220 UTC [48] HINT:  do", ("ERROR", "HINT: do")),
        ("HINT:  Future log output will appear in x", ("DEBUG", "Future log output will appear in x")),
        ("cp: cannot stat 'x'", ("WARN", "cp: cannot stat 'x'")),
        ("psql:/d/1.sql:3: ERROR:  division by zero", ("ERROR", "psql:/d/1.sql:3: division by zero")),
        ("psql:/d/a: b.sql:31: NOTICE:  x: y", ("INFO", "psql:/d/a: b.sql:31: x: y")),
        ("psql:/d/1.sql:3: error: invalid command \\foo", ("ERROR", "psql:/d/1.sql:3: invalid command \\foo")),
        ("psql:/d/1.sql:3: plain", ("WARN", "psql:/d/1.sql:3: plain")),
    ],
)
def test_raw_lines_have_a_level(text: str, expected: tuple[str, str]) -> None:
    assert lines.classify(text, "ERROR", "WARN") == expected


def test_lines_are_put_together_and_all_are_json(capfd: Any) -> None:
    wrapper = lines.Wrapper(Log("INFO"), "postgres", "WARN")
    wrapper.feed(b'half a "li')
    wrapper.feed(b"ne\xff\nDEBUG:  hidden\n\nlast")
    wrapper.end()
    found = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["message"] for line in found] == ['half a "line\ufffd', "last"]
    assert {line["component"] for line in found} == {"postgres"}
    assert list(found[0]) == ["time", "level", "component", "event", "message"]


def test_a_mistake_of_ours_is_a_log_line_without_what_it_is_about(
    capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    tell_of_crashes("entrypoint")
    said = []
    for attempt in (lambda: int("secret"), lambda: open("/no\nwhere")):
        try:
            attempt()
        except (ValueError, OSError) as error:
            sys.excepthook(type(error), error, error.__traceback__)
            said.append(json.loads(capfd.readouterr().err))
    assert [line["message"].partition("report it: ")[2] for line in said] == [
        "ValueError.",
        "FileNotFoundError: No such file or directory: /no\nwhere.",
    ]
    assert {(line["level"], line["event"], line["component"]) for line in said} == {("ERROR", "crash", "entrypoint")}
    assert all(line["fields"]["places"][-1].startswith("test_entrypoint_volume.py:") for line in said)


def test_a_line_without_end_does_not_fill_the_memory(capfd: Any) -> None:
    wrapper = lines.Wrapper(Log("INFO"), "postgres", "WARN")
    wrapper.feed(b"x" * 70000)
    assert len(json.loads(capfd.readouterr().err)["message"]) == 70000


def test_a_dead_server_is_forgotten_a_foreign_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "postmaster.pid"
    for ours in (True, False):
        runtime.forget_dead_server(str(tmp_path), ours)
    monkeypatch.setattr(runtime, "is_live_server", {7: False, 8: True}.__getitem__)
    file.write_text("8\n")
    runtime.forget_dead_server(str(tmp_path), True)
    assert file.exists()
    for pid, ours in ((1, True), (1, False), (7, False)):
        file.write_text(f"{pid}\n/data\n")
        with pytest.raises(Refused, match="another image"):
            runtime.forget_dead_server(str(tmp_path), ours)
        assert file.exists()
    file.write_text("7\n/data\n")
    runtime.forget_dead_server(str(tmp_path), True)
    assert not file.exists()


def test_a_server_tells_where_it_is(tmp_path: Path) -> None:
    assert question.running(str(tmp_path)) is None
    file = tmp_path / "postmaster.pid"
    file.write_text("7\n/data\n1\n5433\n/run/postgresql\n*\n")
    assert question.running(str(tmp_path)) is None
    file.write_text("7\n/data\n1\n5433\n/run/postgresql\n*\n  123 4\nstarting\n")
    assert question.running(str(tmp_path)) == question.Running(5433, "/run/postgresql", "127.0.0.1", False)
    file.write_text("7\n/data\n1\n5433\n/run/postgresql\n::1\n  123 4\nready   \n")
    assert question.running(str(tmp_path)) == question.Running(5433, "/run/postgresql", "::1", True)


@pytest.mark.parametrize("size", [1, 7, 100_000], ids=["bytes", "pieces", "whole"])
def test_news_are_left_out_and_all_else_passes_unchanged(capfd: Any, size: int) -> None:
    kept = [
        b'{"pid":1,"error_severity":"ERROR","message":"said \\"error_severity\\":\\"LOG\\""}\n',
        b'{"pid":1,"error_severity":"FATAL","message":"' + b"x" * 200_000 + b'"}\n',
        b'{"pid":1,"error_severity":"PANIC","message":""}\n',
    ]
    news = b'{"pid":1,"error_severity":"LOG","message":"' + b"y" * 200_000 + b'"}\n'
    data = news + news.join(kept) + news
    sieve = lines.Sieve(1)
    step = size if size > 10 else len(data) // (200 * size)
    for start in range(0, len(data), step):
        sieve.feed(data[start : start + step])
    sieve.end()
    assert capfd.readouterr().out.encode() == b"".join(kept)
