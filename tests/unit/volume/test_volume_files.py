# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a volume is to hold."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import volume_files
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.volume_files import (
    MARK,
    PENDING,
    SENT,
    Found,
    Observed,
    archive,
    unpack,
)

SECRET = "canary-of-a-key"


def wish(*files: dict[str, Any], signal: str | None = None) -> volume_files.Wish:
    base = {"content": None, "secret_content": None, "mode": "0600"}
    given = {"volume": "pg1-etc", "container": "pg1", "files": [{**base, **file} for file in files], "contents": []}
    return volume_files.parse({**given, "signal": signal, "healthy_after": False}, 999, 999)


KEY = {"path": "tls/node.key", "secret_content": SECRET}


def test_a_secret_is_never_in_a_plan() -> None:
    decided = volume_files.plan(wish(KEY), Observed(True, {"tls/node.key": Found(b"former-canary", 0o600, 999, 999)}))
    assert [str(action) for action in decided.plan.actions] == ["write file pg1-etc:tls/node.key: content"]
    assert "canary" not in str(decided.plan.result())
    assert "canary" not in repr(decided)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "it is missing"),
        (Found(b"other", 0o600, 999, 999), "content"),
        (Found(SECRET.encode(), 0o644, 999, 999), "mode"),
        (Found(SECRET.encode(), 0o600, 0, 0), "owner"),
    ],
)
def test_what_differs_is_written(found: Found | None, why: str) -> None:
    observed = Observed(True, {"tls/node.key": found} if found else {})
    (action,) = volume_files.plan(wish(KEY), observed).plan.actions
    assert action.why == why


def test_what_is_right_is_left_alone() -> None:
    observed = Observed(True, {"tls/node.key": Found(SECRET.encode(), 0o600, 999, 999)}, running=True)
    assert not volume_files.plan(wish(KEY, signal="SIGHUP"), observed).plan.changed


def test_a_running_container_is_told_of_a_change_and_a_stopped_one_is_not() -> None:
    asked = wish(KEY, signal="SIGHUP")
    assert volume_files.plan(asked, Observed(True, {}, running=True)).signals
    assert not volume_files.plan(asked, Observed(True, {}, running=False)).signals


def test_a_signal_that_an_interrupted_run_owes_is_sent() -> None:
    right = {"tls/node.key": Found(SECRET.encode(), 0o600, 999, 999)}
    asked = wish(KEY, signal="SIGHUP")
    owed = Observed(True, {**right, MARK: Found(PENDING, 0o600, 999, 999)}, running=True)
    assert volume_files.plan(asked, owed).signals
    paid = Observed(True, {**right, MARK: Found(SENT, 0o600, 999, 999)}, running=True)
    assert not volume_files.plan(asked, paid).plan.changed


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ".", MARK])
def test_no_path_leaves_the_volume(path: str) -> None:
    with pytest.raises(InvalidInput, match="must be a path below the volume"):
        wish({"path": path, "content": "x"})


def test_exactly_one_content() -> None:
    with pytest.raises(InvalidInput, match="exactly one of"):
        wish({"path": "a"})
    with pytest.raises(InvalidInput, match="given twice"):
        wish({"path": "a", "content": "x"}, {"path": "./a", "content": "y"})


def test_an_archive_is_read_back_as_it_was_written() -> None:
    files = wish(KEY, {"path": "patroni.yml", "content": "{}", "mode": "0644"}).files
    found = unpack(archive(files, 999, 998, below="etc"))
    assert found == {
        "tls/node.key": Found(SECRET.encode(), 0o600, 999, 998),
        "patroni.yml": Found(b"{}", 0o644, 999, 998),
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a": {"b": [1, "x"]}, "c": null}', {"a": {"b": [1, "x"]}, "c": None}),
        ('{"c":null}', '{"c":null}'),  # another text of the same value: shown as it is, or the two would look equal
        ("[global]\nrepo1-path=/var\n", ["[global]", "repo1-path=/var", ""]),
        ("postgres", "postgres"),
    ],
)
def test_a_comparison_shows_what_differs_within_a_file(text: str, shown: Any) -> None:
    found = Observed(True, {"patroni.yml": Found(b"{}", 0o600, 999, 999)})
    decided = volume_files.plan(wish({"path": "patroni.yml", "content": text}), found)
    assert decided.plan.after["patroni.yml"]["content"] == shown
    assert decided.plan.before["patroni.yml"]["content"] == {}
