# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module base_image against a real engine: bootstrapping, pulling from a registry, and every way to fail."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from base64 import b64encode
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import BaseImageFailed
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import base, bootstrap
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.sources import DEBIAN_KEYRING, Source
from ansible_collections.howdah.postgresql.plugins.modules import base_image

NAME = f"howdah-engine-base:{os.getpid()}"
LIMIT = 90 * 10**6
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the module in this process; gives its result."""

    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        with patch_module_args({"name": NAME, **options, "_ansible_check_mode": check, "_ansible_diff": True}):
            with pytest.raises(SystemExit):
                base_image.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def images(client: docker.APIClient) -> set[str]:
    return {tag for image in client.images() for tag in image["RepoTags"] or ()}


def remains() -> tuple[list[str], str, list[str]]:
    """What a bootstrap might leave: temporary folders, mounts, processes."""
    folders = sorted(path.name for path in Path("/var/tmp").glob("howdah-base-*"))
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "howdah-base-" in line]
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"howdah-base-" in path.read_bytes():
                processes.append(str(path))
        except OSError:
            continue  # it has ended
    return folders, "\n".join(mounts), processes


@pytest.fixture(autouse=True)
def _nothing_is_left(docker_client: docker.APIClient) -> Iterator[None]:
    before = remains()
    yield
    if NAME in images(docker_client):
        docker_client.remove_image(NAME, force=True)
    assert remains() == before


def in_image(client: docker.APIClient, command: str) -> str:
    """Standard output of a command in a container of the image."""
    output = subprocess.run(
        ["docker", "run", "--rm", "--label", "howdah.test=engine", NAME, "bash", "-ec", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert output.returncode == 0, output.stderr
    return output.stdout


def test_bootstrap_from_the_hosts_mirror(docker_client: docker.APIClient, run: Run) -> None:
    foreseen = run(check=True, pull=False)
    assert NAME not in images(docker_client)
    done = run(pull=False)
    assert not done.get("failed"), done
    assert {key: done[key] for key in ("changed", "actions", "diff")} == {
        key: foreseen[key] for key in ("changed", "actions", "diff")
    }
    assert done["changed"] and done["image"]["origin"] == "bootstrapped"

    image = docker_client.inspect_image(NAME)
    assert image["Size"] <= LIMIT
    assert image["Config"]["Cmd"] == ["bash"]
    labels = image["Config"]["Labels"]
    assert labels["io.howdah.base.suites"] == "bookworm bookworm-updates bookworm-security"
    packages = in_image(
        docker_client, "dpkg-query -W -f '${Package} ${Version} ${Architecture}\\n' | LC_ALL=C sort"
    )
    assert labels["io.howdah.base.packages"] == hashlib.sha256(packages.encode()).hexdigest()

    assert in_image(docker_client, "cat /usr/sbin/policy-rc.d; stat -c %a / /etc /usr/sbin/policy-rc.d").split() == [
        *("#!/bin/sh", "exit", "101"),
        *("755", "755", "755"),
    ]
    # Nothing of the build site, no caches, no documentation but licences.
    left = "find /usr/share/doc -type f ! -name copyright; find /usr/share/man /usr/share/locale -type f;"
    left += "find /etc/apt/auth.conf.d -type f; find /var/lib/apt/lists /var/cache/apt -type f -size +0"
    assert in_image(docker_client, left) == ""
    assert in_image(docker_client, "test -s /usr/share/doc/bash/copyright; ls /etc/apt/apt.conf.d").split() == [
        "01autoremove",
        "70debconf",
        "99howdah-base",
    ]
    # apt and dpkg work, signatures are checked, and packages that are added leave their documentation out as well.
    text = in_image(
        docker_client,
        "apt-get -qq update && apt-get -qq install -y --no-install-recommends dumb-init >/dev/null 2>&1;"
        " ls /usr/share/doc/dumb-init; dpkg --audit; cat /etc/apt/sources.list.d/debian.sources",
    )
    assert text.startswith("copyright\nTypes: deb\n") and text.count(f"Signed-By: {DEBIAN_KEYRING}") == 2

    again = run(pull=False)
    assert not again["changed"] and again["image"]["id"] == image["Id"]


def test_an_image_that_is_there_is_never_replaced(docker_client: docker.APIClient, run: Run) -> None:
    docker_client.import_image_from_data(empty_tar(), repository=NAME.split(":")[0], tag=NAME.split(":")[1])
    before = docker_client.inspect_image(NAME)["Id"]
    result = run()
    assert not result["changed"] and result["actions"] == []
    assert result["image"] == {"name": NAME, "id": before, "origin": "", "labels": {}}


@pytest.mark.parametrize("check", [True, False])
def test_an_unknown_suite(docker_client: docker.APIClient, run: Run, check: bool) -> None:
    result = run(check=check, pull=False, suite="nosuch")
    assert result["failed"] and result["reason"] == "unknown_suite" and not result["changed"]
    assert "there is no suite nosuch at http" in result["msg"]
    assert NAME not in images(docker_client)


def test_an_unreachable_mirror(docker_client: docker.APIClient, run: Run) -> None:
    result = run(pull=False, mirror=f"http://127.0.0.1:{closed_port()}/debian")
    assert result["failed"] and result["reason"] == "mirror_unreachable" and not result["changed"]
    assert result["code"] == 1202 and "refused" in result["msg"]
    assert NAME not in images(docker_client)


def test_an_unsigned_mirror_is_refused(docker_client: docker.APIClient, run: Run) -> None:
    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            suite, _slash, name = self.path.partition("/dists/")[2].partition("/")
            body = f"Origin: Debian\nCodename: {suite}\nSuite: {suite}\nComponents: main\n".encode()
            self.send_response(200 if name == "Release" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    with serving(Mirror) as address:
        result = run(pull=False, mirror=f"http://{address}/debian")
    assert result["failed"] and result["reason"] == "bad_signature", result
    assert NAME not in images(docker_client)


def test_the_deadline_leaves_nothing(docker_client: docker.APIClient, run: Run) -> None:
    start = time.monotonic()
    result = run(pull=False, timeout=6)
    assert result["error"] == "timeout" and not result["changed"]
    assert 5.5 < time.monotonic() - start < 9
    assert NAME not in images(docker_client)


def test_the_end_of_the_module_leaves_nothing() -> None:
    code = (
        "from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline\n"
        "from ansible_collections.howdah.postgresql.plugins.module_utils._docker import bootstrap, sources\n"
        "found = sources.base_sources(bootstrap.host_sources(), bootstrap.host_release(), 'bookworm')\n"
        "with bootstrap.bootstrap('bookworm', found, Deadline(60)): pass\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        end = time.monotonic() + 20
        while not remains()[2] and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(2)  # until packages are on their way
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM


def test_an_account_reaches_the_mirror_and_nothing_else() -> None:
    seen: list[str | None] = []

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(404 if seen[-1] else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    with serving(Mirror) as address:
        source = Source(f"http://me:hunter%402@{address}/debian", ("bookworm",), ("main",), DEBIAN_KEYRING)
        with pytest.raises(BaseImageFailed) as raised:
            bootstrap.try_out("bookworm", [source], Deadline(20))
    assert b64encode(b"me:hunter@2").decode() in str(seen)
    assert raised.value.details["reason"] == "unknown_suite"
    assert "hunter" not in raised.value.message + str(raised.value.details)


def test_nothing_of_the_site_goes_into_the_image_but_its_keys(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEY\n-----END PGP PUBLIC KEY BLOCK-----"
    site = Source("http://me:hunter2@mirror.test/debian", ("bookworm",), ("main",), key)
    bootstrap._prepare(tmp_path, [site, Source("http://other.test/debian", ("x",), ("main",), DEBIAN_KEYRING)])
    inside = {path.relative_to(tmp_path / "root"): path for path in (tmp_path / "root").rglob("*")}
    text = {str(name): path.read_text() for name, path in inside.items() if path.is_file()}
    assert not any("hunter2" in content for content in text.values())
    assert text["etc/apt/keyrings/howdah-base-0.asc"] == key + "\n"
    assert "Signed-By: /etc/apt/keyrings/howdah-base-0.asc" in text["etc/apt/sources.list.d/debian.sources"]
    assert f"Signed-By: {DEBIAN_KEYRING}" in text["etc/apt/sources.list.d/debian.sources"]
    assert "Proxy" not in text["etc/apt/apt.conf.d/99howdah-base"]
    assert {path.stat().st_mode & 0o777 for path in inside.values() if path.is_dir()} == {0o755}
    assert "hunter2" in (tmp_path / "auth.conf").read_text()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("auth.conf", "apt.conf")} == {0o600}


def test_pulled_where_a_registry_has_it(docker_client: docker.APIClient, run: Run) -> None:
    with registry("one") as (address, publish):
        name = f"{address}/howdah-engine-base:1"
        try:
            foreseen = run(check=True, name=name)
            done = run(name=name)
            assert done["actions"] == foreseen["actions"] == [f"pull image {name}"]
            assert done["diff"] == foreseen["diff"] and done["image"]["origin"] == "pulled"
            assert not run(name=name)["changed"] and not run(name=name, refresh=True)["changed"]
            publish("two")
            assert not run(name=name)["changed"]  # without refresh, what is there stays
            assert run(check=True, name=name, refresh=True)["changed"]
            newer = run(name=name, refresh=True)
            assert newer["changed"] and newer["image"]["id"] != done["image"]["id"]
            with pytest.raises(docker.errors.ImageNotFound):
                docker_client.inspect_image(done["image"]["id"])  # nothing needed it any more
        finally:
            for tag in images(docker_client):
                if tag == name:
                    docker_client.remove_image(tag, force=True)


def test_a_pulled_image_does_not_turn_into_a_bootstrapped_one(docker_client: docker.APIClient, run: Run) -> None:
    with registry("one") as (address, _publish):
        name = f"{address}/howdah-engine-base:2"
        run(name=name)
    try:
        result = run(name=name, refresh=True)
        assert result["failed"] and result["reason"] == "registry" and not result["changed"]
    finally:
        docker_client.remove_image(name, force=True)


def test_a_registry_that_hangs_is_left_soon(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_REGISTRY_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        # The bootstrap that follows fails at once, so that only the registry takes time.
        result = run(name=f"127.0.0.1:{silent.getsockname()[1]}/howdah-engine-x:1", mirror="http://127.0.0.1/x")
    assert result["reason"] == "no_mirror" and "time limit of 1 s" in result["registry"]
    assert time.monotonic() - start < 3


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def empty_tar(content: str = "") -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content.encode()))
    return output.getvalue()


class serving:
    """An HTTP server on a free port of 127.0.0.1, for the time of a ``with``."""

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class registry:
    """A registry that has one image under every name, and whose image can be replaced by another."""

    def __init__(self, content: str) -> None:
        self._blobs: dict[str, bytes] = {}
        self.publish(content)
        outer = self

        class Registry(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.path.rpartition("/")[2]
                if "/manifests/" in self.path:
                    body, kind = outer.manifest, "application/vnd.docker.distribution.manifest.v2+json"
                else:
                    body, kind = outer._blobs.get(wanted, b"{}"), "application/octet-stream"
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Docker-Content-Digest", digest(body))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        self._server = serving(Registry)

    def publish(self, content: str) -> None:
        """Put an image with this content in the place of the one before."""
        layer = empty_tar(content)
        layers = {"type": "layers", "diff_ids": [digest(layer)]}
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": layers}
        blobs = [json.dumps(config).encode(), gzip.compress(layer)]
        described = [{"mediaType": "", "size": len(blob), "digest": digest(blob)} for blob in blobs]
        described[0]["mediaType"] = "application/vnd.docker.container.image.v1+json"
        described[1]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        self._blobs.update({digest(blob): blob for blob in blobs})
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": described[0],
                "layers": described[1:],
            }
        ).encode()

    def __enter__(self) -> tuple[str, Callable[[str], None]]:
        return self._server.__enter__(), self.publish

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)


def digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()
