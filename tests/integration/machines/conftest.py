# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three machines, one set for all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Iterator

import docker
import pytest

# The cluster, its clients and its verdicts are those of the faults on one engine.
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from machine_bed import Bed, build_siblings, load
from managed_host import managed_host
from spread_cluster import Spread

IMAGES = ("howdah/postgresql:15-bookworm", "howdah/etcd:bookworm", "howdah/haproxy:bookworm", "debian:bookworm")


@pytest.fixture(scope="package")
def bed(docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The machines; the first one has the images, as if it had built them."""
    made = Bed(tmp_path_factory.mktemp("machines"))
    build_siblings()
    try:
        made.start()
        load(made.machines[0], IMAGES)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="package")
def spread(
    bed: Bed, docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Spread]:
    """A cluster on the machines, by their sockets."""
    made = Spread(bed, docker_client, tmp_path_factory.mktemp("spread"))
    made.remove()
    try:
        made.deploy()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="package")
def ssh(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Variables of hosts that are reached by SSH, and have no other libraries than Debian's."""
    return managed_host(bed, tmp_path_factory.mktemp("ssh"))
