# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The temporary container by which volumes are read and written."""
from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import ContainerFailed
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import volume_access
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.volume_access import Volumes
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.volume_files import (
    MARK,
    PENDING,
    SENT,
    Wish,
    archive,
    parse,
    plan,
)


class Engine:
    """Makes containers, and notes how they are removed."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, dict[str, Any]]] = []
        self.killed: list[tuple[str, str]] = []
        self.files: dict[str, bytes] = {}
        self.timeout = 0.0

    def create_host_config(self, **options: Any) -> dict[str, Any]:
        return options

    def create_container(self, _image: str, **options: Any) -> dict[str, str]:
        return {"Id": options["host_config"]["binds"][0]}

    def inspect_container(self, name: str) -> dict[str, Any]:
        mount = {"Type": "volume", "Name": "pg1-etc", "Destination": "/etc/howdah", "RW": True}
        return {"Id": name, "Mounts": [mount], "State": {"Running": True}}

    def get_archive(self, _container: str, _folder: str) -> tuple[list[bytes], dict[str, Any]]:
        return [archive([], 999, 999)], {}

    def kill(self, container: str, signal: str) -> None:
        self.killed.append((container, signal))

    def put_archive(self, _container: str, _folder: str, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content:
                    self.files[member.name] = content.read()

    def remove_container(self, container: str, **options: Any) -> None:
        self.removed.append((container, options))


def wish(volume: str) -> Wish:
    file = {"path": "a", "content": "b", "secret_content": None, "mode": "0600"}
    given = {"volume": volume, "container": "pg1", "files": [file], "contents": [], "signal": "SIGHUP"}
    return parse({**given, "healthy_after": True}, 999, 999)


def test_a_temporary_container_takes_the_volumes_that_its_image_asks_for_with_it() -> None:
    engine: Any = Engine()
    with Volumes(engine, [], "image", Deadline(5)) as volumes:
        volumes._borrow([wish("pg1-etc")])
        volumes._borrow([wish("pg2-etc")])
    assert [name for name, _options in engine.removed] == ["pg1-etc:/howdah-volumes/0", "pg2-etc:/howdah-volumes/0"]
    # Of its volumes only those without a name go: the engine keeps the others.
    assert all(options == {"force": True, "v": True} for _name, options in engine.removed)


@pytest.mark.parametrize("healthy", [True, False])
def test_a_signal_is_owed_until_the_container_is_healthy_after_it(
    healthy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def await_pass(_client: Any, name: str, after: str, _deadline: Deadline) -> None:
        asked.append((name, after))
        if not healthy:
            raise ContainerFailed("It is not.", logs=[])

    monkeypatch.setattr(volume_access.health, "await_pass", await_pass)
    engine: Any = Engine()
    one = wish("pg1-etc")
    with Volumes(engine, [one], None, Deadline(5)) as volumes:
        plans = [plan(one, found) for found in volumes.observe()]
        if healthy:
            volumes.write(plans)
        else:
            with pytest.raises(ContainerFailed):
                volumes.write(plans)
    assert engine.killed == [("pg1", "SIGHUP")] == asked
    assert engine.files == {"a": b"b", MARK: SENT if healthy else PENDING}
