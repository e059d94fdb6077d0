# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of builds; each takes away what it made."""
from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from build_kit import Registry, Site


@pytest.fixture(scope="session")
def engine() -> docker.APIClient:
    return docker.APIClient(os.environ.get("DOCKER_HOST"), version="1.41", timeout=30)


@pytest.fixture
def site(tmp_path: Path, engine: docker.APIClient) -> Iterator[Site]:
    site = Site(tmp_path, engine)
    yield site
    for name in site.names:
        if site.image(name):
            engine.remove_image(name)
    assert engine.images(filters={"dangling": True, "label": f"howdah-build={site.name}"}) == []
    assert site.leftovers() == []


@pytest.fixture
def registry(engine: docker.APIClient) -> Iterator[Registry]:
    with Registry() as registry:
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        yield registry
        registry.shutdown()
        for image in engine.images(registry.image.rpartition(":")[0], all=True):
            engine.remove_image(image["Id"], force=True)
