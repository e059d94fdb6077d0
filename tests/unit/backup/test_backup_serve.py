# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedule at work, with a program in the place of pgBackRest, and what its health tells."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from howdah.backup import serve
from howdah.entrypoint.logs import Log

PATIENCE = 30.0  # seconds
# Says what it is asked, ends as it is told to, and not before it is let.
PROGRAM = """#!/bin/sh
cd {folder}
echo "$@" >> calls
[ ! -e locked ] || {{
    echo "P00  ERROR: [050]: unable to acquire lock on file '/tmp/pgbackrest/main-backup.lock': $(cat locked)"; exit 50
}}
mkdir running || touch two-at-once
while [ -e hold ]; do sleep 0.05; done
rmdir running
[ ! -e broken ] || {{ echo "P00  ERROR: [056]: unable to find primary cluster"; exit 56; }}
"""


class Bed:
    """Files of a repository's container, and the thread that makes backups."""

    def __init__(self, folder: Path, log: int) -> None:
        self.folder = folder
        self._log = log
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """As when the container starts."""
        self._stop = threading.Event()
        work = serve.Schedule(Log("INFO", "backup", self._log), self._stop)
        self._thread = threading.Thread(target=work.run)
        self._thread.start()

    def stop(self) -> None:
        """As when it is stopped."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive()

    def due(self) -> None:
        """A day has passed since the last backup."""
        record = serve.read_record()
        record["done"] = {key: when - 86401 for key, when in record["done"].items()}
        serve.write_record(record)

    def calls(self) -> list[str]:
        """What the program was called with."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def said(self, event: str = "", level: str = "") -> list[dict[str, Any]]:
        """Lines of the log, which are all JSON."""
        lines = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        return [line for line in lines if line["event"] == (event or line["event"])
                and line["level"] == (level or line["level"])]  # fmt: skip


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    """The files, with a backup at midnight (no test is to meet the next one by chance), and nothing at work yet."""
    program = tmp_path / "pgbackrest"
    program.write_text(PROGRAM.format(folder=tmp_path))
    program.chmod(0o755)
    (tmp_path / "schedule.json").write_text(
        json.dumps({"stanza": "main", "repositories": [1, 2], "entries": [{"type": "full", "every": 1440}]})
    )
    server = socket.create_server(("127.0.0.1", 0))
    for name, value in {
        "CONF": str(tmp_path / "conf"), "SCHEDULE": str(tmp_path / "schedule.json"),
        "RECORD": str(tmp_path / "record"), "TROUBLE": str(tmp_path / "trouble"), "PORT": server.getsockname()[1],
        "_PROGRAM": str(program), "_LOOK_SECONDS": 0.02, "_RETRY_SECONDS": 0.02,
    }.items():  # fmt: skip
        monkeypatch.setattr(serve, name, value)
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    found = Bed(tmp_path, log)
    found.start()
    until(lambda: serve.read_record().get("done"), "the schedule was seen")
    found.stop()
    try:
        yield found
    finally:
        (tmp_path / "hold").unlink(missing_ok=True)
        found.stop()
        os.close(log)
        server.close()


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something true, and return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {what}")


def result(number: int) -> dict[str, Any]:
    """How the backup of this number ended."""
    results = until(lambda: len(found := serve.read_record().get("results", [])) >= number and found, "it has ended")
    found: dict[str, Any] = results[number - 1]
    return found


def test_one_that_fails_is_tried_five_times_and_makes_the_container_unhealthy_until_the_next(bed: Bed) -> None:
    assert serve.status(time.time())["healthy"]
    (bed.folder / "broken").touch()
    bed.due()
    bed.start()
    failed = result(1)
    bed.stop()
    assert (failed["ok"], failed["type"]) == (False, "full")
    assert "repository 1: [056]: unable to find primary cluster" in failed["error"]
    assert bed.calls() == [f"--stanza=main --repo={one} --type=full backup" for one in (1, 2) for _try in range(5)]
    told = serve.status(time.time())
    assert not told["healthy"] and "the last scheduled backup failed: repository 1" in told["problem"]
    assert told["last"] == failed

    (bed.folder / "broken").unlink()
    bed.due()
    bed.start()
    assert result(2)["ok"]
    assert serve.status(time.time())["healthy"]


