# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What faults did, as the documentation shows it. Pure, but for the facts of the machine."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from typing import Mapping, Sequence

from fault_kinds import FAULTS, Suffered

_TABLE = re.compile(r"(<!-- faults: [^\n]*-->\n).*(<!-- /faults -->)", re.DOTALL)


def with_table(page: str, found: Mapping[str, Mapping[str, Sequence[Suffered]]]) -> str:
    """The page, with the figures in it.

    :param found: by mode, and by kind of fault.
    """
    return _TABLE.sub(lambda match: f"{match[1]}{machine()}\n\n{table(found)}\n{match[2]}", page)


def table(found: Mapping[str, Mapping[str, Sequence[Suffered]]]) -> str:
    """One line a fault and mode."""
    lines = [
        "| Fault | Mode | Times | Longest gap, median | Longest gap, worst | Acknowledged | Lost | Twice |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, fault in FAULTS.items():
        for mode, kinds in found.items():
            runs = kinds.get(kind, ())
            if runs:
                gaps = [gap for run in runs for gap in run.gaps]
                counts = [
                    sum(run.verdict.acknowledged for run in runs),
                    sum(len(run.verdict.lost) for run in runs),
                    sum(len(run.verdict.twice) for run in runs),
                ]
                words = [fault.title, mode, str(len(gaps)), f"{statistics.median(gaps):.2f} s", f"{max(gaps):.2f} s"]
                lines.append("| " + " | ".join([*words, *map(str, counts)]) + " |")
    return "\n".join(lines)


def machine() -> str:
    """Where and when."""
    with open("/proc/meminfo", encoding="ascii") as file:
        kilobytes = int(file.readline().split()[1])
    load, day = os.getloadavg()[2], time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"Measured on {day}: {os.cpu_count()} cores, {kilobytes / 1048576:.0f} GiB "
        f"of memory, Linux {platform.release()}; load average of the last 15 minutes {load:.1f}."
    )
