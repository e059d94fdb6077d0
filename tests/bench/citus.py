# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Citus formation costs, and what it gives, on one machine.

    python3 tests/bench/citus.py [ROUNDS [ROWS]] [--json FILE]

A second run of the playbook `deploy` for a formation (a coordinator and two groups of workers, two nodes each) against
one for as many nodes of a plain cluster, each ROUNDS (3) times in each of two turns; and an aggregate over a
distributed table of ROWS (2000000) against the same one over a local table of the coordinator. Medians. It needs an
engine with the images of etcd and HAProxy, a repository with Citus in HOWDAH_TEST_REPOSITORY (tests/README.md), and
ansible-playbook beside its own interpreter, with this collection. Ends with 1 when the aim is missed.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Callable

import cluster

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

import extended_image  # only now found

GROUPS, MEMBERS = 3, 2
SHARDS = 8
TURNS = 2
# Aim: second run of a formation against as many plain nodes.
RATIO = 1.3
_SECONDS = 120
_ROW = "SELECT n AS number, (n % 100)::int AS kind, md5(n::text) AS text FROM generate_series(1, {}) AS n"
_AGGREGATE = "SELECT kind, count(*), avg(number), max(text) FROM {} GROUP BY kind ORDER BY kind"


def declare(site: cluster.Site, formation: bool) -> None:
    """The bench's image, and groups of workers where there are to be any."""
    file = site.folder / "inventory.json"
    inventory = json.loads(file.read_text(encoding="utf-8"))
    inventory["all"]["vars"]["image_name"] = extended_image.NAME
    if formation:
        for number, variables in enumerate(inventory["all"]["children"]["postgres"]["hosts"].values()):
            variables["citus_group"] = number // MEMBERS
    file.write_text(json.dumps(inventory), encoding="utf-8")


def median(rounds: int, run: Callable[[], float]) -> float:
    """Seconds."""
    return statistics.median(run() for _round in range(rounds))


def second_run(site: cluster.Site) -> float:
    """Seconds of a run that has nothing to do."""
    run = site.play("deploy")
    changed = {host: number for host, number in run.counts("changed").items() if number}
    if changed:
        sys.exit(f"A second run has changed something: {changed}")
    return run.seconds


def psql(node: str, *statements: str) -> str:
    """What a node answers."""
    words = [word for statement in statements for word in ("-c", statement)]
    done = subprocess.run(
        ["docker", "exec", node, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "citus", *words],
        stdout=subprocess.PIPE, text=True, timeout=_SECONDS, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def aggregate(node: str, table: str) -> float:
    """Seconds of it, as the server's own client takes the time, without the time that starting that takes."""
    timed = psql(node, "\\timing on", "\\o /dev/null", _AGGREGATE.format(table))
    return float(timed.rpartition("Time: ")[2].split()[0]) / 1000


def aggregates(site: cluster.Site, rounds: int, rows: int) -> dict[str, float]:
    """Seconds by where the rows are: spread over the workers, or all in one table of one node."""
    node = next(one for one in site.nodes[:MEMBERS] if psql(one, "SELECT pg_is_in_recovery()") == "f")
    for table in ("spread", "whole"):
        psql(node, f"CREATE TABLE {table} (number bigint, kind int, text text)")
        if table == "spread":
            psql(node, f"SELECT create_distributed_table('spread', 'number', shard_count => {SHARDS})")
        psql(node, f"INSERT INTO {table} {_ROW.format(rows)}")
        psql(node, f"VACUUM ANALYZE {table}")
    return {table: median(rounds, partial(aggregate, node, table)) for table in ("spread", "whole")}


def measure(rounds: int, rows: int) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of the formation, and of the plain cluster.

    They take turns, as what else a machine has to do changes from minute to minute; and each is alone on it.
    """
    first: dict[bool, list[float]] = {True: [], False: []}
    second: dict[bool, list[float]] = {True: [], False: []}
    spread: dict[str, float] = {}
    for turn in range(TURNS):
        for formation in (True, False):
            with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
                site = cluster.Site(GROUPS * MEMBERS, Path(folder))
                declare(site, formation)
                stack.callback(site.remove)
                first[formation].append(site.play("deploy").seconds)
                second[formation] += [second_run(site) for _round in range(rounds)]
                if formation and turn == TURNS - 1:
                    spread = aggregates(site, rounds, rows)
    taken = {
        formation: {"first": statistics.median(first[formation]), "second": statistics.median(second[formation])}
        for formation in (True, False)
    }
    return {**taken[True], **spread}, taken[False]


def main() -> None:
    """Measure both, and compare."""
    parser = argparse.ArgumentParser(description="What a Citus formation costs, and what it gives.")
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("rows", type=int, nargs="?", default=2_000_000)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    if extended_image.VARIABLE not in os.environ:
        sys.exit(f"Name a repository with Citus in {extended_image.VARIABLE}.")
    extended_image.build(os.environ[extended_image.VARIABLE])
    began, load = time.perf_counter(), os.getloadavg()[0]
    formation, plain = measure(options.rounds, options.rows)
    if options.json:
        told = {
            "formation": formation, "plain": plain, "nodes": GROUPS * MEMBERS, "rows": options.rows,
            "shards": SHARDS, "workers": GROUPS - 1, "ratio": RATIO,
        }  # fmt: skip
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    print(
        f"{GROUPS * MEMBERS} nodes, from nothing: formation {formation['first']:.1f} s, plain cluster"
        f" {plain['first']:.1f} s. Second run: {formation['second']:.1f} s and {plain['second']:.1f} s, ratio"
        f" {formation['second'] / plain['second']:.2f}, aim {RATIO}."
    )
    print(
        f"Aggregate over {options.rows} rows in {SHARDS} shards on {GROUPS - 1} workers: {formation['spread']:.3f} s;"
        f" in one table of one node: {formation['whole']:.3f} s; ratio {formation['spread'] / formation['whole']:.2f}."
        f" All on one machine of {os.cpu_count()} cores, which both have to share."
    )
    print(
        f"Load average {load:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end;"
        f" {time.perf_counter() - began:.0f} s in all."
    )
    sys.exit(formation["second"] / plain["second"] > RATIO)


if __name__ == "__main__":
    main()
