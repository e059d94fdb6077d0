# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests that run playbooks share: the run itself, ports that are free, and waiting for what comes of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import yaml

# Seconds. Only what has failed takes as long: several times what the slowest needs on two cores.
PATIENCE = 300.0
TIMEOUT = 600.0
_PAUSE = 0.1


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait for something true, and return it."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(_PAUSE)
    raise AssertionError(f"waited {patience:g} s in vain: {what}")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now."""
    probes = [socket.socket() for _turn in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def write_inventory(folder: Path, inventory: Mapping[str, Any]) -> None:
    """The inventory that :func:`run_ansible` uses."""
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")


def run_ansible(
    program: str, folder: Path, words: Sequence[str], environment: Mapping[str, str], timeout: float = TIMEOUT
) -> subprocess.CompletedProcess[str]:
    """The finished process of a program of Ansible's, all of its output in ``stdout``.

    :param folder: has the inventory; it becomes the working folder, and holds the authority of the nodes.
    :param timeout: in seconds.
    """
    given = {"TIMEOUT_CHANGE_PASSWORD": "30", **environment}  # on a loaded machine 5 s are too little
    command = [str(Path(sys.executable).with_name(program)), "-i", str(folder / "inventory.yml"), *words]
    return _run(command, folder, given, timeout)


def type_commands(folder: Path, typed: Sequence[str], timeout: float = TIMEOUT) -> str:
    """What commands of a page print, all in one shell, which stops at the first that fails.

    :param folder: the working folder, which holds the authority of the nodes.
    """
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = _run(["bash", "-c", "\n".join(["set -eux", *typed])], folder, path, timeout)
    assert done.returncode == 0, done.stdout
    return done.stdout


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": "", "XDG_STATE_HOME": str(folder), **environment},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_playbook(
    folder: Path,
    inventory: Mapping[str, Any],
    words: Sequence[str],
    environment: Mapping[str, str],
    expect: int = 0,
    timeout: float = TIMEOUT,
) -> str:
    """What ansible-playbook printed.

    :param words: its arguments.
    :param expect: the exit code that it is to end with.
    """
    write_inventory(folder, inventory)
    done = run_ansible("ansible-playbook", folder, words, environment, timeout)
    assert done.returncode == expect, done.stdout
    return done.stdout
