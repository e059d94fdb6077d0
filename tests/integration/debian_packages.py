# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the machine's own Debian, unpacked into a folder and not installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

DOWNLOAD_SECONDS = 120
UNPACK_SECONDS = 60


def unpack(folder: Path, *packages: str) -> None:
    """Fetch packages with apt, and unpack them.

    The test is skipped where apt cannot fetch them, and says what apt said; whatever else goes wrong is its failure.
    """
    folder.mkdir(exist_ok=True)
    command = ["apt-get", "download", "-q", *packages]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except FileNotFoundError:
        pytest.skip("Debian's packages cannot be had here: there is no apt-get")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"apt cannot fetch {', '.join(packages)} here: {error.stderr or error}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder], check=True, capture_output=True, timeout=UNPACK_SECONDS)
        package.unlink()
