# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asynchronous archiving: what waits is told before it is dropped, and what was dropped is found."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from ansible_runs import until

if TYPE_CHECKING:
    from backup_site import Site

pytestmark = pytest.mark.full  # a server whose archiver failed thrice tries again after a minute

AGAIN = 180.0  # seconds; that minute, and what the machine needs for it


def health(site: Site) -> dict[str, Any]:
    """What the health check tells of the archive."""
    words = ["docker", "exec", site.nodes[0], "/opt/container/bin/health", "archive"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["healthy"] == (done.returncode == 0)
    return told


def segments(site: Site, count: int) -> str:
    """Fill some segments of the log; the name of the last one."""
    name = ""
    for _turn in range(count):
        site.sql("CREATE TABLE IF NOT EXISTS filler (n int); INSERT INTO filler VALUES (1)")
        name = site.sql("SELECT pg_walfile_name(pg_switch_wal())")
    return name


def test_what_waits_is_told_before_it_is_dropped(site: Site) -> None:
    site.beside = {"backup_async": True, "backup_queue_max": "128MiB"}
    site.run("deploy")
    site.wait_archived(segments(site, 2))
    assert until(lambda: (found := health(site))["healthy"] and found, "all is well at first")
    assert site.problem() == ""

    # Half of it waits: an alert, and nothing is lost.
    site.client.stop(site.repository, timeout=20)
    waiting = segments(site, 5)
    told = until(lambda: not (found := health(site))["healthy"] and found, "the alert")
    assert "beyond 128 MiB they are dropped" in told["detail"], told
    assert "DROPPED" in site.problem()
    assert "dropped WAL" not in site.logs(site.nodes[0])
    site.client.start(site.repository)
    site.wait_archived(waiting, AGAIN)
    assert site.info()["archive"][-1]["max"] >= waiting
    until(lambda: health(site)["healthy"], "all is well again", AGAIN)

    # All of it and more waits: the disk is spared.
    site.client.stop(site.repository, timeout=20)
    dropped = segments(site, 10)
    until(lambda: "dropped WAL file" in site.logs(site.nodes[0]), "the log is dropped", AGAIN)
    site.wait_archived(dropped, AGAIN)  # or so the server thinks
    site.client.start(site.repository)
    site.wait_archived(segments(site, 1), AGAIN)
    assert site.info()["archive"][-1]["max"] > dropped
    assert "The archive has a gap" in " ".join(site.run("restore_drill", code=2).split())
    site.run("backup", "-e", "backup_type=full")
    site.run("restore_drill")
