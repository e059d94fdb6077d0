# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look into an image, by running a command in it."""

from __future__ import annotations

import json
from typing import Any

import docker


def printed(client: docker.APIClient, image: str, *words: str) -> str:
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


def manifest(client: docker.APIClient, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(client, image, "cat", "/opt/container/manifest.json"))
    return found
