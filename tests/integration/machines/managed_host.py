# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the machines managed hosts: an sshd on each, and Debian's own Python libraries, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from debian_packages import unpack
from machine_bed import Bed, run

# What the role `engine` installs, with what these need and a small system may lack; unpacked, not installed.
LIBRARIES = (
    "python3-docker", "python3-requests", "python3-urllib3", "python3-certifi", "python3-chardet",
    "python3-charset-normalizer", "python3-idna", "python3-websocket", "python3-packaging", "python3-six",
    "python3-psycopg2", "libpq5", "libldap-2.5-0", "libsasl2-2",
)  # fmt: skip
SERVER = ("openssh-server", "libwrap0")


def managed_host(bed: Bed, folder: Path) -> dict[str, Any]:
    """Start what is needed; the variables of the hosts."""
    unpack(folder / "server", *SERVER)
    unpack(folder / "libraries", *LIBRARIES)
    key = folder / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    python = folder / "python3"
    _script(python, folder / "libraries", "/usr/bin/python3")
    for machine in bed.machines:
        machine.serve_ssh(folder / "server/usr/sbin/sshd", libraries(folder / "server"), key)
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        "ansible_python_interpreter": str(python),
    }


def _script(path: Path, folder: Path, program: str) -> None:
    """Something that runs a program with the libraries of a folder, and none of the controller's."""
    environment = f"PYTHONPATH={folder}/usr/lib/python3/dist-packages LD_LIBRARY_PATH={libraries(folder)}"
    path.write_text(f'#!/bin/sh\nunset VIRTUAL_ENV\nexec env {environment} {program} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def libraries(folder: Path) -> str:
    """The folders of shared libraries in an unpacked package."""
    found = {str(path.parent) for path in folder.glob("**/*.so.*")}
    return ":".join(sorted(found))
