# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the modules image and container are: ratios against their peers, measured in one run.

    python3 tests/bench/modules.py [ROUNDS [PART]] [--json FILE]

Both sides run in the same environment: PyPI's package `ansible`, which brings community.docker, in a virtual
environment of the bench's own. It needs an engine with debian:bookworm, and Docker's command line client. Each
figure is a median of ROUNDS (7); the two sides take turns. PART is `unchanged` or `builds`; without it, both are
measured. Ends with 1 when a ratio is missed.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path
from typing import Any, Callable, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "howdah"
PEERS = CACHE / "bench-peers"
PEER_PACKAGES = ["ansible==12.*", "docker", "requests"]
SOCKET = "/var/run/docker.sock"
PREFIX = f"howdah-bench-{secrets.token_hex(3)}"
SLEEP = ["sleep", "inf"]
# Keeps a task out of Ansible's own process, so that its module is sent and started as over SSH.
SENT = {"environment": {"SENT": "yes"}}
# Work that neither side can make faster, and files to send.
DOCKERFILE = """\
FROM debian:bookworm
RUN find /usr -type f -print0 | xargs -0 cat | sha256sum
COPY . /context
RUN ls /context | wc -l
"""


class Figure(NamedTuple):
    """A ratio and its limit, if it has one."""

    what: str
    ours: float
    theirs: float
    limit: float | None

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def missed(self) -> bool:
        return self.limit is not None and self.ratio > self.limit


def environment() -> Path:
    """The folder of programs of the bench's environment, made at the first run."""
    programs = PEERS / "bin"
    ready = PEERS / ".howdah-ready"
    if not ready.exists():
        print(f"Making {PEERS} with {', '.join(PEER_PACKAGES)} …", flush=True)
        venv.create(PEERS, with_pip=True, clear=True)
        subprocess.run([programs / "pip", "install", "-q", *PEER_PACKAGES], check=True)
        ready.touch()
    return programs


class Bench:
    """A folder with a build context, and what there is on the engine for the time of the bench."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.image = f"{PREFIX}:1"
        self.context = folder / "context"
        tree = folder / "tree/ansible_collections/howdah"
        tree.mkdir(parents=True)
        (tree / "postgresql").symlink_to(ROOT)
        # What this repository's image is built of, see image/Dockerfile.dockerignore.
        for part in ("image", "plugins/module_utils/_core", "plugins/module_utils/_postgres"):
            shutil.copytree(ROOT / part, self.context / part, ignore=shutil.ignore_patterns("__pycache__"))
        (self.context / "Dockerfile").write_text(DOCKERFILE)

    def play(self, *tasks: dict[str, Any], forks: str = "5") -> list[dict[str, Any]]:
        """Run tasks; what each took."""
        book = self.folder / "play.json"
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]))
        done = subprocess.run(
            [self.programs / "ansible-playbook", "-i", "localhost,", "-c", "local", "-f", forks, book],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "tree"),
                "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
                "ANSIBLE_STDOUT_CALLBACK": "task_times",
                "ANSIBLE_PYTHON_INTERPRETER": str(self.programs / "python"),
            },
            capture_output=True, text=True, check=False, cwd=self.folder,
        )  # fmt: skip
        times = [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("TIME ")]
        failed = [entry for entry in times if entry["failed"]]
        if failed or len(times) != len(tasks):
            sys.exit(f"The bench itself failed: {failed or done.stdout + done.stderr}")
        return times

    def docker(self, *arguments: str) -> float:
        """Run Docker's client; the seconds it took."""
        start = time.perf_counter()
        done = subprocess.run(
            ["/usr/bin/docker", *arguments], capture_output=True, text=True, check=False,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"docker {' '.join(arguments)}: {done.stderr}")
        return time.perf_counter() - start

    def clear(self) -> None:
        """Remove all that the bench has made."""
        names = subprocess.run(
            ["/usr/bin/docker", "ps", "-aq", "--filter", f"name={PREFIX}"], capture_output=True, text=True, check=True
        ).stdout.split()
        if names:
            self.docker("rm", "-f", *names)
        for image in (self.image, f"{PREFIX}-cli:1"):
            subprocess.run(["/usr/bin/docker", "rmi", "-f", image], capture_output=True, check=False)


def task(label: str, module: str, /, **options: Any) -> dict[str, Any]:
    return {"name": label, module: options}


def ours(name: str, number: int | None = None, **more: Any) -> dict[str, Any]:
    """A container as ours takes it."""
    common = {"image": "debian:bookworm", "command": SLEEP, "env": {"A": "1"}, "stop_timeout": 1, "stable_for": 0.1}
    which: dict[str, Any] = {"name": f"{PREFIX}-0"}
    if number:
        which = {"containers": [{"name": f"{PREFIX}-{index}"} for index in range(number)]}
    return task(name, "howdah.postgresql.container", **common, **which, **more)


def theirs(name: str) -> dict[str, Any]:
    return task(
        name, "community.docker.docker_container", name=f"{PREFIX}-peer", image="debian:bookworm", command=SLEEP,
        env={"A": "1"}, stop_timeout=1,
    )  # fmt: skip


