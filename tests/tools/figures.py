# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/figures.md shows of a run of tests/bench/all.py: tables, and bars for the plots. Nothing else is in it.

python tests/tools/figures.py writes the page anew from docs/figures.json, and the selection of it and of docs/faults.md
that the README shows; the plots are drawn by the bench alone.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "docs/figures.json"
PAGE = ROOT / "docs/figures.md"
README = ROOT / "README.md"
HEAD = """\
# Figures

How fast things are, beside what else does the same: the bare commands, the collections community.docker and
community.postgresql (of PyPI's package `ansible`), plain `docker build`. All of a table were measured in one run on one
machine, turn by turn, and are medians. *Limit* is what the bench asks of the ratio; it fails when one is missed, and
says so here. `python tests/bench/all.py` makes this page, its pictures and [its data](figures.json); nobody else does.
How long writing stops when something fails is another page: [Faults](faults.md).
"""


class Bar(NamedTuple):
    """A measured time.

    :param what: for the table and the plot.
    :param seconds: the median.
    :param beside: how long the other one takes, which the ratio refers to; None for the other one itself.
    :param limit: the most that the ratio may be.
    """

    what: str
    seconds: float
    beside: float | None = None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """Of this one's time to the other's."""
        return None if self.beside is None else self.seconds / self.beside


