# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs all benches one after another, keeps what they measured, and draws it.

    source bin/lib.sh; howdah_setup test; python tests/bench/all.py [--least | --plots] [--only NAME …]

Writes figures.json, figures.md and the plots into docs/, and a selection into the README; into the folder of `--folder`
only the former. Those of benches that are not run stay as they are. `--least` is the smallest setting of each, to see
that they work; `--plots` measures nothing, and draws anew, that of docs/faults.md included. It needs an engine with the
images, and a quiet machine: the load average stands beside each figure. That of Citus is left out where no repository
has it (HOWDAH_TEST_REPOSITORY, see tests/README.md). The exit code is 1 when a bench has missed a limit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Sequence

import docker

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import extended_image  # only now found
import figures
from testrun import side

ROOT = figures.ROOT
LIMIT = 1800  # seconds for one bench
# Draws the bars that it reads from standard input; in an environment of its own, for matplotlib is large.
DRAW = """
import json, sys
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "howdah", "svg.fonttype": "none", "font.size": 9})
from matplotlib import pyplot
given = json.load(sys.stdin)
bars = given["bars"][::-1]
plot, axes = pyplot.subplots(figsize=(7.5, 0.6 + 0.32 * len(bars)), layout="constrained")
colours = ["#1565c0" if bar["ours"] else "#90a4ae" for bar in bars]
drawn = axes.barh([bar["what"] for bar in bars], [bar["seconds"] for bar in bars], color=colours)
axes.bar_label(drawn, fmt="%.3g s", padding=3)
axes.margins(x=0.12)
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("seconds; less is better")
plot.savefig(given["file"], metadata={"Date": None})
"""


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    info = docker.APIClient(version="auto").info()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    core = subprocess.run(
        [sys.executable, "-c", "import ansible.release; print(ansible.release.__version__)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": names[0] if names else platform.machine(),
        "memory": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "engine": info["ServerVersion"],
        "storage": info["Driver"],
        "core": core.stdout.strip(),
    }


def run(name: str, least: bool) -> tuple[dict[str, Any], bool]:
    """One bench: what it measured, and whether it missed a limit."""
    bench = figures.BENCHES[name]
    arguments = bench.least if least else bench.usual
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="howdah-bench-") as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, str(ROOT / f"tests/bench/{name}.py"), *arguments, "--json", str(file)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=LIMIT, check=False)
        if done.returncode not in (0, 1) or not file.is_file():
            sys.exit(f"The bench {name} failed with exit code {done.returncode}.")
        data = json.loads(file.read_text(encoding="utf-8"))
    load = [before, os.getloadavg()[0]]
    date = time.strftime("%Y-%m-%d", time.gmtime())
    told = {"date": date, "machine": machine(), "arguments": list(arguments), "load": load, "data": data}
    return told, done.returncode == 1


def draw(name: str, bars: Sequence[figures.Bar], folder: Path) -> None:
    """The plot of a bench, or of the faults: ours in another colour than what they are compared with."""
    programs = side.environment("plots", side.pins(ROOT / "bin/requirements/plots.txt"))
    file = folder / figures.picture(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    compared = any(one.beside is not None for one in bars) and name != "cluster"
    drawn = [
        {"what": one.what, "seconds": one.seconds, "ours": one.beside is not None or not compared} for one in bars
    ]
    given = json.dumps({"bars": drawn, "file": str(file)})
    subprocess.run([str(programs / "python"), "-c", DRAW], input=given, text=True, timeout=120, check=True)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Runs all benches, and writes docs/figures.")
    parser.add_argument("--least", action="store_true", help="the smallest setting of each")
    parser.add_argument("--only", nargs="+", choices=list(figures.BENCHES), default=list(figures.BENCHES))
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    parser.add_argument("--plots", action="store_true", help="measure nothing, draw what was measured before")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "figures.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"benches": {}}
    draw("faults", figures.gaps(figures.FAULTS.read_text(encoding="utf-8")), options.folder)
    if options.plots:
        for name, measured in kept["benches"].items():
            draw(name, list(figures.BENCHES[name].read(measured["data"])), options.folder)
        return 0
    missed = []
    for name in options.only:
        print(f"--- {name} ---", flush=True)
        if name == "citus" and extended_image.VARIABLE not in os.environ:
            print(f"Left out: name a repository with Citus in {extended_image.VARIABLE}.")
            continue
        kept["benches"][name], bad = run(name, options.least)
        missed += [name] if bad else []
        kept["benches"] = {one: kept["benches"][one] for one in figures.BENCHES if one in kept["benches"]}
        draw(name, list(figures.BENCHES[name].read(kept["benches"][name]["data"])), options.folder)
        # After each: what was measured is not lost when a later one fails.
        file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        (options.folder / "figures.md").write_text(figures.page(kept), encoding="utf-8")
    if options.folder == figures.PAGE.parent:
        figures.write(kept)
    print(f"\nLimits missed: {', '.join(missed) or 'none'}.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
