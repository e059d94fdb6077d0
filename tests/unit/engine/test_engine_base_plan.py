# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a base image comes from: known from the image, planned without surprises."""

from __future__ import annotations

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import base
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.sources import Source

SOURCES = [
    Source("http://me:hunter2@m/debian", ("bookworm", "bookworm-updates"), ("main",), "/k"),
    Source("http://m/debian-security", ("bookworm-security",), ("main",), "/k"),
]
LABELS = base.origin_labels(SOURCES)
FULL = {**LABELS, "io.howdah.base.packages": base.manifest("bash 1 amd64\n")}
OWN = base.Base("sha256:1", "bootstrapped", (), FULL)
PULLED = base.Base("sha256:2", "pulled", ("debian@sha256:aa",), {})


def test_labels_name_the_origin_without_the_account() -> None:
    assert LABELS == {
        "io.howdah.base.origin": "bootstrapped",
        "io.howdah.base.mirror": "http://m/debian",
        "io.howdah.base.suites": "bookworm bookworm-updates bookworm-security",
    }


@pytest.mark.parametrize(
    ("labels", "digests", "origin"),
    [
        (FULL, [], "bootstrapped"),
        (None, ["debian@sha256:aa"], "pulled"),
        ({}, None, ""),
        ({"io.howdah.base.origin": "elsewhere"}, [], ""),
        # Pushed to a registry and pulled from there: still bootstrapped.
        (FULL, ["site/debian@sha256:aa"], "bootstrapped"),
    ],
)
def test_the_origin_is_told_by_label_or_digest(
    labels: dict[str, str] | None, digests: list[str] | None, origin: str
) -> None:
    image = {"Id": "sha256:1", "RepoDigests": digests, "Config": {"Labels": labels}}
    assert base.describe(image).origin == origin


def test_an_image_is_kept_with_an_empty_diff() -> None:
    plan = base.plan_nothing("debian:bookworm", OWN)
    assert not plan.changed and plan.before == plan.after


def test_a_missing_image_is_bootstrapped() -> None:
    plan = base.plan_import("debian:bookworm", None, LABELS)
    assert [str(action) for action in plan.actions] == ["bootstrap image debian:bookworm: from http://m/debian"]
    assert plan.before == {} and plan.after["origin"] == "bootstrapped"


def test_a_refresh_with_the_same_packages_changes_nothing() -> None:
    assert not base.plan_import("debian:bookworm", OWN, FULL).changed


@pytest.mark.parametrize("label", ["packages", "mirror", "suites"])
def test_a_refresh_with_another_is_a_change_and_shows_it(label: str) -> None:
    plan = base.plan_import("debian:bookworm", OWN, {**FULL, f"io.howdah.base.{label}": "new"})
    assert plan.changed
    assert plan.before[label] != plan.after[label] == "new"


def test_a_change_of_origin_is_shown() -> None:
    plan = base.plan_import("debian:bookworm", PULLED, FULL)
    assert (plan.before["origin"], plan.after["origin"]) == ("pulled", "bootstrapped")


def test_a_pull_is_planned_only_for_another_digest() -> None:
    assert not base.plan_pull("debian:bookworm", PULLED, "sha256:aa").changed
    plan = base.plan_pull("debian:bookworm", PULLED, "sha256:bb")
    assert [str(action) for action in plan.actions] == ["pull image debian:bookworm"]
    assert (plan.before["digest"], plan.after["digest"]) == ("sha256:aa", "sha256:bb")
    assert base.plan_pull("debian:bookworm", None, "sha256:aa").changed


def test_nothing_shown_holds_the_password() -> None:
    plan = base.plan_import("debian:bookworm", PULLED, LABELS)
    assert "hunter2" not in str(plan.result())
