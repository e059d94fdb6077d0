# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster that faults are inflicted on: one for all tests of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import docker
import pytest
from fault_cluster import Cluster


@pytest.fixture(scope="module")
def cluster(docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster as the playbook `site` makes it; nothing of it stays."""
    folder: Path = tmp_path_factory.mktemp("faults")
    made = Cluster(docker_client, folder)
    made.remove()  # what an interrupted run has left
    try:
        made.deploy()
        yield made
    finally:
        made.remove()
