# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One formation for all tests of a file."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any, Iterator

import docker
import pytest
from extended_image import why_not
from turns import turn

# What is done to clusters in general is in the folder of their faults.
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from citus_bed import Formation

LABEL = "io.howdah.postgresql.citus"


@pytest.fixture(scope="module")
def citus_image(docker_client: docker.APIClient, test_image: str) -> str:
    """The image under test, if it has Citus."""
    labels = docker_client.inspect_image(test_image)["Config"]["Labels"] or {}
    if LABEL not in labels:
        pytest.skip(why_not("citus"))
    return test_image


@pytest.fixture(scope="module")
def formation(
    request: pytest.FixtureRequest,
    docker_client: docker.APIClient,
    citus_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Formation]:
    """The formation, deployed; of the size that the file's GROUPS says, and with the hosts of its FURTHER.

    Where the file has them, VARIABLES are declared, and SECRETS names variables of the environment with passwords.
    """
    groups: Any = request.module.GROUPS
    with turn("citus"):
        made = Formation(docker_client, tmp_path_factory.mktemp("citus"), citus_image, groups)
        made.further = getattr(request.module, "FURTHER", {})
        made.variables.update(getattr(request.module, "VARIABLES", {}))
        wanted = getattr(request.module, "SECRETS", ())
        made.environment = {name: "canary-" + secrets.token_urlsafe(12) for name in wanted}
        made.remove()  # what an interrupted run has left
        try:
            made.play("deploy")
            yield made
        finally:
            made.remove()
