# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three machines on this one: each a network namespace with its own address, engine and data folder, and an sshd."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Sequence

import docker

NETWORK = "10.99.77"
BRIDGE = "howdahbr"
NAMES = ("howdah1", "howdah2", "howdah3")
_COMMAND_SECONDS = 300
# Where there is no bridge of the engine's own, its containers live in the machine's network.
_ENGINE = ("--bridge=none", "--iptables=false", "--ip6tables=false")


def run(*words: str | Path, check: bool = True) -> str:
    """What a command printed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
    assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


class Machine:
    """One of them.

    :param folder: for the engine's data and socket.
    :param number: the last part of its address.
    """

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.address = f"{NETWORK}.{number}"
        self.socket = f"unix://{folder}/sock"
        self.away = False
        self._running: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True)

    def start(self) -> None:
        """Give it its network and its engine."""
        peer = f"{self.name}b"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", peer, "type", "veth", "peer", "name", "e0", "netns", self.name)
        run("ip", "link", "set", peer, "master", BRIDGE, "up")
        self.enter("ip", "address", "add", f"{self.address}/24", "dev", "e0")
        self.enter("ip", "link", "set", "lo", "up")
        self.enter("ip", "link", "set", "e0", "up")
        data, state, pid = (str(self.folder / part) for part in ("data", "exec", "pid"))
        self._spawn("dockerd", "-H", self.socket, "--data-root", data, "--exec-root", state, "-p", pid, *_ENGINE)
        for _try in range(300):
            try:
                self.client().ping()
                return
            except (docker.errors.DockerException, OSError):
                time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def limit(self, volume: str, size: str) -> None:
        """Have a volume that can become full. Its content lives as long as the machine does."""
        place = self.place(volume)
        place.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700,uid=999,gid=999", "tmpfs", place)
        options = ["--opt", "type=none", "--opt", "o=bind", "--opt", f"device={place}"]
        run("docker", "-H", self.socket, "volume", "create", *options, volume)

    def place(self, volume: str) -> Path:
        """Where the data of such a volume are."""
        return self.folder / volume

    def serve_ssh(self, program: Path, libraries: str, key: Path) -> None:
        """Have an sshd that lets root in with this key; whoever comes that way finds this engine where engines are."""
        config, allowed, users = (self.folder / name for name in ("sshd_config", "authorized_keys", "passwd"))
        host_key = self.folder / "host_key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key)
        allowed.write_text(key.with_suffix(".pub").read_text())
        # The package would make this user.
        users.write_text(Path("/etc/passwd").read_text() + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n")
        config.write_text(
            f"ListenAddress {self.address}:22\nHostKey {host_key}\nAuthorizedKeysFile {allowed}\nPidFile none\n"
            "StrictModes no\nPermitRootLogin prohibit-password\nUsePAM no\nPasswordAuthentication no\n"
            "Subsystem sftp internal-sftp\n"
        )
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        socket = self.socket.removeprefix("unix://")
        script = (
            f"mount --make-rprivate / && mount --bind {users} /etc/passwd && mount --bind {socket} /run/docker.sock"
            f" && LD_LIBRARY_PATH={libraries} exec {program} -D -e -f {config}"
        )
        self._spawn("unshare", "--mount", "sh", "-c", script)
        for _try in range(100):
            if run("ssh-keyscan", "-T", "1", self.address, check=False).strip():
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def enter(self, *words: str, check: bool = True) -> str:
        """Run a command in its network."""
        return run("nsenter", f"--net=/var/run/netns/{self.name}", *words, check=check)

    def cut(self) -> None:
        """Nobody reaches it any more: as a machine that has vanished."""
        self.away = True
        self.enter("ip", "link", "set", "e0", "down")

    def heal(self) -> None:
        """It is there again."""
        self.away = False
        self.enter("ip", "link", "set", "e0", "up")
        self.enter("iptables", "-F")

    def drop(self, ports: Sequence[int], *others: Machine) -> None:
        """Cut it off from these ports, in both directions; of all machines, its own included, or of some only."""
        for chain, which in (("OUTPUT", "-d"), ("INPUT", "-s")):
            for port in map(str, ports):
                for where in [[which, other.address] for other in others] or [[]]:
                    for side in ("--dport", "--sport"):
                        self.enter("iptables", "-A", chain, "-p", "tcp", *where, side, port, "-j", "DROP")

    def client(self) -> docker.APIClient:
        """Its engine."""
        return docker.APIClient(self.socket, version="1.41", timeout=60)

    def stop(self) -> None:
        """End what runs there, and leave nothing."""
        try:
            for entry in self.client().containers(all=True):
                self.client().remove_container(entry["Id"], force=True, v=True)
        except (docker.errors.DockerException, OSError):
            pass  # its engine is gone, and everything with it
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        # Whatever still holds the namespace, nothing is reached by it.
        run("ip", "link", "delete", f"{self.name}b", check=False)
        run("ip", "netns", "delete", self.name, check=False)
        # An engine leaves its own network namespace mounted.
        for place in (*self.folder.glob("*-data"), *self.folder.glob("exec/netns/*")):
            run("umount", "--lazy", place, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, *words: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self._running.append(
                subprocess.Popen(
                    ["nsenter", f"--net=/var/run/netns/{self.name}", *words],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip


class Bed:
    """All of them."""

    def __init__(self, folder: Path) -> None:
        self.machines = [Machine(name, 11 + index, folder / name) for index, name in enumerate(NAMES)]

    def start(self) -> None:
        """Connect them with each other and with this machine."""
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        # Where this machine's own engine forwards nothing but its own.
        run("iptables", "-I", "FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT")
        for machine in self.machines:
            machine.start()

    def stop(self) -> None:
        """Leave nothing."""
        for machine in self.machines:
            machine.stop()
        run("iptables", "-D", "FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT", check=False)
        run("ip", "link", "delete", BRIDGE, check=False)


def build_siblings() -> None:
    """Have this machine's engine hold the newest small images; the machines' have no network to build in."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    inventory = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
    siblings = ["-e", "target=localhost", "-e", '{"image_siblings": ["etcd", "haproxy"]}']
    run(program, *inventory, *siblings, "howdah.postgresql.image")


def load(machine: Machine, names: Sequence[str]) -> None:
    """Have a machine's engine hold images of this one's."""
    archive = machine.folder / "images.tar"
    run("docker", "save", "-o", archive, *names)
    run("docker", "-H", machine.socket, "load", "-i", archive)
    archive.unlink()
