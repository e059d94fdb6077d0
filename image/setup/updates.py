# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what ``apt-get --simulate dist-upgrade`` prints into a label: the updates that an image lacks, as JSON.

A line of it: ``Inst libc6 [2.36-9] (2.36-9+deb12u13 Debian-Security:12/bookworm-security [amd64])``, with further
origins after commas. A package without a version in brackets would come anew.
"""
import json
import re
import sys

LABEL = "updates"
LINE = re.compile(r"Inst (?P<name>\S+)(?: \[(?P<installed>[^]]+)\])? \((?P<available>\S+) (?P<origins>.*?) \[[^]]*\]\)")


def pending(text):
    """The updates that the lines tell of, those of Debian's security archive marked. Pure.

    :raises ValueError: when apt says something that is not understood: nobody shall take that for "none".
    """
    found = []
    for line in text.splitlines():
        if not line.startswith("Inst "):
            continue
        match = LINE.match(line)
        if match is None:
            raise ValueError(f"apt-get prints a line that is not understood: {line}")
        found.append(
            {
                "package": match["name"],
                "installed": match["installed"],
                "available": match["available"],
                "security": "-Security:" in match["origins"] or "-security" in match["origins"],
            }
        )
    return found


if __name__ == "__main__":
    print(json.dumps({"labels": {LABEL: json.dumps(pending(sys.stdin.read()))}}))