def medians(times: list[dict[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(entry["name"] for entry in times)
    return {name: statistics.median(e["seconds"] for e in times if e["name"] == name) for name in names}


def unchanged(bench: Bench, rounds: int) -> list[Figure]:
    """Tasks that find nothing to do."""
    image = task("image", "howdah.postgresql.image", name=bench.image, path=str(bench.context), progress="quiet")
    info = task("image_info", "community.docker.docker_image_info", name=bench.image)
    bench.play(ours("made", 10), theirs("made"), image)
    one_round = [ours("one"), {**ours("sent"), **SENT}, theirs("peer"), ours("ten", 10), image, info]
    times = bench.play(*one_round * (rounds + 1))[len(one_round):]  # the first round warms up
    if any(entry["changed"] for entry in times):
        sys.exit("A task that should have found nothing to do changed something.")
    took = medians(times)
    return [
        Figure("unchanged container / docker_container", took["one"], took["peer"], 0.85),
        Figure("unchanged container, sent as over SSH / docker_container", took["sent"], took["peer"], 0.85),
        Figure("ten unchanged containers in one call / ten tasks", took["ten"], 10 * took["peer"], 0.2),
        Figure("unchanged image / docker_image_info", took["image"], took["image_info"], 1.0),
    ]


def builds(bench: Bench, rounds: int) -> list[Figure]:
    """Builds of the same context, through us and by a task that runs Docker's client; and without Ansible's part."""

    def pair(label: str, before: Callable[[int], None], rebuild: str, *flags: str) -> list[Figure]:
        took: dict[str, list[float]] = {"ours": [], "theirs": [], "client": [], "nothing": []}
        nothing = task("nothing", "ansible.builtin.debug", msg="")
        command = ["build", "-q", *flags, "-t", f"{PREFIX}-cli:1", str(bench.context)]
        mine = task("ours", "howdah.postgresql.image", name=bench.image, path=str(bench.context), progress="quiet",
                    rebuild=rebuild)  # fmt: skip
        its = {**task("theirs", "ansible.builtin.command", argv=["/usr/bin/docker", *command]),
               "environment": {"DOCKER_BUILDKIT": "1"}}  # fmt: skip
        for number in range(rounds):
            # The one that begins a round changes: what it leaves in the engine's cache may help the other.
            for offset, one in enumerate([mine, its] if number % 2 else [its, mine]):
                before(3 * number + offset)
                (entry,) = bench.play(one)
                if not entry["changed"]:
                    sys.exit("A build that should have been made was not.")
                took[entry["name"]].append(entry["seconds"])
            before(3 * number + 2)
            took["client"].append(bench.docker(*command))
            took["nothing"].append(bench.play(nothing)[0]["seconds"])
        middle = {name: statistics.median(times) for name, times in took.items()}
        return [
            Figure(f"{label} / a task that runs docker build", middle["ours"], middle["theirs"], 1.1),
            Figure(f"{label} / docker build without Ansible", middle["ours"], middle["client"], None),
            # What is left once Ansible's own part is taken away: no module can do without that.
            Figure(f"{label}, less an empty task / it", middle["ours"] - middle["nothing"], middle["client"], 1.1),
        ]

    def change(number: int) -> None:
        (bench.context / "changing").write_text(f"{PREFIX} {number}")

    return [
        *pair("cold build", lambda _number: None, "always", "--no-cache"),
        *pair("warm build of a changed file", change, "auto"),
    ]


def requests_of_an_unchanged_container(bench: Bench) -> int:
    """How many requests the engine gets, counted on the way."""
    path = str(bench.folder / "proxy.sock")
    count = 0
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def copy(source: socket.socket, sink: socket.socket, counts: bool) -> None:
        nonlocal count
        while data := source.recv(1 << 16):
            if counts:
                count += len(re.findall(rb"(?m)^(?:GET|POST|PUT|DELETE|HEAD) /", data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            client, _address = listener.accept()
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(SOCKET)
            threading.Thread(target=copy, args=(client, engine, True), daemon=True).start()
            threading.Thread(target=copy, args=(engine, client, False), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    bench.play(ours("counted", docker_host=f"unix://{path}"))
    return count


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description="How fast the modules image and container are, beside their peers.")
    parser.add_argument("rounds", type=int, nargs="?", default=7)
    parser.add_argument("part", nargs="?", default="", choices=["", "unchanged", "builds"])
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    rounds, part = options.rounds, options.part
    programs = environment()
    with tempfile.TemporaryDirectory(prefix="howdah-bench-") as folder:
        bench = Bench(Path(folder), programs)
        try:
            load = os.getloadavg()[0]
            figures: list[Figure] = []
            requests = 0
            if part != "builds":
                figures += unchanged(bench, rounds)
                requests = requests_of_an_unchanged_container(bench)
            if part != "unchanged":
                figures += builds(bench, rounds)
        finally:
            bench.clear()
    if options.json:
        told = [{**figure._asdict(), "ratio": figure.ratio} for figure in figures]
        options.json.write_text(json.dumps({"figures": told, "requests": requests}, indent=2))
    print(f"Medians of {rounds}; load {load:.1f} before and {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores.")
    for figure in figures:
        verdict = "MISSED" if figure.missed else "" if figure.limit is None else "ok"
        limit = "        " if figure.limit is None else f"(≤ {figure.limit:4.2f})"
        print(f"{verdict:7}{figure.ratio:5.2f} {limit}  {figure.ours:6.3f} s / {figure.theirs:6.3f} s"
              f"  {figure.what}")  # fmt: skip
    if requests:
        print(f"{'ok' if requests <= 3 else 'MISSED':7}{requests:5} (≤ 3)     requests of an unchanged container")
    return int(requests > 3 or any(figure.missed for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
