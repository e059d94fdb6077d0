# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of builds share: a playbook's folder, a registry, a look at processes."""
from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tarfile
import time
import urllib.parse
from pathlib import Path
from typing import Any

import docker

HERE = Path(__file__).parent
DOCKERFILE = """\
ARG BASE=debian:bookworm
FROM $BASE AS work
ARG BUST=none
RUN echo "bust $BUST" > /bust
FROM scratch
COPY --from=work /bust /bust
COPY . /
"""


class Site:
    """A playbook's folder with a build context; runs one task at a time."""

    def __init__(self, folder: Path, engine: docker.APIClient) -> None:
        self.folder = folder
        self.engine = engine
        self.context = folder / "context"
        self.context.mkdir()
        (self.context / "Dockerfile").write_text(DOCKERFILE)
        (self.context / "hello").write_text("hello")
        self.name = f"howdah-build-{secrets.token_hex(4)}:1"
        self.names = [self.name]
        self.bust = secrets.token_hex(4)
        self.said = ""  # by the last run of results
        self.local_tmp = folder / "tmp"
        self.elsewhere = folder / "elsewhere"  # instead of /tmp: nobody removes there what a killed task leaves
        self.elsewhere.mkdir()
        self.interrupted = False  # Ansible then leaves the module itself behind, whatever module it is

    def write(self, *tasks: dict[str, Any]) -> Path:
        """Write a playbook with a task for each set of options; keywords of tasks may stand among them."""
        play = []
        for options in tasks:
            task = {"name": self.name, **options}
            module = task.pop("module", "image")
            if module == "image":
                task = {"path": "context", "args": {"BUST": self.bust}, **task}
                task["labels"] = {**task.get("labels", {}), "howdah-build": self.name}
            keywords = {key: task.pop(key) for key in ("check_mode", "no_log") if key in task}
            play.append({f"howdah.postgresql.{module}": task, "ignore_errors": len(tasks) > 1, **keywords})
        file = self.folder / "play.json"
        file.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": play}]))
        return file

    def command(self, *arguments: str, connection: str = "local") -> list[str]:
        (self.folder / "inventory").write_text(
            f"node ansible_connection={connection} ansible_python_interpreter={sys.executable}"
            f" ansible_remote_tmp={self.folder}/remote ansible_async_dir={self.folder}/async\n"
        )
        return [
            str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.folder / "inventory"), *arguments
        ]

    def environment(self, callback: str = "ansible.builtin.default") -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_LOCAL_TEMP": str(self.local_tmp),
            "TMPDIR": str(self.elsewhere),
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_STDOUT_CALLBACK": callback,
            "ANSIBLE_NOCOLOR": "1",
        }

    def text(self, *arguments: str, connection: str = "local", **options: Any) -> str:
        done = subprocess.run(
            self.command(str(self.write(options)), *arguments, connection=connection), cwd=self.folder, check=False,
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        )
        return done.stdout

    def run(self, *arguments: str, connection: str = "local", **options: Any) -> dict[str, Any]:
        return self.results(options, arguments=arguments, connection=connection)[0]

    def results(
        self, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), connection: str = "local"
    ) -> list[dict[str, Any]]:
        done = subprocess.run(
            self.command(str(self.write(*tasks)), *arguments, connection=connection), cwd=self.folder, check=False,
            env=self.environment("result_only"), capture_output=True, text=True, timeout=60,
        )
        self.said = done.stdout
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        assert len(lines) == len(tasks), done.stdout + done.stderr
        return [json.loads(line[len("RESULT "):]) for line in lines]

    def image(self, name: str | None = None) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.engine.inspect_image(name or self.name)
        except docker.errors.ImageNotFound:
            return None
        return found

    def leftovers(self) -> list[str]:
        """Files that outlive a task; an empty list is what everybody wants."""
        return [
            str(path.relative_to(self.folder))
            for root in ("tmp", "remote", "async", "elsewhere")
            for path in (self.folder / root).rglob("*")
            if not path.is_dir() and not (self.interrupted and re.search("AnsiballZ_|_payload_", str(path)))
        ]


def processes(needle: str) -> list[str]:
    """Command lines of this machine's processes that hold the text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if needle in line and "ansible" not in line:
            found.append(line)
    return found


def wait_until_gone(needle: str) -> None:
    for _try in range(50):
        if not processes(needle):
            return
        time.sleep(0.1)
    raise AssertionError(f"still running: {processes(needle)}")


class Registry(http.server.ThreadingHTTPServer):
    """A registry on this machine that holds images: one made of nothing but one file, and those pushed.

    :param listener: where to serve; None for a port of this machine.
    :param blobs: what it holds; None for nothing.
    """

    def __init__(self, listener: socket.socket | None = None, blobs: dict[str, bytes] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), RegistryHandler, bind_and_activate=listener is None)
        if listener is not None:
            self.socket.close()
            self.socket = listener
            self.server_address = listener.getsockname()
        self.blobs: dict[str, bytes] = {} if blobs is None else blobs
        self.uploads: dict[str, bytes] = {}
        self.image = f"127.0.0.1:{self.server_address[1]}/howdah-build-base:1"

    def hold(self, content: str) -> None:
        """Put another image in the place of the former one."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            info = tarfile.TarInfo("bust")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
        packed = gzip.compress(layer.getvalue(), mtime=0)
        diff_id = "sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()
        system = {"type": "layers", "diff_ids": [diff_id]}
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": system}
        manifest = json.dumps({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": self._blob("application/vnd.docker.container.image.v1+json", json.dumps(config).encode()),
            "layers": [self._blob("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
        }).encode()
        self._blob("", manifest)
        self.blobs[f"/v2/{self.image.partition('/')[2].replace(':', '/manifests/')}"] = manifest

    def _blob(self, kind: str, content: bytes) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": kind, "size": len(content), "digest": digest}


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    """As much of the registry's protocol as pushing and pulling need."""

    server: Registry

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        # By digest, or the manifest of a tag.
        content = b"{}" if self.path == "/v2/" else self.server.blobs.get(name if ":" in name else self.path)
        self.send_response(404 if content is None else 200)
        is_manifest = "/manifests/" in self.path
        kind = "application/vnd.docker.distribution.manifest.v2+json" if is_manifest else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content or b"")))
        self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(content or b"").hexdigest())
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content or b"")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answer(202, Location=f"{self.path}{secrets.token_hex(8)}")

    def do_PATCH(self) -> None:
        self.server.uploads[self.path] = self._body()
        self._answer(202, Location=self.path, Range=f"0-{len(self.server.uploads[self.path]) - 1}")

    def do_PUT(self) -> None:
        path, _mark, digest = self.path.partition("?digest=")
        content = self.server.uploads.pop(path, b"") + self._body()
        digest = urllib.parse.unquote(digest) or "sha256:" + hashlib.sha256(content).hexdigest()
        self.server.blobs[digest] = content
        if "/manifests/" in path:
            self.server.blobs[path] = content
        self._answer(201, **{"Docker-Content-Digest": digest})

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_unused: Any) -> None:
        """Nothing: the test tells."""
