# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role engine where no engine answers: in namespaces of its own, beside the machine's engine, which it cannot see.

A private /run hides the machine's socket and process files, a private network keeps the second engine's bridge and
packet filter apart, private folders take its data and log. The second engine is stopped by its own number.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - ansible.builtin.import_role: {name: howdah.postgresql.engine}
"""
ISOLATE = """
set -eu
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir -p /run/lock lib log
mount --bind lib /var/lib/docker
mount --bind log /var/log
play() { ansible-playbook -i localhost, play.yml "$@" 2>&1; }
engine() {
  for process in /proc/[0-9]*; do
    if [ "$(cat $process/comm 2>/dev/null)" != dockerd ]; then continue; fi
    if [ $process/ns/mnt -ef /proc/self/ns/mnt ]; then basename $process; fi
  done
}
stop() {
  for pid in $(engine); do
    kill $pid
    for _ in $(seq 100); do if ! kill -0 $pid 2>/dev/null; then break; fi; sleep 0.1; done
  done
}
trap stop EXIT
"""


def isolated(folder: Path, script: str) -> str:
    """Standard output of a script in namespaces of its own."""
    (folder / "play.yml").write_text(PLAY)
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--propagation", "private", "bash", "-c", ISOLATE + script],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def recaps(output: str) -> list[tuple[int, int]]:
    """Numbers of changed and failed tasks, play by play."""
    found = re.findall(r"changed=(\d+)\s+unreachable=0\s+failed=(\d+)", output)
    return [(int(changed), int(failed)) for changed, failed in found]


def test_start_without_systemd(tmp_path: Path) -> None:
    """Check mode says it, the run does it in spite of stale process files, the second run has nothing to do."""
    script = """
    mkdir -p /run/docker/containerd
    for file in docker.pid docker-ssd.pid docker/containerd/containerd.pid; do echo 1 > /run/$file; done
    play --check; echo "running: $(engine)"
    play; echo "running: $(engine)"
    play
    pid=$(engine)
    echo "files: $(cat /run/docker.pid) $(cat /run/docker-ssd.pid); session: $(ps -o ppid=,tty= -p $pid | xargs)"
    [ "$(ps -o sid= -p $pid)" -ne "$(ps -o sid= -p $$)" ] && echo a session of its own
    grep -c 'API listen' /var/log/docker.log
    docker -H unix:///run/docker.sock info --format '{{.Driver}}'
    """
    output = isolated(tmp_path, script)
    assert recaps(output) == [(1, 0), (2, 0), (0, 0)]
    assert "Would start the container engine." in output
    before, after = re.findall(r"^running:(.*)$", output, re.M)
    assert not before.strip() and after.strip().isdigit()
    pid = after.strip()
    assert f"files: {pid} {pid}; session: 1 ?" in output
    assert output.rstrip().endswith("a session of its own\n1\noverlay2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("-e docker_host=unix:///run/elsewhere.sock", "No container engine answers at unix:///run/elsewhere.sock"),
        ("-e docker_host=unix:///run/elsewhere.sock", "installs one only at unix:///var/run/docker.sock"),
        ("-e '{engine_install: false}'", "engine_install is false"),
        ("--check -e '{engine_install: false}'", "engine_install is false"),
    ],
)
def test_what_is_not_the_roles_to_start(tmp_path: Path, arguments: str, words: str) -> None:
    output = isolated(tmp_path, f'play {arguments} || true; echo "running: $(engine)"')
    assert recaps(output) == [(0, 1)]
    assert words in " ".join(output.split())
    assert re.search(r"^running:\s*$", output, re.M)


def test_no_engine_and_no_right_to_install_one(tmp_path: Path) -> None:
    # The user may read everything, so that the tools work wherever they are, and is root in nothing else.
    script = """
    mkdir -m 0777 /run/home; export HOME=/run/home ANSIBLE_REMOTE_TMP=/run/home/tmp
    setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search \
      ansible-playbook -i localhost, play.yml 2>&1 || true
    """
    output = isolated(tmp_path, script)
    assert recaps(output) == [(0, 1)], output
    assert "To install or start what is missing, nobody would have to be root" in " ".join(output.split())
