# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup and a restore through the modules take, as ratios to pgBackRest's bare commands.

    python tests/bench/backup.py [--gigabytes 5] [--rounds 3] [--json FILE]

A server and its repository are deployed by the playbook, filled, backed up and restored in turns: by the bare commands,
and by the modules. The fastest of each counts: what others do on the machine makes both slower. What an empty task
takes is measured beside them: it is Ansible's, and as long for a cluster of any size, so the limit is for what is more
than that; the whole is told too. Six times the cluster's size must be free on the disk. A bare restore is pgBackRest's,
and a server that is started on the files and promoted. What the repository, with its check that the log arrives, adds
to a second run of `deploy` is measured as well. The exit code is 1 when a limit is missed. It needs the environment of
bin/lib.sh, see tests/README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import docker

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).parents[1] / "integration/backup"))

from backup_site import Site  # only now found

PREFIX = "howdah-backup-bench"
ONE = "/var/lib/pgbackrest/one"
DATA = "/var/lib/postgresql/data"
IMAGE = "howdah/postgresql:15-bookworm"
LIMIT = 1.05
ROLE_LIMIT = 3.0  # seconds
SECOND_RUNS = 5
ROWS_PER_GB = 7_500_000
STEP = 500_000  # rows in one statement, which has a minute
PROCESSES = 2
# What our restore does as well: recover, promote, stop.
_BARE = f"""
set -e
pgbackrest --no-config --stanza={PREFIX} --repo1-path={ONE} --pg1-path={DATA}/15 --process-max={PROCESSES} \
  --lock-path=/tmp/p --log-level-file=off --type=immediate --target-action=promote restore
pg_ctl -D {DATA}/15 -s -w -t 600 -o '-c listen_addresses= -c unix_socket_directories=/tmp -c archive_mode=off' start
until [ "$(psql -h /tmp -XAtqc 'SELECT pg_is_in_recovery()' postgres)" = f ]; do sleep 0.1; done
pg_ctl -D {DATA}/15 -s -m fast stop
"""


class Bench:
    """The site, and the two ways of each thing."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def fill(self, gigabytes: float) -> float:
        """Bytes of the cluster, in GB."""
        # The log of this is not archived: nobody shall wait for it, and no backup needs it.
        self.site.sql("ALTER SYSTEM SET archive_command = '/bin/true'")
        self.site.sql("SELECT pg_reload_conf()")
        text = "md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text)"
        self.site.sql("CREATE TABLE filler (n bigint, text text)")
        rows = int(ROWS_PER_GB * gigabytes)
        for first in range(0, rows, STEP):
            last = min(first + STEP, rows)
            self.site.sql(f"INSERT INTO filler SELECT n, {text} FROM generate_series({first + 1}, {last}) AS n")
        self.site.sql("CHECKPOINT")
        self.site.sql("ALTER SYSTEM RESET archive_command")
        self.site.sql("SELECT pg_reload_conf()")
        return int(self.site.sql("SELECT sum(pg_database_size(oid)) FROM pg_database")) / 1e9

    def discard(self) -> None:
        """Make room for another restore, and have nothing of the last one serve it."""
        for name in (f"{PREFIX}-bare", f"{PREFIX}-ours"):
            with contextlib.suppress(docker.errors.NotFound):
                self.site.client.remove_volume(name)

    def bare_backup(self) -> None:
        words = ["pgbackrest", f"--stanza={PREFIX}", "--repo=1", "--type=full", "backup"]
        _run(["docker", "exec", self.site.repository, *words])

    def our_backup(self) -> None:
        self._module("pgbackrest_backup", container=self.site.repository, stanza=PREFIX, type="full")

    def bare_restore(self) -> None:
        binds = ["-v", f"{PREFIX}-bare:{DATA}", "-v", f"{self.site.repository}-repository:/var/lib/pgbackrest:ro"]
        _run(["docker", "run", "--rm", "--network", "none", *binds, IMAGE, "bash", "-c", _BARE])

    def our_restore(self) -> None:
        self._module(
            "pgbackrest_restore", name=f"{PREFIX}-restore", image=IMAGE, volume=f"{PREFIX}-ours", stanza=PREFIX,
            repository_container=self.site.repository, type="immediate",
        )

    def nothing(self) -> None:
        self._task("ansible.builtin.ping")

    def _module(self, module: str, /, **options: Any) -> None:
        self._task(f"howdah.postgresql.{module}", "-a", json.dumps(options))

    def _task(self, *words: str) -> None:
        program = str(Path(sys.executable).with_name("ansible"))
        _run([program, "localhost", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "-m", *words])


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description="Backups and restores, as ratios to the bare commands.")
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(docker.APIClient(version="auto", timeout=600), PREFIX, Path(folder))
        site.remove()
        try:
            figures = _measure(site, options.gigabytes, options.rounds)
        finally:
            site.remove()
    for name, value in figures.items():
        print(f"{name:34} {value:8.2f}")
    if options.json:
        Path(options.json).write_text(json.dumps({**figures, "limit": LIMIT}, indent=2), encoding="utf-8")
    ratios = max(figures["backup ratio, less an empty task"], figures["restore ratio, less an empty task"])
    return int(ratios > LIMIT or figures["role again (s)"] > ROLE_LIMIT)


def _measure(site: Site, gigabytes: float, rounds: int) -> dict[str, float]:
    # No encryption and no other difference: what is measured is what we add.
    site.variables = {"backup_repositories": [{"path": ONE, "retention-full": 2}], "backup_secrets": []}
    site.run("deploy")
    bench = Bench(site)
    figures = {"cluster (GB)": bench.fill(gigabytes)}
    figures["empty task (s)"] = min(_timed(bench.nothing) for _turn in range(5))
    for name, bare, ours in (
        ("backup", bench.bare_backup, bench.our_backup),
        ("restore", bench.bare_restore, bench.our_restore),
    ):
        took: dict[str, list[float]] = {"bare": [], "ours": []}
        for number in range(rounds):
            # Whoever comes second finds more of it in memory, so they take turns at that too.
            for kind, what in sorted({"bare": bare, "ours": ours}.items(), reverse=bool(number % 2)):
                bench.discard()
                took[kind].append(_timed(what))
        for kind, times in took.items():
            figures[f"{name} {kind} (s)"] = min(times)
        ours = figures[f"{name} ours (s)"]
        figures[f"{name} ratio"] = ours / figures[f"{name} bare (s)"]
        figures[f"{name} ratio, less an empty task"] = (ours - figures["empty task (s)"]) / figures[f"{name} bare (s)"]
    bench.discard()
    runs = [
        (_timed(lambda: site.run("deploy", "-e", f"target={site.nodes[0]}")), _timed(lambda: site.run("deploy")))
        for _turn in range(SECOND_RUNS)
    ]
    figures["role again (s)"] = statistics.median(whole - server for server, whole in runs)
    figures["load at the end"] = os.getloadavg()[0]
    return figures


def _timed(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode:
        raise SystemExit(f"{words}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
