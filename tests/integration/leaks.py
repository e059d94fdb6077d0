# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for secrets everywhere that they must not be. The fixture `leaks` hands out scans:

    with leaks(password) as scan:               # from here on, all processes of this machine are watched
        ...                                     # start containers, run playbooks
        scan.text("ansible", output)
        scan.container(client, identity)        # logs, inspect, image history, files
        scan.database(sql)                      # statistics views, environment of the server's children
    assert scan.places() == []                  # or exactly the places that docs/security.md lists

It reads /proc of the machine that the engine runs on, so both must be the same, and the user root.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator

# Where in a container anything is written. The rest of it is the image, whose history and layers know no run.
WRITTEN = ("dev/shm", "etc", "home", "opt", "root", "run", "srv", "tmp", "var")
_VIEWS = {
    "pg_stat_activity": "SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
    "pg_stat_statements": "SELECT query FROM pg_stat_statements",
    "pg_stat_monitor": "SELECT query FROM pg_stat_monitor",
}
_CONTAINER = re.compile(rb"/docker[-/]([0-9a-f]{64})")
_PROGRAM = re.compile(r"howdah\.entrypoint\.(\w+)|/opt/container/bin/([\w-]+)")
_READY = "ready\n"
Sql = Callable[[str], Iterable[Any]]


def needles(secret: str) -> list[bytes]:
    """The spellings in which programs pass a secret on: as it is, quoted for JSON, SQL and URLs, encoded."""
    from urllib.parse import quote

    raw = secret.encode()
    # Base64 of a text within another one depends on its place in it: whatever does not is looked for.
    encoded = [base64.b64encode(b"\0" * shift + raw)[shift + bool(shift) : -4] for shift in range(3)]
    spellings = [raw, json.dumps(secret)[1:-1].encode(), secret.replace("'", "''").encode(), quote(secret).encode()]
    return list(dict.fromkeys([*spellings, raw.hex().encode(), *encoded]))


class Scan:
    """What was found of some secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        # A short one is in everything by chance.
        assert all(len(secret) >= 12 for secret in self._secrets), "a canary has at least 12 characters"
        self._needles = [needle for secret in self._secrets for needle in needles(secret)]
        self._found: dict[str, None] = {}
        self._watcher: subprocess.Popen[str] | None = None

    def __enter__(self) -> Scan:
        # A process of its own: nothing that the test does keeps it from looking.
        command = [sys.executable, "-I", __file__]
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._watcher.stdin and self._watcher.stdout
        self._watcher.stdin.write(json.dumps([needle.hex() for needle in self._needles]) + "\n")
        self._watcher.stdin.flush()
        assert self._watcher.stdout.readline() == _READY
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._watcher
        out, _err = self._watcher.communicate(timeout=30)
        for place in json.loads(out):
            self._found[place] = None

    def places(self) -> list[str]:
        """Where the secrets were found, once the scan is over; in words, sorted."""
        return sorted(self._found)

    def text(self, place: str, text: str | bytes) -> None:
        """Look into what something printed or returned."""
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        if any(needle in raw for needle in self._needles):
            self._found[place] = None

    def container(self, client: Any, identity: str) -> None:
        """Look into a running container: its logs, what the engine tells of it, its image's history, its files."""
        told = client.inspect_container(identity)
        self.text("container logs", client.logs(identity))
        for part, value in told.items():
            self.text(f"inspect {part}", json.dumps(value, ensure_ascii=False))
        self.text("image history", json.dumps(client.history(told["Image"]), ensure_ascii=False))
        self.text("inspect image", json.dumps(client.inspect_image(told["Image"]), ensure_ascii=False))
        assert told["State"]["Running"], "the files of a container that has ended cannot be looked at"
        root = Path(f"/proc/{told['State']['Pid']}/root")
        self.files(root, *WRITTEN)

    def files(self, root: Path, *folders: str) -> None:
        """Look into all files of these folders; the places found are named as seen from the root."""
        looked = 0
        for folder in folders:
            for path in _regular_files(root / folder):
                looked += 1
                try:
                    self.text(f"file /{path.relative_to(root)}", path.read_bytes())
                except FileNotFoundError:
                    pass  # a server at work removes files
        assert looked, f"there are no files in {root}"

    def database(self, sql: Sql) -> None:
        """Look into the statistics views that are installed, and the environment of the server's children.

        :param sql: runs a statement as superuser, and returns its rows.
        """
        installed = {row[0] for row in sql("SELECT extname FROM pg_extension")} | {"pg_stat_activity"}
        for view, question in _VIEWS.items():
            if view in installed:
                self.text(view, repr(list(sql(question))))
        said = sql("CREATE TEMPORARY TABLE said (line text); COPY said FROM PROGRAM 'env'; SELECT line FROM said")
        self.text("COPY FROM PROGRAM 'env'", repr(list(said)))

    def sample(self, sql: Sql) -> Sampler:
        """Look into pg_stat_activity all the time that the block lasts."""
        return Sampler(self, sql)


