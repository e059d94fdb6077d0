# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a play is about, when the user names a target: a container of another kind never becomes a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

INVENTORY = "[postgres]\npg1\n[etcd]\netcd1\n[backup]\nbackup1\n[proxy]\nproxy1\n"


@pytest.mark.parametrize(
    ("target", "servers"), [(None, {"pg1"}), ("pg1", {"pg1"}), ("backup1", set()), ("all", {"pg1"})]
)
def test_no_server_is_deployed_over_another_container(target: str | None, servers: set[str], tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(INVENTORY, encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    given = [] if target is None else ["-e", f"target={target}"]
    done = subprocess.run(
        [program, "-i", inventory, "--list-hosts", "howdah.postgresql.deploy", *given],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    plays = re.findall(r"play #\d+ .*?\): (.+?)\t.*\n.*\n    hosts \(\d+\):((?:\n      \S+)*)", done.stdout)
    hosts = {name: set(listed.split()) for name, listed in plays}
    assert hosts["Deploy the servers"] == servers, done.stdout
    assert hosts["Deploy the repositories of backups"] == ({"backup1"} if target != "pg1" else set())
