# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what an image is known on another engine."""
from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_transfer import (
    fingerprint,
    local_digest,
    plan,
)

IMAGE: dict[str, Any] = {
    "Id": "sha256:aa", "Created": "2026-01-01T00:00:00.1Z", "Os": "linux", "Architecture": "amd64",
    "RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:2"]},
    "Config": {"Env": ["A=1"], "Cmd": ["serve"], "Labels": {"a": "b"}, "Hostname": "", "Image": "sha256:bb"},
    "Metadata": {"LastTagTime": "2026-01-02T00:00:00Z"},
}  # fmt: skip


def test_the_same_image_is_known_on_engines_that_tell_of_it_differently() -> None:
    # With containerd's image store the ID is another digest, and fields without a value are left out or null.
    other = deepcopy(IMAGE)
    other.update(Id="sha256:ff", Metadata={}, Descriptor={"digest": "sha256:ff"})
    other["Config"] = {**other["Config"], "Entrypoint": None, "User": "", "Volumes": {}}
    del other["Config"]["Hostname"], other["Config"]["Image"]
    assert fingerprint(other) == fingerprint(IMAGE)


@pytest.mark.parametrize(
    "path", [("Created",), ("Architecture",), ("RootFS", "Layers"), ("Config", "Labels"), ("Config", "Cmd")]
)
def test_another_image_is_another_one(path: tuple[str, ...]) -> None:
    other = deepcopy(IMAGE)
    place = other if len(path) == 1 else other[path[0]]
    place[path[-1]] = ["other"]
    assert fingerprint(other) != fingerprint(IMAGE)


def test_only_the_names_own_registry_counts() -> None:
    image = {"RepoDigests": ["a.example/x@sha256:1", "b.example:5000/x@sha256:2"]}
    assert local_digest(image, "b.example:5000/x:1") == "sha256:2"
    assert local_digest(image, "c.example/x:1") == ""
    assert local_digest(None, "c.example/x:1") == ""


def test_equal_is_nothing_to_do() -> None:
    assert not plan("load", "x:1", "abc", "abc").changed
    assert [str(action) for action in plan("load", "x:1", "", "abc").actions] == ["load x:1: it is not there"]
