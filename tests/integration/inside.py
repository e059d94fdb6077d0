# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in containers, by Docker's own client.

The SDK's ``exec_start`` loses what a command wrote that was faster than its reader.
"""

from __future__ import annotations

import subprocess

_PATIENCE = 120.0


def inside(container: str, *words: str, user: str = "") -> tuple[int, str]:
    """Exit code, and all output, of a command in a container.

    :param user: whose it is; else the container's own.
    """
    command = ["docker", "exec", *(["--user", user] if user else []), container, *words]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_PATIENCE, check=False, text=True,
        errors="replace",
    )  # fmt: skip
    return done.returncode, done.stdout
