# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unchanged password is fast because little is loaded: docs/decisions/0020."""
from __future__ import annotations

import subprocess
import sys

BASE = "ansible_collections.howdah.postgresql.plugins."
# Up to the last statement of a run that changes nothing; what is not here is loaded where it is needed.
NEEDED = {
    "_shell",
    "_core.basic_errors",
    "_core.deadline",
    "_core.plan",
    "_docker.options",
    "_postgres.connect",
    "_postgres.engine",
    "_postgres.options",
    "_postgres.password",
    "_postgres.role",
    "_postgres.scram",
    "_postgres.target",
}
PROGRAM = f"""
import sys
import {BASE}modules.password
import {BASE}module_utils._postgres.engine as engine
import {BASE}module_utils._postgres.password as password
import {BASE}module_utils._postgres.scram as scram
import {BASE}module_utils._postgres.target as target
import {BASE}module_utils._core.deadline as deadline
target.resolve(target.Target(hosts=("127.0.0.1",)), deadline.Deadline(1))
(wish,) = password.wishes([{{"name": "r", "password": "secret"}}], 4096)
stored = password.Observed("r", str(scram.Verifier.derive("secret")))
assert not password.decide(wish, stored, 1_000_000).changed
print("\\n".join(sys.modules))
"""


def test_an_unchanged_password_loads_little():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = {name.partition(f"{BASE}module_utils.")[2] for name in done.stdout.split() if name.startswith(BASE)}
    assert {name for name in loaded if name not in ("", "_core", "_docker", "_postgres")} == NEEDED
    assert "docker" not in done.stdout.split()