def test_one_that_takes_longer_than_its_interval_is_not_made_twice_at_once(bed: Bed) -> None:
    (bed.folder / "hold").touch()
    bed.due()
    bed.start()
    until((bed.folder / "running").exists, "it runs")
    time.sleep(0.3)  # more than ten looks at the schedule
    assert len(bed.calls()) == 1
    (bed.folder / "hold").unlink()
    assert result(1)["ok"]
    assert not (bed.folder / "two-at-once").exists()


def test_one_that_is_cut_off_is_due_again_at_the_next_start(bed: Bed) -> None:
    (bed.folder / "hold").touch()
    bed.due()
    bed.start()
    until((bed.folder / "running").exists, "it runs")
    bed.stop()
    assert serve.read_record().get("results", []) == []
    (bed.folder / "hold").unlink()
    (bed.folder / "running").rmdir()
    bed.start()
    assert result(1)["ok"]


def test_an_unhealthy_server_is_told(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setattr(serve, "PORT", closed.getsockname()[1])
    assert serve.status(time.time())["problem"] == "pgBackRest's server does not run"


def test_a_schedule_that_cannot_be_understood_makes_no_backup_and_is_told(bed: Bed) -> None:
    (bed.folder / "schedule.json").write_text(json.dumps({"stanza": "main", "entries": [{"type": "full"}]}))
    bed.start()
    told = serve.status(time.time())
    assert "entry 1 of the schedule" in told["problem"]
    time.sleep(0.1)
    assert os.listdir(bed.folder) and bed.calls() == []


# --- What the system does not allow --------------------------------------------------------------


def test_a_full_disk_is_told_while_it_lasts_and_ends_no_schedule(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    (bed.folder / "broken").touch()  # as pgBackRest is then
    bed.due()
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        bed.start()
        until((bed.folder / "trouble").exists, "the disk is full")
        told = until_status(lambda told: told["last"], "what could not be written")
        time.sleep(0.3)  # more than ten looks at the schedule
        assert serve.read_record().get("results", []) == []
        assert not told["healthy"] and f"{bed.folder}/record: No space left on device" in told["problem"]
        assert "the last scheduled backup failed: repository 1" in told["problem"]
        assert (len(bed.calls()), len(bed.said("schedule_hindered", "ERROR"))) == (10, 1)
    failed = result(1)
    assert failed == told["last"]
    told = until_status(lambda told: "No space" not in told["problem"], "there is room again")
    assert told["problem"] == f"the last scheduled backup failed: {failed['error']}"
    assert not (bed.folder / "trouble").exists() and len(bed.said("schedule_well")) == 1
    bed.stop()

    (bed.folder / "broken").unlink()
    bed.due()
    bed.start()
    assert result(2)["ok"]
    assert serve.status(time.time())["healthy"]


@pytest.mark.parametrize("name", ["schedule.json", "record"])
def test_a_file_that_cannot_be_read_is_told_until_it_can(bed: Bed, name: str) -> None:
    path, aside = bed.folder / name, bed.folder / "aside"
    path.rename(aside)
    path.mkdir()
    bed.start()
    until((bed.folder / "trouble").exists, "it was noticed")
    time.sleep(0.2)
    told = serve.status(time.time())
    assert not told["healthy"] and told["problem"] == f"{path}: Is a directory"
    assert [line["event"] for line in bed.said(level="ERROR")] == ["schedule_hindered"]
    path.rmdir()
    aside.rename(path)
    until_status(lambda told: told["healthy"], "it can be read")


def test_where_the_health_check_looks_may_be_full_as_well(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "TROUBLE", str(bed.folder / "nowhere" / "trouble"))
    bed.due()
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        bed.start()
        until(lambda: bed.said("schedule_untold"), "it was said")
        time.sleep(0.2)
        assert len(bed.said("schedule_untold", "ERROR")) == 1
        (bed.folder / "nowhere").mkdir()
        until_status(lambda told: "No space" in told["problem"], "it is told now")
    assert result(1)["ok"]


def test_trouble_of_a_container_that_was_killed_is_forgotten(bed: Bed) -> None:
    (bed.folder / "trouble").write_text(json.dumps({"problem": "of yesterday", "record": None}))
    assert serve.status(time.time())["problem"] == "of yesterday"
    (bed.folder / "hold").touch()
    bed.due()
    bed.start()
    until((bed.folder / "running").exists, "a backup runs, which may take hours")
    assert serve.status(time.time())["healthy"]


def test_a_pgbackrest_that_cannot_be_started_is_a_backup_that_failed(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_PROGRAM", str(bed.folder / "gone"))
    bed.due()
    bed.start()
    failed = result(1)
    assert not failed["ok"] and f"repository 2: {bed.folder}/gone: No such file or directory" in failed["error"]


@pytest.mark.parametrize("content", ["[]", "{}", '{"stanza": "main", "entries": 1}', '{"entries": []}'])
def test_a_schedule_of_another_form_is_told_and_ends_nothing(bed: Bed, content: str) -> None:
    (bed.folder / "schedule.json").write_text(content)
    bed.start()
    until(lambda: bed.said("schedule", "ERROR"), "it was noticed")
    assert "not of the expected form" in serve.status(time.time())["problem"]


def test_what_a_program_says_when_nobody_waits_any_more_ends_nothing() -> None:
    with subprocess.Popen(["echo", "late"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.close()
        serve.pass_on(child, Log("ERROR", "backup"))


CRASH = """
import sys
sys.path.insert(0, {lib!r})
from howdah.backup import serve
serve.TROUBLE, serve._LOOK_SECONDS = {folder!r} + "/trouble", 0.02
serve._Server.run, serve.Schedule._look = lambda self: self._stop.wait(), lambda self: None
def broken(*_arguments):
    raise KeyError("s3cret")
serve.{what} = broken
sys.exit(serve.main(["serve"]))
"""


@pytest.mark.parametrize("what", ["Schedule._look", "_Server.run"])
def test_a_mistake_of_ours_in_either_thread_ends_the_process_with_one_line(tmp_path: Path, what: str) -> None:
    code = CRASH.format(lib=str(Path(serve.__file__).parents[2]), folder=str(tmp_path), what=what)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    (crash,) = [line for line in lines if line["event"] == "crash"]
    assert (crash["component"], crash["level"]) == ("backup", "ERROR")
    assert "KeyError" in crash["message"] and "s3cret" not in ended.stderr


# --- Another backup ------------------------------------------------------------------------------

TAKEN, FORBIDDEN = os.strerror(errno.EWOULDBLOCK), os.strerror(errno.EACCES)


def test_one_that_is_due_while_another_one_runs_waits_for_its_end(bed: Bed) -> None:
    (bed.folder / "locked").write_text(TAKEN)
    bed.due()
    bed.start()
    until(lambda: len(bed.calls()) > 2 * serve._TRIES, "it has looked more often than it tries")
    assert serve.read_record().get("results", []) == []
    assert len(bed.said("backup_waits", "INFO")) == 1
    assert bed.said("backup_attempt") == bed.said(level="ERROR") == []
    (bed.folder / "broken").touch()
    (bed.folder / "locked").unlink()
    assert not result(1)["ok"]
    assert len(bed.said("backup_attempt")) == 2 * serve._TRIES  # all of them, of each repository


def test_one_that_waits_for_another_one_is_due_again_after_a_stop(bed: Bed) -> None:
    (bed.folder / "locked").write_text(TAKEN)
    bed.due()
    bed.start()
    until(lambda: bed.said("backup_waits"), "it waits")
    bed.stop()
    assert bed.said("backup_failed") == bed.said("backup_done") == []
    (bed.folder / "locked").unlink()
    bed.start()
    assert result(1)["ok"]


def test_a_lock_that_cannot_be_made_is_no_other_backup(bed: Bed) -> None:
    (bed.folder / "locked").write_text(FORBIDDEN)
    bed.due()
    bed.start()
    assert FORBIDDEN in result(1)["error"]
    assert len(bed.calls()) == 2 * serve._TRIES


def until_status(condition: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
    """Wait until the status is so, and return it."""
    found: dict[str, Any] = until(lambda: condition(told := serve.status(time.time())) and told, what)
    return found


def refuse(_descriptor: int) -> None:
    """A disk without room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
