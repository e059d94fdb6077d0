# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images with the collection's own playbook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import docker

ROOT = Path(__file__).parents[3]
SECONDS = 900
_NOT_COPIED = (".git", ".venv*", "__pycache__", ".mypy_cache", ".ruff_cache", "tests", "dist")


def copy_of_the_collection(folder: Path) -> Path:
    """A copy of this checkout that Ansible finds as the collection, below ``folder/ansible_collections``."""
    copy = folder / "ansible_collections/howdah/postgresql"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    return copy


class Builder:
    """Builds images in an engine, and removes them at the end.

    :param folder: for files of its own.
    """

    def __init__(self, client: docker.APIClient, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._images: set[str] = set()

    def results(self, name: str, tree: Path | None = None, **variables: Any) -> dict[str, Any]:
        """Run the playbook; what the module `image` returned.

        :param name: a word for the tag.
        :param tree: another folder of collections.
        :param variables: of the role.
        """
        image = f"howdah-image-test:{name}"
        self._images.add(image)
        given = self._folder / f"{name}.json"
        given.write_text(json.dumps({"target": "localhost", "image_name": image, **variables}), encoding="utf-8")
        environ = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/integration/build/callback_plugins"),
            "ANSIBLE_STDOUT_CALLBACK": "result_only",
            **({"ANSIBLE_COLLECTIONS_PATH": str(tree)} if tree else {}),
        }
        done = subprocess.run(
            ["ansible-playbook", "howdah.postgresql.image", "-e", f"@{given}"],
            env=environ,
            cwd=self._folder,
            capture_output=True,
            check=False,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        said = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        answer: dict[str, Any] = json.loads(said[-1])
        assert answer["image_id"] == self._client.inspect_image(image)["Id"]
        return {**answer, "image": image}

    def image(self, name: str, tree: Path | None = None, **variables: Any) -> str:
        """The same; the name of the image."""
        made: str = self.results(name, tree, **variables)["image"]
        return made

    def clean(self) -> None:
        for image in self._images:
            try:
                self._client.remove_image(image, force=True)
            except docker.errors.ImageNotFound:
                pass  # its build has failed, and that is told already
