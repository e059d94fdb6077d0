# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of roles' variables, as Ansible evaluates them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def value_of(wanted: str, host: str, inventory: str | Path, *words: str) -> Any:
    """The value of an expression, on a host of an inventory.

    :param words: further arguments of ansible; variables, mostly.
    """
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible"), "-i", inventory, host, "-m", "debug",
            "-a", f"msg={{{{ ({wanted}) | to_json }}}}", *words,
        ],
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "SUCCESS" in done.stdout, done.stdout + done.stderr
    return json.loads(json.loads(done.stdout.partition("=> ")[2])["msg"])