class Sampler(threading.Thread):
    """Reads pg_stat_activity as fast as it can; ``samples`` tells how often it has."""

    def __init__(self, scan: Scan, sql: Sql) -> None:
        super().__init__(daemon=True)
        self._scan = scan
        self._sql = sql
        self._end = threading.Event()
        self.samples = 0

    def run(self) -> None:
        while not self._end.is_set():
            self._scan.text("pg_stat_activity", repr(list(self._sql(_VIEWS["pg_stat_activity"]))))
            self.samples += 1

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self.join(timeout=10)
        assert self.samples, "pg_stat_activity was never read"


def _regular_files(folder: Path) -> Iterator[Path]:
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path
            except FileNotFoundError:
                pass  # a server at work removes files


# --- the watcher: a program -------------------------------------------------------------------------

# A process that has been the same for so many rounds is looked at only in each round of that number.
_SETTLED = 50


def _watch() -> None:
    """Look at all processes until standard input ends, then print where one of the needles was."""
    import select

    wanted = [bytes.fromhex(needle) for needle in json.loads(sys.stdin.readline())]
    own = str(os.getpid())
    seen: dict[str, tuple[bytes, bytes, int]] = {}
    found: dict[str, None] = {}
    turn = 0
    print(_READY, end="", flush=True)
    while not select.select([sys.stdin], [], [], 0.0005)[0]:  # the pause leaves a core to what is watched
        turn += 1
        running = {name for name in os.listdir("/proc") if name.isdigit() and name != own}
        for pid in running:
            cmdline, environ, since = seen.get(pid, (b"", b"", turn))
            if turn - since > _SETTLED and turn % _SETTLED:
                continue
            shown = _read(f"/proc/{pid}/cmdline"), _read(f"/proc/{pid}/environ")
            if shown != (cmdline, environ):
                since = turn
                # In the middle of an exec a process has no command line yet; and after the first of the two it may have
                # become another program, whose environment this is.
                who = {"cmdline": shown[0], "environ": _read(f"/proc/{pid}/cmdline") or shown[0]}
                for part, value in zip(who, shown):
                    if any(needle in value for needle in wanted):
                        found[f"{part} of {_who(pid, who[part])}"] = None
            seen[pid] = (*shown, since)
        for pid in seen.keys() - running:
            del seen[pid]
    print(json.dumps(list(found)))


def _read(path: str) -> bytes:
    """A file of /proc; nothing when the process has just ended, or is one of the kernel's."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def _who(pid: str, cmdline: bytes) -> str:
    """Whose process, and which program; of a program of ours, which one."""
    inside = _CONTAINER.search(_read(f"/proc/{pid}/cgroup"))
    line = " ".join(word.decode(errors="replace") for word in cmdline.split(b"\0"))
    ours = _PROGRAM.search(line)
    program = next(filter(None, ours.groups())) if ours else os.path.basename(line.partition(" ")[0])
    return f"{'a container' if inside else 'the machine'}: {program}"


if __name__ == "__main__":
    _watch()
