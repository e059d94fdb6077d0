# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients saw while something was done to a formation, as a line of docs/citus.md."""

from __future__ import annotations

import re
import time
from pathlib import Path

from citus_clients import Seen

PAGE = Path(__file__).parents[3] / "docs/citus.md"
_BLOCK = re.compile(r"(<!-- citus: [^\n]*-->\n)(.*)(<!-- /citus -->)", re.DOTALL)


def note(title: str, seen: Seen) -> None:
    """Put the figures into the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_line(page, title, seen, time.strftime("%Y-%m-%d", time.gmtime())), encoding="utf-8")


def with_line(page: str, title: str, seen: Seen, day: str) -> str:
    """The page, with a line of that title: in the place of an older one, else as the last. Pure."""
    assert seen.verdict is not None
    verdict = seen.verdict
    lost, twice = len(verdict.lost), len(verdict.twice)
    figures = [f"{seen.gap:.2f} s", verdict.acknowledged, lost, twice, seen.counts, len(seen.wrong), day]
    line = f"| {title} | {' | '.join(map(str, figures))} |\n"

    def replace(match: re.Match[str]) -> str:
        lines = match[2].splitlines(keepends=True)
        old = [index for index, text in enumerate(lines) if text.startswith(f"| {title} |")]
        where = old[0] if old else len(lines)
        lines[where : where + len(old)] = [line]
        return match[1] + "".join(lines) + match[3]

    return _BLOCK.sub(replace, page)
