# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image with Citus and pg_stat_monitor, from a repository that whoever runs the tests names."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

VARIABLE = "HOWDAH_TEST_REPOSITORY"
NAME = "howdah-test/postgresql:15-bookworm-extensions"
# As their makers name them, for PostgreSQL 15.
PACKAGES = {"citus": r"postgresql-15-citus-[\d.]+", "pg_stat_monitor": r"percona-pg-stat-monitor15"}
BUILD_SECONDS = 900
DOWNLOAD_SECONDS = 30


def why_not(extension: str) -> str:
    """What to say where a test needs one of them, and the image under test does not have it."""
    return (
        f"the image under test has no {extension}: name a repository that has it in {VARIABLE} (tests/README.md), or an"
        " image with it in HOWDAH_TEST_IMAGE"
    )


def build(place: str) -> str:
    """Build the image with the role's own option, unless it is there and nothing changed; its name.

    :param place: a folder, or a URL, that is a flat apt repository: it holds packages and their index ``Packages``.
    """
    where: dict[str, Any] = {"uris": [place], "suites": ["./"]}
    if "://" not in place:
        where = {"folder": str(Path(place).resolve())}
        index = Path(place, "Packages").read_bytes()
    else:
        with urllib.request.urlopen(f"{place}/Packages", timeout=DOWNLOAD_SECONDS) as answer:
            index = answer.read()
    offered = re.findall(r"(?m)^Package: (.+)$", index.decode())
    packages = [name for name in offered if any(re.fullmatch(kind, name) for kind in PACKAGES.values())]
    wanted = list(PACKAGES.values())
    assert len(packages) == len(wanted), f"{VARIABLE}: {place} has to have {wanted}, and has {offered}"
    variables = {
        "target": "localhost",
        "image_name": NAME,
        "image_repositories": [{"name": "extensions", "trusted": True, "packages": packages, **where}],
    }
    # Workers of one run would build it side by side.
    with open(Path(tempfile.gettempdir(), "howdah-test-extensions.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["ansible-playbook", "howdah.postgresql.image", "-e", json.dumps(variables)],
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=BUILD_SECONDS,
        )
    assert done.returncode == 0, done.stdout[-4000:]
    return NAME
