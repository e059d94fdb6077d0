# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the image, and what its build makes of a site's wishes."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import urllib.parse
from typing import Any, Iterator

import docker
import pytest
from ansible_collections.howdah.postgresql.plugins.lookup.pip_config import option
from image_look import manifest, printed

MEGABYTE = 1_000_000


def test_the_manifest_tells_what_is_there(docker_client: docker.APIClient, test_image: str) -> None:
    found = manifest(docker_client, test_image)
    versions = found["versions"]
    server = printed(docker_client, test_image, "postgres", "--version").split()[2]
    backrest = printed(docker_client, test_image, "pgbackrest", "version").split()[1]
    patroni = printed(docker_client, test_image, "/opt/container/venv/bin/patroni", "--version").split()[1]
    assert versions["postgresql"].startswith(server)
    assert versions["pgbackrest"].startswith(backrest)
    assert versions["patroni"] == patroni
    listed = printed(docker_client, test_image, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n").splitlines()
    assert [f"{name} {version}" for name, version in found["packages"].items()] == sorted(listed)


def test_labels_tell_what_the_image_is(docker_client: docker.APIClient, test_image: str) -> None:
    config = docker_client.inspect_image(test_image)["Config"]
    labels = config["Labels"]
    major = dict(entry.split("=", 1) for entry in config["Env"])["PG_MAJOR"]
    assert labels["org.opencontainers.image.version"].split("-")[0] == major
    assert labels["org.opencontainers.image.base.name"].startswith("debian:")
    assert labels["org.opencontainers.image.source"].startswith("https://")
    assert labels["io.howdah.postgresql.jit"] == "true"
    versions = manifest(docker_client, test_image)["versions"]
    for what in ("postgresql", "patroni", "pgbackrest"):
        assert labels[f"io.howdah.postgresql.{what}"] == versions[what]
    # Where the base came from: its ID, and what a bootstrapped one says of itself.
    ((name, identity),) = json.loads(labels["io.howdah.inputs"])["bases"].items()
    base = docker_client.inspect_image(name)
    assert (name, identity) == (labels["org.opencontainers.image.base.name"], base["Id"])
    assert (base["Config"]["Labels"] or {}).items() <= labels.items()


def test_size_with_jit(docker_client: docker.APIClient, test_image: str) -> None:
    assert docker_client.inspect_image(test_image)["Size"] <= 500 * MEGABYTE


@pytest.mark.parametrize(
    ("python", "modules"),
    [
        ("/opt/container/venv/bin/python -I", "patroni.__main__ patroni.api patroni.ctl patroni.dcs.etcd3 patroni.ha"),
        ("/usr/bin/python3 -IS", "howdah.entrypoint.main howdah.entrypoint.health howdah._postgres.agent"),
    ],
)
def test_the_bytecode_of_all_that_is_loaded_is_there_for_the_containers_user(
    docker_client: docker.APIClient, test_image: str, python: str, modules: str
) -> None:
    # It can keep none itself: what it cannot read is compiled again at each start.
    program = (
        "import importlib, os, sys; sys.path.insert(0, '/opt/container/lib');"
        f"[importlib.import_module(name) for name in {modules.split()}];"
        "found = {module.__cached__: os.access(module.__cached__, os.R_OK) for module in sys.modules.values()"
        " if (getattr(module, '__file__', None) or '').startswith('/opt/container/')"
        " and getattr(module, '__cached__', None) and module.__file__.endswith('.py')};"
        "print(len(found), *(path for path, readable in found.items() if not readable))"
    )
    count, *closed = printed(docker_client, test_image, *python.split(), "-c", program).split()
    assert int(count) > 10
    assert not closed


def test_what_starts_often_or_is_waited_for_loads_no_large_library(
    docker_client: docker.APIClient, test_image: str
) -> None:
    program = (
        "import sys; sys.path.insert(0, '/opt/container/lib');"
        "import howdah.entrypoint.agent, howdah.entrypoint.health, howdah.entrypoint.main, howdah._postgres.agent;"
        "print(*{'asyncio', 'dataclasses', 'http', 'inspect', 'logging', 'shutil', 'ssl', 'subprocess', 'urllib'}"
        " & set(sys.modules))"
    )
    assert printed(docker_client, test_image, "/usr/bin/python3", "-IS", "-c", program).split() == []


def test_no_secret_and_no_tool_of_the_build_is_left(docker_client: docker.APIClient, test_image: str) -> None:
    script = (
        "awk -F: '$2 !~ /^[!*]/' /etc/shadow; find / -xdev -name '*.key' -size +0 -not -path '/proc/*';"
        " find /run/site -mindepth 1; ls /etc/apt/apt.conf.d/*proxy* 2>/dev/null; command -v gcc pip3 || true"
    )
    command = ["-c", script]
    host = docker_client.create_host_config(cap_drop=["ALL"], cap_add=["DAC_READ_SEARCH"])
    made = docker_client.create_container(
        test_image, command, entrypoint=["bash"], user="0", host_config=host, name="howdah-image-print"
    )["Id"]
    try:
        docker_client.start(made)
        assert docker_client.wait(made, timeout=30)["StatusCode"] == 0
        assert docker_client.logs(made).decode() == ""
    finally:
        docker_client.remove_container(made, force=True, v=True)
    only_in_setup = {"python3-pip", "python3-setuptools", "python3-wheel"}
    assert only_in_setup & manifest(docker_client, test_image)["packages"].keys() == set()


class _Stream(io.RawIOBase):
    """What comes in pieces, as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


# What the site lends to the build, and what may hold a secret by its name.
_SITE = re.compile(
    r"(^|/)(run/site/.|root/\.cache/.|etc/apt/(auth\.conf|apt\.conf\.d/.*proxy)|\.netrc$|\.pypirc$|pip\.conf$|id_[a-z0-9]+$"
    r"|\.docker/config\.json$|\.ssh/|ssl-cert-snakeoil|var/(cache/apt/archives|lib/apt/lists)/.*\.(deb|gz|xz|lz4)$)"
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{20}")
_LARGEST = 1 << 20


def _site_words() -> list[bytes]:
    """By what the site of this build would be known: its index, its proxies."""
    index = option("index-url", os.environ)
    proxies = [os.environ.get(name, "") for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")]
    hosts = {urllib.parse.urlsplit(url).netloc for url in (index, *proxies) if url}
    return [host.encode() for host in sorted(hosts - {"pypi.org", ""})]


def _suspects(layer: tarfile.TarFile, words: list[bytes]) -> Iterator[str]:
    """Names of files in a layer that are, or hold, what no layer may have."""
    for entry in layer:
        if entry.isdir():
            continue
        if _SITE.search(entry.name):
            yield entry.name
        if not entry.isfile() or entry.size > _LARGEST:
            continue
        file = layer.extractfile(entry)
        data = file.read() if file else b""
        if _PRIVATE_KEY.search(data) or any(word in data for word in words):
            yield entry.name
        if entry.name.endswith("etc/shadow") and any(
            line.split(b":")[1][:1] not in (b"!", b"*") for line in data.splitlines()
        ):
            yield entry.name


def test_no_layer_holds_a_secret_or_a_trace_of_the_site(docker_client: docker.APIClient, test_image: str) -> None:
    # What a later layer removes is still in the earlier one.
    words, found, layers = _site_words(), [], 0
    stream = io.BufferedReader(_Stream(iter(docker_client.get_image(test_image, chunk_size=1 << 20))), 1 << 20)
    with tarfile.open(fileobj=stream, mode="r|") as image:
        for entry in image:
            content = image.extractfile(entry) if entry.isfile() else None
            if content is None or entry.size < 1024:
                continue
            try:
                with tarfile.open(fileobj=content, mode="r|*") as layer:
                    found += list(_suspects(layer, words))
            except tarfile.ReadError:
                continue  # a description of the image, in JSON
            layers += 1
    assert layers >= len(docker_client.inspect_image(test_image)["RootFS"]["Layers"])
    assert found == []
    told = json.dumps([docker_client.inspect_image(test_image), docker_client.history(test_image)]).encode()
    assert [word for word in words if word in told] == []