def median(values: list[float]) -> float:
    """The middle one, or the mean of both."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def start(data: Mapping[str, Any]) -> Iterator[Bar]:
    """The bench of the start."""
    for kind, limit in data["limits"].items():
        floor = median(data["seconds"][f"floor {kind}"])
        yield Bar(f"{kind} volume: bare initdb and postgres", floor)
        yield Bar(f"{kind} volume: the image", median(data["seconds"][f"image {kind}"]), floor, limit)


def password(data: Mapping[str, Any]) -> Iterator[Bar]:
    """The bench of an unchanged password."""
    seconds = {name: value / 1000 for name, value in data["ms"].items()}
    yield Bar("a bare ping", seconds["ping"])
    yield Bar("one role: community.postgresql", seconds["peer"])
    yield Bar("one role: password", seconds["ours"], seconds["peer"], 1.0)
    yield Bar("one role: password, sent as over SSH", seconds["ours, sent"], seconds["peer"], 1.0)
    yield Bar("ten roles: ten tasks of community.postgresql", seconds["peer, ten tasks"])
    yield Bar("ten roles: one task, sent as over SSH", seconds["ours, ten roles"], seconds["peer, ten tasks"], 0.15)


def modules(data: Mapping[str, Any]) -> Iterator[Bar]:
    """The bench of image and container."""
    for one in data["figures"]:
        yield Bar(f"{one['what']}: peer", one["theirs"])
        yield Bar(f"{one['what']}: ours", one["ours"], one["theirs"], one["limit"])


def cluster(data: Mapping[str, Any]) -> Iterator[Bar]:
    """The bench of whole clusters."""
    least = data["sizes"][0]
    for size in data["sizes"]:
        yield Bar(f"{size['nodes']} nodes: from nothing to healthy", size["first"])
        beside = (None, None) if size is least else (least["second"], data["ratio"])
        yield Bar(f"{size['nodes']} nodes: second run, nothing to do", size["second"], *beside)


def backup(data: Mapping[str, Any]) -> Iterator[Bar]:
    """The bench of backups and restores."""
    for what in ("backup", "restore"):
        bare, ours = data[f"{what} bare (s)"], data[f"{what} ours (s)"]
        title = f"{what} of {data['cluster (GB)']:.1f} GB"
        yield Bar(f"{title}: pgbackrest itself", bare)
        yield Bar(f"{title}: a task", ours, bare)
        yield Bar(f"{title}: a task, less an empty one", ours - data["empty task (s)"], bare, data["limit"])
    yield Bar("what the repository adds to a second run of deploy, its check included", data["role again (s)"])


def citus(data: Mapping[str, Any]) -> Iterator[Bar]:
    """The bench of formations."""
    formation, plain = data["formation"], data["plain"]
    yield Bar(f"{data['nodes']} nodes of one cluster: second run", plain["second"])
    yield Bar(f"{data['nodes']} nodes of a formation: second run", formation["second"], plain["second"], data["ratio"])
    yield Bar(f"aggregate over {data['rows']} rows of one node", formation["whole"])
    spread = f"aggregate over {data['rows']} rows in {data['shards']} shards on {data['workers']} workers"
    yield Bar(spread, formation["spread"], formation["whole"])


class Bench(NamedTuple):
    """A bench: what it measures, the sentence above its table, its reader, and its arguments by size."""

    title: str
    about: str
    read: Callable[[Mapping[str, Any]], Iterator[Bar]]
    usual: tuple[str, ...]
    least: tuple[str, ...]


BENCHES = {
    "start": Bench(
        "Start of a container",
        "From creating the container to the first login over TCP.",
        start,
        ("--rounds", "7"),
        ("--rounds", "1"),
    ),
    "password": Bench(
        "A password that is right already",
        "The time of the task, as Ansible tells it, against one server on 127.0.0.1.",
        password,
        ("--rounds", "15"),
        ("--rounds", "1"),
    ),
    "modules": Bench(
        "Containers and images",
        "A task, as Ansible tells it, against community.docker or a task that runs `docker build`.",
        modules,
        ("7",),
        ("1",),
    ),
    "cluster": Bench(
        "Whole clusters",
        "The playbook `site` with etcd and a proxy, all on one engine.",
        cluster,
        ("3", "3", "12"),
        ("1", "1"),
    ),
    "backup": Bench(
        "Backups and restores",
        "A full backup, and a restore into an empty volume with recovery; the fastest of the rounds, which take turns."
        " The last row is the median of five times the playbook `deploy` of all, less that of the server alone; more"
        " than 3 s are too much.",
        backup,
        ("--gigabytes", "5", "--rounds", "3"),
        ("--gigabytes", "0.1", "--rounds", "1"),
    ),
    "citus": Bench(
        "Citus",
        "The playbook `deploy` of a coordinator and two groups of workers, two nodes each, against a cluster of as many"
        " nodes; and an aggregate on the one machine, whose cores all nodes share.",
        citus,
        ("3", "2000000"),
        ("1", "20000"),
    ),
}


FAULTS = ROOT / "docs/faults.md"
_FAULT = re.compile(r"^\| (.+?) \| synchronous \| \d+ \| ([\d.]+) s \|", re.MULTILINE)


def gaps(page: str) -> list[Bar]:
    """How long nothing is acknowledged when something fails: the medians of docs/faults.md, of the default mode."""
    return [Bar(what.replace("`", ""), float(seconds)) for what, seconds in _FAULT.findall(page)]


def picture(name: str) -> str:
    """Where the plot of a bench is, from the page."""
    return f"pictures/figures-{name}.svg"


def table(bars: list[Bar]) -> Iterator[str]:
    """The table of a bench, line by line."""
    yield "| What | Time | Ratio | Limit |"
    yield "|---|---:|---:|---:|"
    for one in bars:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        missed = one.ratio is not None and one.limit is not None and one.ratio > one.limit
        limit = "" if one.limit is None else f"{one.limit:g}" + (" **missed**" if missed else "")
        yield f"| {one.what} | {one.seconds:.3f} s | {ratio} | {limit} |"


def _measured(bench: Mapping[str, Any]) -> str:
    """When and where a bench was run; not all are run on one day."""
    machine = bench["machine"]
    return (
        f"Measured on {bench['date']}: {machine['cores']} cores ({machine['processor']}), {machine['memory']} GiB of"
        f" memory, Linux {machine['kernel']}, Docker Engine {machine['engine']} with {machine['storage']},"
        f" ansible-core {machine['core']}."
    )


def page(data: Mapping[str, Any]) -> str:
    """The page as it should be, from what a run has measured."""
    lines = [HEAD]
    for name, result in data["benches"].items():
        bench = BENCHES[name]
        bars = list(bench.read(result["data"]))
        words = " ".join(result["arguments"])
        lines += [
            f"\n## {bench.title}\n",
            f"{bench.about} `tests/bench/{name}.py {words}`; load average {result['load'][0]:.1f} before,"
            f" {result['load'][1]:.1f} after. {_measured(result)}\n",
            f"![{bench.title}, in seconds]({picture(name)})\n",
            *table(bars),
        ]
    return "\n".join(lines) + "\n"


class Chosen(NamedTuple):
    """A row of the README.

    :param source: the name of a bench, or `faults`.
    :param name: which of its bars, as a pattern of file names.
    :param what: for the table.
    :param peer: what it is beside; empty if there is nothing to be beside.
    """

    source: str
    name: str
    what: str
    peer: str = ""


CHOSEN = (
    Chosen("password", "one role: password", "a password that is right already", "`community.postgresql`"),
    Chosen("password", "ten roles: one task*", "ten of them, in a task sent as over SSH", "ten tasks of it"),
    Chosen("modules", "unchanged container /*: ours", "a container that is right already", "`community.docker`"),
    Chosen("modules", "unchanged container, sent*: ours", "the same, sent as over SSH", "the same"),
    Chosen("modules", "cold build / docker build*: ours", "a small image built from nothing", "`docker build`"),
    Chosen("modules", "warm build * / docker build*: ours", "the same after a change of a file", "`docker build`"),
    Chosen("start", "existing volume: the image", "a container on data of before, until the first login", "`postgres`"),
    Chosen("backup", "restore of * GB: a task", "a restore of {size} GB", "`pgbackrest` itself"),
    Chosen("cluster", "12 nodes: from nothing*", "`site` for a cluster of 12 nodes, from nothing"),
    Chosen("cluster", "12 nodes: second run*", "`site` again, with nothing to do"),
    Chosen("faults", "planned switchovers *, to whom Patroni*", "writes stop: a switchover"),
    Chosen("faults", "the leader's postgres killed*", "writes stop: the leader's server was killed"),
    Chosen("faults", "*container killed and left dead", "writes stop: the leader vanished without a word"),
)
_DATE = re.compile(r"^Measured on ([\d-]+)", re.MULTILINE)
_SELECTION = re.compile(r"(<!-- figures: [^\n]*-->\n).*(<!-- /figures -->)", re.DOTALL)


def selection(data: Mapping[str, Any], faults: str) -> Iterator[str]:
    """What the README shows, line by line.

    :param data: what a run has measured.
    :param faults: the page of faults.
    :raises ValueError: a pattern does not select exactly one of them.
    """
    bars = {name: list(BENCHES[name].read(result["data"])) for name, result in data["benches"].items()}
    bars["faults"] = gaps(faults)
    yield "| What | Time | Beside |"
    yield "|---|---:|---|"
    for one in CHOSEN:
        (found,) = [found for found in bars[one.source] if fnmatchcase(found.what, one.name)]
        what = one.what.format(size="".join(re.findall(r"of ([\d.]+) GB", found.what)))
        beside = f"{_short(found.beside)}: {one.peer}" if one.peer and found.beside is not None else ""
        yield f"| {what} | {_short(found.seconds)} | {beside} |"
    dates = sorted({*(result["date"] for result in data["benches"].values()), *_DATE.findall(faults)})
    yield f"\nMeasured from {dates[0]} to {dates[-1]}; the pages tell when and on which machine."


def _short(seconds: float) -> str:
    """A time for people."""
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"


def with_selection(readme: str, data: Mapping[str, Any], faults: str) -> str:
    """The README as it should be."""
    lines = "\n".join(selection(data, faults))
    return _SELECTION.sub(lambda found: f"{found[1]}{lines}\n{found[2]}", readme)


def write(data: Mapping[str, Any]) -> None:
    """Write the page, and the README's selection."""
    PAGE.write_text(page(data), encoding="utf-8")
    faults = FAULTS.read_text(encoding="utf-8")
    README.write_text(with_selection(README.read_text(encoding="utf-8"), data, faults), encoding="utf-8")


if __name__ == "__main__":
    write(json.loads(DATA.read_text(encoding="utf-8")))
