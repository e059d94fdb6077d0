# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A further engine on this machine, as a second machine would have it: empty, with a network of its own."""
from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import docker

CLONE_NEWNET = 0x40000000
# Without a network namespace of its own, an engine without a bridge takes the first one's away; and what it mounts
# goes with its mount namespace.
START = (
    "ip link set lo up; exec dockerd -H {url} --data-root {folder}/data --exec-root {folder}/exec -p {folder}/pid"
    " {network}"
)
NO_NETWORK = "--bridge=none --iptables=false --ip6tables=false"

# In a mere chroot, BuildKit would miss a mount point at its root, and commands in containers would see the wrong one.
ENTER = (
    "set -e; mount --bind {root} {root}; for each in proc sys dev; do mount --rbind /$each {root}/$each; done;"
    " mount -t tmpfs tmpfs {root}/run; mount -t tmpfs tmpfs {root}/tmp;"
    " mkdir -p {root}{folder} {root}/mnt; mount --rbind {folder} {root}{folder};"
    " cd {root}; pivot_root . mnt; cd /; umount --lazy /mnt; export PATH=/usr/sbin:/usr/bin:/sbin:/bin; "
)


class SecondEngine:
    """Runs from its making until ``stop``; what it has lies in its folder.

    :param megabytes: the size of its disk; 0 for the machine's own.
    :param root: a folder with another system, whose dockerd it is, with a bridge; None for this one's, without.
    """

    def __init__(self, folder: Path, megabytes: int = 0, root: Path | None = None) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/sock"
        self.process: subprocess.Popen[bytes] | None = None
        self._root = root
        self._disk = folder / "data" if megabytes else None
        if self._disk:
            self._disk.mkdir()
            size = f"size={megabytes}m"
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "howdah-test", self._disk], check=True)
        self.start()

    def start(self) -> None:
        script = START if self._root is None else ENTER + START
        script = script.format(
            url=self.url, folder=self.folder, root=self._root, network=NO_NETWORK if self._root is None else ""
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "bash", "-c", script],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        for _try in range(300):
            if self.process.poll() is not None:
                break
            try:
                self.client().ping()
                return
            except (docker.errors.DockerException, OSError):  # requests' errors are OSErrors
                time.sleep(0.1)
        self.stop()
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def client(self) -> docker.APIClient:
        return docker.APIClient(self.url, version="1.41", timeout=30)

    def listen(self, port: int) -> socket.socket:
        """A socket of this process that listens on the engine's own 127.0.0.1."""
        assert self.process is not None
        made: list[socket.socket] = []

        def inside() -> None:  # only this thread gets to the other network
            with open(f"/proc/{self.process.pid}/ns/net", "rb") as namespace:  # type: ignore[union-attr]
                assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0
            made.append(socket.create_server(("127.0.0.1", port)))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join(10)
        return made[0]

    def stop(self) -> None:
        self._end(signal.SIGTERM)
        if self._disk:
            subprocess.run(["umount", "--lazy", self._disk], check=True)
            self._disk = None

    def kill(self) -> None:
        """End as a machine does in a power cut: nothing is told to end, and what lies in /run is gone."""
        containerd = int((self.folder / "exec/containerd/containerd.pid").read_text())
        self._end(signal.SIGKILL)  # first, as dockerd would start another containerd
        try:
            os.kill(containerd, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the kernel ends it with its parent
        # With its process id there, the next dockerd would take a containerd that nobody has reaped for a running one.
        shutil.rmtree(self.folder / "exec")

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        self.process.wait(30)
        self.process = None
