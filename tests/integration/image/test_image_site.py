# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the site's own: repositories made on the spot, by URL and by folder, signed and not.

The steps are those of the image's Dockerfile, upon the finished image and without Debian's archive: a build of all
would take a minute. The whole way is a test of `full`.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import pytest
from deb_repository import Repository

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NAME = "howdah-image-site:test"
DOCKERFILE = """\
ARG IMAGE
FROM $IMAGE
USER 0
RUN --mount=type=bind,source=image/site,target=/run/site \\
    --mount=type=bind,source=image/setup/apt-install,target=/run/apt-install \\
    /run/apt-install --site
"""
Build = Callable[..., dict[str, Any]]


@pytest.fixture
def build(docker_client: docker.APIClient, test_image: str, tmp_path: Path) -> Iterator[Build]:
    """Has packages of repositories installed upon the image; the module's result."""
    context = tmp_path / "context"
    (context / "image/setup").mkdir(parents=True)
    (context / "image/site").mkdir()
    shutil.copy(ROOT / "image/setup/apt-install", context / "image/setup")
    (context / "Dockerfile").write_text(DOCKERFILE, encoding="ascii")

    def run(*repositories: dict[str, Any]) -> dict[str, Any]:
        files = "{{ repositories | howdah.postgresql.build_site + [{'path': debian, 'content': '# none'}] }}"
        task = {
            "name": NAME,
            "path": str(context),
            "args": {"IMAGE": test_image},
            "network": "host",
            "files": files,
            "progress": "quiet",
            "timeout": 60,
        }
        variables = {"repositories": list(repositories), "debian": "image/site/apt/debian.sources"}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": variables,
            "tasks": [{"howdah.postgresql.image": task}],
        }
        (tmp_path / "play.json").write_text(json.dumps([play]), encoding="utf-8")
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), str(tmp_path / "play.json")],
            env={
                **os.environ,
                "ANSIBLE_CALLBACK_PLUGINS": str(HERE.parent / "build/callback_plugins"),
                "ANSIBLE_STDOUT_CALLBACK": "result_only",
            },
            cwd=tmp_path,
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
        results = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        assert len(results) == 1, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(results[0])
        return answer

    yield run
    try:
        docker_client.remove_image(NAME, force=True)
    except docker.errors.ImageNotFound:
        pass  # its build was meant to fail


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves folders on 127.0.0.1; the URL."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _printed(client: docker.APIClient, command: str) -> str:
    made = client.create_container(NAME, ["-c", command], entrypoint=["bash"], name="howdah-image-site")["Id"]
    try:
        client.start(made)
        client.wait(made, timeout=30)
        output: str = client.logs(made).decode()
        return output
    finally:
        client.remove_container(made, force=True, v=True)


def test_packages_come_by_url_with_a_key_and_by_folder_and_leave_no_trace(
    docker_client: docker.APIClient, build: Build, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    served, own = Repository(tmp_path / "served", "tiny-served"), Repository(tmp_path / "own", "tiny-own")
    key = served.sign(tmp_path / "keys")
    answer = build(
        {"name": "served", "uris": [serve(served.folder)], "suites": ["./"], "key": key, "packages": ["tiny-served"]},
        {"name": "own", "folder": str(own.folder), "trusted": True, "packages": ["tiny-own"]},
    )
    assert not answer["failed"], answer["msg"]
    look = "cat /usr/share/tiny-*/made; ls -A /run/site; find /etc/apt -newer /usr/share/tiny-own/made -type f; "
    look += "grep -rl -e 127.0.0.1 -e /run/site /etc/apt /var/lib/apt || echo none"
    assert _printed(docker_client, look).splitlines() == ["tiny-own on the spot", "tiny-served on the spot", "none"]


@pytest.mark.parametrize("fault", ["another key", "not signed", "changed since"])
def test_packages_that_cannot_be_verified_are_not_installed(
    build: Build, serve: Callable[[Path], str], tmp_path: Path, fault: str
) -> None:
    repository = Repository(tmp_path / "served", "tiny-served")
    other = Repository(tmp_path / "other", "tiny-other").sign(tmp_path / "other-keys")
    key = other
    if fault == "another key":
        repository.sign(tmp_path / "keys")
    elif fault == "changed since":
        key = repository.sign(tmp_path / "keys")
        with open(repository.package, "ab") as file:
            file.write(b"more")
    url = serve(repository.folder)
    answer = build({"name": "served", "uris": [url], "suites": ["./"], "key": key, "packages": ["tiny-served"]})
    assert answer["failed"]
    told = {"another key": "NO_PUBKEY", "not signed": "is not signed", "changed since": "unexpected size"}[fault]
    assert told in answer["msg"], answer["msg"]
