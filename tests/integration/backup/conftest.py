# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A single server and its repository, as the playbooks make them."""

from __future__ import annotations

from typing import Iterator

import docker
import pytest
from backup_site import Site
from turns import turn


@pytest.fixture(scope="module")
def site(
    docker_client: docker.APIClient, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server that is backed up."""
    with turn("backup"):
        found = Site(docker_client, "howdah-backup", tmp_path_factory.mktemp("backup"))
        found.remove()
        try:
            found.run("deploy")
            yield found
        finally:
            found.remove()
