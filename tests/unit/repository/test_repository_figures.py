# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/figures.md and the README show what the benches measured, and nothing else."""

from __future__ import annotations

import itertools
import json
from typing import Any

import figures
import pytest

START: dict[str, Any] = {
    "limits": {"fresh": 1.2, "existing": 1.3},
    "seconds": {
        "floor fresh": [1.0, 3.0, 2.0], "image fresh": [2.6], "floor existing": [1.0, 3.0], "image existing": [2.0],
    },
}  # fmt: skip
MACHINE = {
    "cores": 2,
    "processor": "x",
    "memory": 24,
    "kernel": "6",
    "engine": "28",
    "storage": "overlay2",
    "core": "2",
}
RUN = {"date": "2026-01-31", "machine": MACHINE, "arguments": ["--rounds", "3"], "load": [0.5, 1.0], "data": START}
LATER = {**RUN, "date": "2026-02-01", "data": {"sizes": [{"nodes": 12, "first": 2.0, "second": 1.0}], "ratio": 3}}


def test_a_page_has_medians_ratios_and_what_was_missed() -> None:
    page = figures.page({"benches": {"start": RUN}})
    assert "| fresh volume: the image | 2.600 s | 1.30 | 1.2 **missed** |" in page
    assert "| existing volume: the image | 2.000 s | 1.00 | 1.3 |" in page
    assert "| fresh volume: bare initdb and postgres | 2.000 s |  |  |" in page
    assert "start.py --rounds 3`; load average 0.5 before, 1.0 after. Measured on 2026-01-31: 2 cores (x)" in page


def test_the_page_is_that_of_its_data() -> None:
    if not figures.DATA.exists():
        assert not figures.PAGE.exists(), "figures without data"
        return
    data = json.loads(figures.DATA.read_text(encoding="utf-8"))
    assert data["benches"]
    assert figures.PAGE.read_text(encoding="utf-8") == figures.page(data), "run tests/tools/figures.py"
    assert [name for name in data["benches"] if not (figures.PAGE.parent / figures.picture(name)).is_file()] == []


def test_the_readmes_figures_are_of_the_pages() -> None:
    data, faults = figures.DATA.read_text(encoding="utf-8"), figures.FAULTS.read_text(encoding="utf-8")
    readme = figures.README.read_text(encoding="utf-8")
    assert readme == figures.with_selection(readme, json.loads(data), faults), "run tests/tools/figures.py"
    assert readme.count("<!-- figures: ") == readme.count("<!-- /figures -->") == 1


def test_a_row_of_the_readme_is_one_bar_and_what_it_is_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    both = itertools.product(START["limits"], ("x", ""))
    chosen = [figures.Chosen("start", f"{kind} volume: the image", kind, peer) for kind, peer in both]
    monkeypatch.setattr(figures, "CHOSEN", chosen)
    data = {"benches": {"start": RUN, "cluster": LATER}}
    rows = list(figures.selection(data, "Measured on 2026-01-30: x"))
    assert rows[6] == "\nMeasured from 2026-01-30 to 2026-02-01; the pages tell when and on which machine."
    assert rows[2:6] == [
        "| fresh | 2.6 s | 2.0 s: x |",
        "| fresh | 2.6 s |  |",
        "| existing | 2.0 s | 2.0 s: x |",
        "| existing | 2.0 s |  |",
    ]
    for none_or_two in ("no such bar", "*"):
        monkeypatch.setattr(figures, "CHOSEN", [figures.Chosen("start", none_or_two, "x")])
        with pytest.raises(ValueError):
            list(figures.selection(data, ""))


@pytest.mark.parametrize("name", list(figures.BENCHES))
def test_every_bench_can_write_its_figures(name: str) -> None:
    text = (figures.ROOT / f"tests/bench/{name}.py").read_text(encoding="utf-8")
    assert '"--json"' in text


def test_the_gaps_of_all_faults_are_drawn() -> None:
    page = figures.FAULTS.read_text(encoding="utf-8")
    bars = figures.gaps(page)
    assert len(bars) == page.split("<!-- /faults -->")[0].count("| synchronous |") > 5
    assert all(one.seconds > 0 for one in bars)
    assert f"({figures.picture('faults')})" in page
    assert (figures.PAGE.parent / figures.picture("faults")).is_file(), "run tests/bench/all.py --plots"
