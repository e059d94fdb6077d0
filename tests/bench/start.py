# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a container of the image takes to its first login over TCP, as a ratio to the floor.

The floor is the same image with ``--entrypoint bash``: a bare ``initdb --pwfile``, then ``exec postgres``. Both are
measured in turns, on a fresh volume and on an existing one:

    python tests/bench/start.py [--image NAME] [--rounds 7] [--json FILE] [--peer SCRIPT]

SCRIPT is another entrypoint to measure beside, over the same packages: the official image's docker-entrypoint.sh.
The exit code is 1 when a ratio is above its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import uuid
from typing import Any

import docker
import psycopg2

DATA = "/var/lib/postgresql/data"
PASSWORD = "bench"
LIMITS = {"fresh": 1.2, "existing": 1.3}
PATIENCE = 60.0  # seconds to a login
FLOOR = f"""
set -e
if [[ ! -s {DATA}/PG_VERSION ]]; then
    initdb -D {DATA} -U postgres --pwfile=<(echo {PASSWORD}) -A scram-sha-256 >/dev/null
    echo 'host all all all scram-sha-256' >> {DATA}/pg_hba.conf
fi
exec postgres -D {DATA} -c listen_addresses='*'
"""
VARIANTS: dict[str, dict[str, Any]] = {
    "floor": {"entrypoint": ["bash"], "command": ["-c", FLOOR]},
    "image": {"environment": {"POSTGRES_PASSWORD": PASSWORD}},
}

PEER = "/peer-entrypoint"
PEER_COMMAND = ["postgres", "-c", "listen_addresses=*"]
PEER_ENVIRONMENT = {"POSTGRES_PASSWORD": PASSWORD, "PGDATA": DATA, "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256"}


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description="Time to the first login, as a ratio to the floor.")
    parser.add_argument("--image", default=os.environ.get("HOWDAH_TEST_IMAGE", "howdah/postgresql:15-bookworm"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--peer", help="path of another entrypoint, on the engine's host")
    options = parser.parse_args()
    if options.peer:
        VARIANTS["peer"] = {"entrypoint": ["bash", PEER], "command": PEER_COMMAND, "environment": PEER_ENVIRONMENT}
    client = docker.APIClient(version="auto")
    facts = _facts(client, options.image)
    seconds = _measure(client, options)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {kind: medians[f"image {kind}"] / medians[f"floor {kind}"] for kind in LIMITS}

    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for kind, limit in LIMITS.items():
        values = "  ".join(f"{name} {medians[f'{name} {kind}']:.3f} s" for name in VARIANTS)
        print(f"{kind:9} {values}  ratio {ratios[kind]:.2f} (limit {limit})")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"facts": facts, "seconds": seconds, "ratios": ratios, "limits": LIMITS}, file, indent=2)
    return int(any(ratios[kind] > limit for kind, limit in LIMITS.items()))


def _facts(client: docker.APIClient, image: str) -> dict[str, Any]:
    info = client.info()
    return {
        "image": client.inspect_image(image)["Id"][7:19],
        "engine": info["ServerVersion"],
        "storage": info["Driver"],
        "cpus": info["NCPU"],
        "kernel": info["KernelVersion"],
        "load": os.getloadavg()[0],
    }


def _measure(client: docker.APIClient, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds by variant and kind of volume. The first round only warms the caches."""
    seconds: dict[str, list[float]] = {f"{name} {kind}": [] for kind in LIMITS for name in VARIANTS}
    binds = [f"{options.peer}:{PEER}:ro"] if options.peer else []
    for number in range(options.rounds + 1):
        for name, variant in VARIANTS.items():
            volume = f"howdah-bench-{uuid.uuid4().hex[:8]}"
            client.create_volume(volume)
            try:
                for kind in LIMITS:
                    passed = _start(client, options.image, [f"{volume}:{DATA}", *binds], variant)
                    if number:
                        seconds[f"{name} {kind}"].append(passed)
            finally:
                client.remove_volume(volume, force=True)
    return seconds


def _start(client: docker.APIClient, image: str, binds: list[str], options: dict[str, Any]) -> float:
    """Seconds from creating a container to the first login; the container is stopped cleanly, and removed."""
    host = client.create_host_config(binds=binds, port_bindings={5432: ("127.0.0.1",)}, shm_size="256m")
    login = {"host": "127.0.0.1", "user": "postgres", "password": PASSWORD, "dbname": "postgres"}
    began = time.perf_counter()
    # No health checks: a probe at the wrong moment is noise.
    name = binds[0].partition(":")[0]
    identity = client.create_container(
        image, host_config=host, ports=[5432], healthcheck={"test": ["NONE"]}, name=name, **options
    )["Id"]
    try:
        client.start(identity)
        port = client.inspect_container(identity)["NetworkSettings"]["Ports"]["5432/tcp"][0]["HostPort"]
        while True:
            try:
                psycopg2.connect(**login, port=port).close()
                passed = time.perf_counter() - began
                break
            except psycopg2.OperationalError as error:
                if time.perf_counter() - began > PATIENCE:
                    sys.exit(f"No login after {PATIENCE:g} s: {error}\n{client.logs(identity, tail=20).decode()}")
                time.sleep(0.002)
        client.kill(identity, "SIGINT")
        client.wait(identity)
    finally:
        client.remove_container(identity, force=True)
    return passed


if __name__ == "__main__":
    sys.exit(main())
