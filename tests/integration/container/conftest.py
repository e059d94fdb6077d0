# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real engine for the container tests, which leave nothing on it."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "container"))

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import connect
from container_options import params
from turns import turn

PREFIX = "howdah-container-"


def _things(client: Any) -> dict[str, set[str]]:
    """What there is of ours on the engine, by kind."""
    return {
        "containers": {
            entry["Names"][0] for entry in client.containers(all=True) if entry["Names"][0].startswith("/" + PREFIX)
        },
        "networks": {entry["Name"] for entry in client.networks() if entry["Name"].startswith(PREFIX)},
        "volumes": {
            entry["Name"] for entry in client.volumes()["Volumes"] or () if entry["Name"].startswith(PREFIX)
        },
    }


def _clear(client: Any) -> None:
    things = _things(client)
    for name in things["containers"]:
        client.remove_container(name.lstrip("/"), force=True, v=True)
    for name in things["networks"]:
        client.remove_network(name)
    for name in things["volumes"]:
        client.remove_volume(name)


@pytest.fixture
def alone() -> Iterator[None]:
    """One test of this folder at a time."""
    with turn("container"):
        yield


@pytest.fixture
def engine(alone: None) -> Iterator[Any]:
    """The engine's client; what the test makes there is named with PREFIX and removed afterwards."""
    client = connect(params(), Deadline(10))
    client.timeout = 30
    _clear(client)
    yield client
    client.timeout = 30
    _clear(client)


@pytest.fixture
def things(engine: Any) -> Any:
    """Tells what there is of ours on the engine, by kind."""
    return lambda: _things(engine)
