# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for a password all over a cluster, while its site is deployed once more: SCENARIO-FOLDER ETCD CONTAINER,…

The password comes on standard input. Prints, last, the places where it is as a list in JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import docker

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/integration"))
from leaks import Scan

TLS = "/etc/howdah/tls"
_LIMIT = 300  # seconds for a playbook


def etcd_content(container: str) -> bytes:
    """All keys and values that etcd holds; there must be some."""
    options = [f"--cacert={TLS}/ca.crt", f"--cert={TLS}/node.crt", f"--key={TLS}/node.key"]
    command = ["docker", "exec", "-e", "ETCDCTL_API=3", container, "etcdctl", *options, "get", "--prefix", "/"]
    content = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    assert b"/config" in content, content
    return content


def main() -> None:
    """Scan, and tell."""
    folder, etcd, names = sys.argv[1:]
    password = sys.stdin.read().strip()
    client = docker.APIClient()
    with Scan([password]) as scan:
        inventory, playbook = f"--inventory={folder}/inventory.yml", f"{folder}/converge.yml"
        command = ["ansible-playbook", "-vvv", "--diff", inventory, playbook]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LIMIT, env=dict(os.environ), check=False
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-4000:]
        scan.text("ansible", done.stdout)
        scan.text("etcd", etcd_content(etcd))
        for name in names.split(","):
            scan.container(client, name)
    print(json.dumps(scan.places()))


if __name__ == "__main__":
    main()
