# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the image, and what its build makes of a site's wishes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import pytest

ROOT = Path(__file__).parents[3]
BUILD_SECONDS = 900
MEGABYTE = 1_000_000
Builder = Callable[..., str]


def _printed(client: docker.APIClient, image: str, *words: str) -> str:
    """What a foreign command prints in a container of the image."""
    made = client.create_container(image, list(words), name="howdah-image-print", network_disabled=True)["Id"]
    try:
        client.start(made)
        code = client.wait(made, timeout=30)["StatusCode"]
        output: str = client.logs(made).decode()
        assert code == 0, output
        return output
    finally:
        client.remove_container(made, force=True, v=True)


def _manifest(client: docker.APIClient, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_printed(client, image, "cat", "/opt/container/manifest.json"))
    return found


def test_the_manifest_tells_what_is_there(docker_client: docker.APIClient, test_image: str) -> None:
    manifest = _manifest(docker_client, test_image)
    versions = manifest["versions"]
    server = _printed(docker_client, test_image, "postgres", "--version").split()[2]
    backrest = _printed(docker_client, test_image, "pgbackrest", "version").split()[1]
    patroni = _printed(docker_client, test_image, "/opt/container/venv/bin/patroni", "--version").split()[1]
    assert versions["postgresql"].startswith(server)
    assert versions["pgbackrest"].startswith(backrest)
    assert versions["patroni"] == patroni
    listed = _printed(docker_client, test_image, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n").splitlines()
    assert [f"{name} {version}" for name, version in manifest["packages"].items()] == sorted(listed)


def test_labels_tell_what_the_image_is(docker_client: docker.APIClient, test_image: str) -> None:
    config = docker_client.inspect_image(test_image)["Config"]
    labels = config["Labels"]
    major = dict(entry.split("=", 1) for entry in config["Env"])["PG_MAJOR"]
    assert labels["org.opencontainers.image.version"].split("-")[0] == major
    assert labels["org.opencontainers.image.base.name"].startswith("debian:")
    assert labels["org.opencontainers.image.source"].startswith("https://")
    assert labels["io.howdah.postgresql.jit"] == "true"


def test_size_with_jit(docker_client: docker.APIClient, test_image: str) -> None:
    assert docker_client.inspect_image(test_image)["Size"] <= 500 * MEGABYTE


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


@pytest.fixture
def build(docker_client: docker.APIClient, tmp_path: Path) -> Iterator[Builder]:
    """Builds an image with variables of the role; it is removed at the end."""
    names: list[str] = []

    def run(name: str, tree: str | None = None, **variables: Any) -> str:
        image = f"howdah-image-test:{name}"
        site = tmp_path / f"{name}.json"
        site.write_text(json.dumps({"target": "localhost", "image_name": image, **variables}), encoding="utf-8")
        environ = {**os.environ, **({"ANSIBLE_COLLECTIONS_PATH": tree} if tree else {})}
        done = subprocess.run(
            ["ansible-playbook", "howdah.postgresql.image", "-e", f"@{site}"],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            check=False,
            text=True,
            timeout=BUILD_SECONDS,
        )
        names.append(image)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return image

    yield run
    for image in names:
        try:
            docker_client.remove_image(image, force=True)
        except docker.errors.ImageNotFound:
            pass  # its build has failed, and that is told already


def _local_repository(folder: Path) -> None:
    """A repository with one tiny package, that brings an extension of PostgreSQL's kind: a file."""
    tree = folder.parent / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share/tiny").mkdir(parents=True)
    (tree / "usr/share/tiny/made").write_text("on the spot\n", encoding="ascii")
    control = "Package: howdah-tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\n"
    description = "Description: made on the spot\n"
    (tree / "DEBIAN/control").write_text(control + description, encoding="ascii")
    folder.mkdir()
    package = folder / "howdah-tiny.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, package], check=True, capture_output=True)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    place = f"Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"
    (folder / "Packages").write_text(control + place + description, encoding="ascii")


@pytest.mark.full
def test_a_repository_of_the_site_gives_packages_and_leaves_no_trace(
    docker_client: docker.APIClient, test_image: str, build: Builder, tmp_path: Path
) -> None:
    _local_repository(tmp_path / "packages")
    repository = {"name": "ours", "folder": str(tmp_path / "packages"), "trusted": True, "packages": ["howdah-tiny"]}
    image = build("repository", image_repositories=[repository])
    assert _printed(docker_client, image, "cat", "/usr/share/tiny/made") == "on the spot\n"
    assert _manifest(docker_client, image)["packages"]["howdah-tiny"] == "1.0"
    look = ("sh", "-c", "ls -AR /etc/apt; find / -xdev -path '*site*' -name '*.sources' 2>/dev/null; true")
    assert _printed(docker_client, image, *look) == _printed(docker_client, test_image, *look)


@pytest.mark.full
def test_without_jit_the_image_is_small_and_serves(
    docker_client: docker.APIClient, build: Builder, engine_of: Any
) -> None:
    image = build("nojit", image_jit=False)
    assert docker_client.inspect_image(image)["Size"] <= 320 * MEGABYTE
    box = engine_of(image).start(env={"POSTGRES_PASSWORD": "x"})
    assert box.ask("x", "SELECT pg_jit_available()") is False


@pytest.mark.full
def test_two_builds_have_the_same_packages_and_files(
    docker_client: docker.APIClient, test_image: str, build: Builder, tmp_path: Path
) -> None:
    copy = tmp_path / "tree/ansible_collections/howdah/postgresql"
    leave = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".mypy_cache", ".ruff_cache", "tests", "dist")
    shutil.copytree(ROOT, copy, ignore=leave)
    # No step that installs packages can come from the cache now.
    (copy / "image/setup/apt-install").write_text(
        (ROOT / "image/setup/apt-install").read_text(encoding="utf-8") + f"# {os.urandom(8).hex()}\n", encoding="utf-8"
    )
    again = build("again", tree=str(tmp_path / "tree"))
    assert docker_client.inspect_image(again)["RootFS"] != docker_client.inspect_image(test_image)["RootFS"]
    assert _manifest(docker_client, again) == _manifest(docker_client, test_image)


@pytest.mark.full
def test_trixie_serves_postgresql_17(
    docker_client: docker.APIClient, build: Builder, engine_of: Any, box_until: Any
) -> None:
    image = build("trixie", image_suite="trixie", image_base_pull=False)
    assert docker_client.inspect_image(image)["Size"] <= 500 * MEGABYTE
    engine = engine_of(image)
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "one"})
    assert first.ask("one", "SHOW server_version").startswith("17.")
    engine.remove(first)
    second = engine.start(volume, {"POSTGRES_PASSWORD": "two"})
    box_until(lambda: "password_changed" in second.events())
    assert second.ask("two", "SELECT datlocprovider FROM pg_database WHERE datname = 'postgres'") == "b"
