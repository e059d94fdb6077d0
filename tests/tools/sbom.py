# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials of an image: see bin/sbom."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Mapping

import docker
from testrun import side

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = "howdah/postgresql:15-bookworm"
MANIFEST = "opt/container/manifest.json"
# What tells of Debian's packages: which are installed, and under which licences.
FOLDERS = ("var/lib/dpkg", "usr/share/doc")
LIMIT = 120  # seconds for one program


class NoBill(Exception):
    """There is no bill of materials; the text says why."""


def unpack(client: docker.APIClient, image: str, target: Path) -> None:
    """Copy the parts of the image that tell of packages to a folder, through a container that is never started.

    :raises NoBill: when it is no image of this collection's.
    """
    try:
        container = client.create_container(image, command=["true"], labels={"howdah.test": "sbom"})["Id"]
    except docker.errors.ImageNotFound:
        raise NoBill(f"The engine has no image {image}: build it first (playbook howdah.postgresql.image).") from None
    try:
        for name in (*FOLDERS, MANIFEST):
            place = target / Path(name).parent
            place.mkdir(parents=True, exist_ok=True)
            pieces, _about = client.get_archive(container, f"/{name}")
            with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
                archive.extractall(place, filter="data")
    except docker.errors.NotFound as error:
        raise NoBill(f"{image} is no image of this collection's: {error.explanation}") from None
    finally:
        client.remove_container(container, v=True)


def _run(command: list[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoBill(f"{command[0]} took more than {LIMIT} s.") from error
    if done.returncode:
        raise NoBill(f"{' '.join(command[:3])} failed: {done.stderr[-2000:]}")
    return done.stdout


def bill(image: str, tree: Path, programs: Path) -> dict[str, Any]:
    """The bill of materials, of what was unpacked.

    :param programs: the folder with debsbom and cyclonedx-py.
    """
    manifest: Mapping[str, Any] = json.loads((tree / MANIFEST).read_text(encoding="utf-8"))
    name, _colon, version = image.rpartition(":")
    about = ["--distro-name", name, "--distro-version", version]
    debian, python = tree / "debian.cdx.json", tree / "python.cdx.json"
    tool = str(programs / "debsbom")
    debian.write_text(_run([tool, "generate", "-r", str(tree), "-t", "cdx", "--with-licenses", "-o", "-"]))
    pins = "".join(f"{package}=={pin}\n" for package, pin in manifest["python"].items())
    # Merging wants a root in each.
    project = tree / "pyproject.toml"
    project.write_text(f'[project]\nname = "python-of-patroni"\nversion = "{manifest["versions"]["python"]}"\n')
    lister = [str(programs / "cyclonedx-py"), "requirements", "--pyproject", str(project), "-"]
    python.write_text(_run(lister, pins))
    merged: dict[str, Any] = json.loads(
        _run([tool, "merge", "-t", "cdx", "-o", "-", "--omit-roots", *about, str(debian), str(python)])
    )
    return merged


def main() -> int:
    """Entry point: ``[IMAGE [FILE]]``."""
    image, file = [*sys.argv[1:], *[DEFAULT, "-"][len(sys.argv) - 1 :]][:2]
    try:
        programs = side.environment("sbom", side.pins(ROOT / "bin/requirements/sbom.txt"))
        url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        client = docker.APIClient(base_url=url, version="auto", timeout=LIMIT)
        with tempfile.TemporaryDirectory(prefix="howdah-sbom.") as folder:
            unpack(client, image, Path(folder))
            text = json.dumps(bill(image, Path(folder), programs), indent=1, ensure_ascii=False) + "\n"
    except (NoBill, side.NoEnvironment, docker.errors.DockerException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if file == "-":
        sys.stdout.write(text)
    else:
        Path(file).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
