# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The temporary container by which volumes are read and written."""
from __future__ import annotations

from typing import Any

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.volume_access import Volumes
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.volume_files import Wish, parse


class Engine:
    """Makes containers, and notes how they are removed."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, dict[str, Any]]] = []

    def create_host_config(self, **options: Any) -> dict[str, Any]:
        return options

    def create_container(self, _image: str, **options: Any) -> dict[str, str]:
        return {"Id": options["host_config"]["binds"][0]}

    def remove_container(self, container: str, **options: Any) -> None:
        self.removed.append((container, options))


def wish(volume: str) -> Wish:
    given = {"volume": volume, "container": "pg1", "files": [], "contents": [], "signal": None}
    return parse(given, 999, 999)


def test_a_temporary_container_takes_the_volumes_that_its_image_asks_for_with_it() -> None:
    engine: Any = Engine()
    with Volumes(engine, [], "image", Deadline(5)) as volumes:
        volumes._borrow([wish("pg1-etc")])
        volumes._borrow([wish("pg2-etc")])
    assert [name for name, _options in engine.removed] == ["pg1-etc:/howdah-volumes/0", "pg2-etc:/howdah-volumes/0"]
    # Of its volumes only those without a name go: the engine keeps the others.
    assert all(options == {"force": True, "v": True} for _name, options in engine.removed)
