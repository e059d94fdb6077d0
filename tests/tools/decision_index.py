# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/decisions/README.md, the list of all decisions, from their first lines:

python tests/tools/decision_index.py
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs/decisions"
PAGE = FOLDER / "README.md"
HEAD = """\
# Decisions

One page for each decision that a reader of the code would otherwise question: what was decided, why (with the
experiment, where there was one), and what follows from it. Numbers go by area, and are never used again. This list is
made by `tests/tools/decision_index.py`.

| Number | Decision |
|---|---|
"""


def pages() -> list[Path]:
    """The pages of decisions, by number."""
    return sorted(path for path in FOLDER.glob("*.md") if path != PAGE)


def title(path: Path) -> str:
    """What the page's first line says, without the number that some repeat."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return re.sub(r"^# (\d+\. )?", "", first)


def index() -> str:
    """The list as it should be."""
    return HEAD + "".join(f"| {path.name[:4]} | [{title(path)}]({path.name}) |\n" for path in pages())


if __name__ == "__main__":
    PAGE.write_text(index(), encoding="utf-8")
