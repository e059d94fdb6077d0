# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedule at work, with a program in the place of pgBackRest, and what its health tells."""

from __future__ import annotations

import json
import os
import socket
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
        "RECORD": str(tmp_path / "record"), "PORT": server.getsockname()[1], "_PROGRAM": str(program),
        "_LOOK_SECONDS": 0.02, "_RETRY_SECONDS": 0.02,
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
