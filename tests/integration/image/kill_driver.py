# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a container without a server: the entrypoint is killed before each thing that it does to the volume.

After each kill it is started again, up to where it would become the init; then the cluster must be complete, its
superuser have the verifier of POSTGRES_PASSWORD, and each init script have run once. Arguments: after how many steps
comes the next kill, and where the cluster is. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

sys.path.insert(0, "/opt/container/lib")

from howdah.entrypoint import main

VOLUME = "/var/lib/postgresql/data"
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}
PROGRAMS = {"subprocess.Popen", "os.posix_spawn"}
SCRIPTS = bool(os.listdir("/docker-entrypoint-initdb.d"))
STRIDE, PGDATA = int(sys.argv[1]), sys.argv[2]
BACKEND = f"/usr/lib/postgresql/{os.environ['PG_MAJOR']}/bin/postgres"


def start(last: int | None) -> tuple[bool, str]:
    """Start the entrypoint in a process of its own; whether it came to its end, and before what it was killed.

    :param last: the number of the step before which it is killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        steps = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal steps
            if event == "os.exec":
                os._exit(0)  # it would become the init now
            writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            changes = (event in CHANGES or writes) and str(arguments[0]).startswith(VOLUME)
            if changes or event in PROGRAMS:
                steps += 1
                if steps == last:
                    os.write(writer, f"{event} {arguments[0]}".encode())
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        os._exit(main.main([]))
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        where = told.read().decode()
    status = os.waitpid(child, 0)[1]
    _kill_all_others()
    assert where or status == 0, f"exit status {status}"
    return not where, where


def _kill_all_others() -> None:
    """As the end of a container does: this is its first process, so all others become its children."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                os.kill(int(name), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def is_whole() -> bool:
    """Whether the superuser has the verifier, and what scripts make is there once, by the catalog itself."""
    question = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'\n"
    question += "SELECT count(*) AS made FROM made\n" if SCRIPTS else ""
    command = [BACKEND, "--single", "-D", PGDATA, "app"]
    answer = subprocess.run(command, input=question, capture_output=True, text=True, check=True).stdout
    return os.environ["POSTGRES_PASSWORD"] in answer and ('made = "1"' in answer) == SCRIPTS


def run() -> None:
    killed, wrong = [], []
    step, complete = 1, False
    while not complete:
        for name in os.listdir(VOLUME):
            path = f"{VOLUME}/{name}"
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        complete, where = start(step)
        killed.append(where)
        ended = complete or start(None)[0]
        left = [name for name in os.listdir(VOLUME) if "journal" in name or "staging" in name]
        if not ended or left or not is_whole():
            wrong.append(where)
        step += STRIDE
    print(json.dumps({"killed": killed, "wrong": wrong}))


run()
