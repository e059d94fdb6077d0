# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster for all tests of a file."""

from __future__ import annotations

from typing import Iterator

import docker
import pytest
from patroni_site import Site
from turns import turn


@pytest.fixture(scope="module")
def site(docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The cluster, deployed."""
    with turn("patroni"):
        made = Site(docker_client, tmp_path_factory.mktemp("patroni"))
        made.remove()  # what an interrupted run has left
        try:
            made.start_etcd()
            made.play("site")
            yield made
        finally:
            made.remove()
