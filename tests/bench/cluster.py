# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the playbook `site` takes on a whole cluster: from nothing, and when there is nothing to do.

    python3 tests/bench/cluster.py [ROUNDS [NODES …]] [--json FILE]

NODES (3 12) are how many members PostgreSQL has; each time there are a member of etcd and a proxy, too, all on one
engine. A second run is a median of ROUNDS (3), and ends with changed=0 or the bench fails. It needs an engine with the
images, and ansible-playbook beside its own interpreter, with this collection: `bin/test` provides both. Ends with 1
when an aim is missed.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

NAME = f"howdah-bench-{secrets.token_hex(3)}"
LIMIT = 600  # seconds for a playbook
# Aims: seconds of a second run with three nodes, on 4 cores; tasks a node; second run of twelve nodes against three.
SECONDS, TASKS, RATIO = 12.0, 20, 3.5
_SLOWEST = 8


class Run(NamedTuple):
    """One run of a playbook."""

    seconds: float
    output: str

    def counts(self, what: str) -> dict[str, int]:
        """A number of the recap, by host."""
        recap = self.output.split("PLAY RECAP", 1)[1]
        return {host: int(number) for host, number in re.findall(rf"^(\S+) +:.*\b{what}=(\d+)", recap, re.MULTILINE)}

    def slowest(self) -> list[tuple[str, float]]:
        """The tasks that took longest, for whoever wants to know where the time goes."""
        found = [json.loads(line[10:]) for line in self.output.splitlines() if line.startswith("TASK_TOOK ")]
        return [(name, seconds) for seconds, name in sorted(found, reverse=True)[:_SLOWEST]]


class Site:
    """A cluster of the bench's own.

    :param name: tells it from others that are there at the same time.
    """

    def __init__(self, nodes: int, folder: Path, name: str = NAME) -> None:
        self.folder = folder
        self.name = name
        self.nodes = [f"{name}-pg{number}" for number in range(1, nodes + 1)]
        self.password = secrets.token_urlsafe(16)
        groups = {
            "etcd": {f"{name}-etcd1": {}},
            "postgres": {name: {} for name in self.nodes},
            "proxy": {f"{name}-proxy1": {"proxy_port": 0, "proxy_read_port": 0}},
        }
        common: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "cluster_name": name,
        }
        inventory = {"all": {"vars": common, "children": {name: {"hosts": hosts} for name, hosts in groups.items()}}}
        (folder / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")

    def play(self, playbook: str, *arguments: str) -> Run:
        """Run a playbook, which must succeed."""
        program = Path(sys.executable).with_name("ansible-playbook")
        start = time.perf_counter()
        done = subprocess.run(
            [program, "-i", self.folder / "inventory.json", *arguments, f"howdah.postgresql.{playbook}"],
            env={
                **os.environ,
                "PYTHONPATH": "",
                "POSTGRES_PASSWORD": self.password,
                "XDG_STATE_HOME": str(self.folder),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).resolve().parent / "callback_plugins"),
                "ANSIBLE_CALLBACKS_ENABLED": "where_time_goes",
            },
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=LIMIT, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"The bench itself failed: {done.stdout}")
        return Run(seconds, done.stdout)

    def remove(self) -> None:
        """Leave nothing in the engine."""
        self.play("destroy", "-e", f"destroy_data={self.name}")


def second_run(site: Site, rounds: int) -> Run:
    """A run that has nothing to do, of the median time."""
    runs = [site.play("site") for _round in range(rounds)]
    changed = {host: number for run in runs for host, number in run.counts("changed").items() if number}
    if changed:
        sys.exit(f"A second run has changed something: {changed}")
    return sorted(runs)[len(runs) // 2] if rounds % 2 else runs[0]._replace(
        seconds=statistics.median(run.seconds for run in runs)
    )


def measure(nodes: int, rounds: int) -> dict[str, float]:
    """Print the figures of one size, and return them."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(nodes, Path(folder))
        try:
            first = site.play("site")
            print(f"{nodes} nodes: from nothing to healthy {first.seconds:.1f} s", flush=True)
            again = second_run(site, rounds)
        finally:
            site.remove()
    tasks = again.counts("ok")
    most = max(tasks[name] for name in site.nodes)
    print(f"{nodes} nodes: second run {again.seconds:.1f} s, at most {most} tasks a node (aim {TASKS})", flush=True)
    for name, seconds in again.slowest():
        print(f"    {seconds:5.2f} s  {name}")
    return {"nodes": nodes, "first": first.seconds, "second": again.seconds, "tasks": most}


def main() -> None:
    """Measure each size, and compare them with the first."""
    parser = argparse.ArgumentParser(description="How long the playbook site takes on a whole cluster.")
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("nodes", type=int, nargs="*", default=[3, 12])
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    sizes = options.nodes
    figures = [measure(size, options.rounds) for size in sizes]
    if options.json:
        told = {"sizes": figures, "aim": SECONDS, "ratio": RATIO, "tasks": TASKS}
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    print(f"Load average {os.getloadavg()[0]:.1f} at the end; {os.cpu_count()} cores.")
    least, *others = figures
    missed = least["second"] > SECONDS or any(one["tasks"] > TASKS for one in figures)
    print(f"Second run of {least['nodes']} nodes: {least['second']:.1f} s, aim {SECONDS:g} s on 4 cores")
    for one in others:
        ratio = one["second"] / least["second"]
        print(f"Second run of {one['nodes']} nodes against {least['nodes']}: {ratio:.2f}, aim {RATIO}")
        missed = missed or ratio > RATIO
    sys.exit(missed)


if __name__ == "__main__":
    main()
