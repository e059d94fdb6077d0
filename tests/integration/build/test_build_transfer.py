# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's way to another engine: the same one here, once it has lost the image."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from build_kit import Registry, Site

SAVE = {"module": "image_transfer", "state": "saved", "path": "cache/image.tar"}
LOAD = {**SAVE, "state": "loaded"}


def checked(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Each task after itself in check mode."""
    return [{**task, "check_mode": mode} for task in tasks for mode in (True, False)]


def told(results: list[dict[str, Any]]) -> list[tuple[bool, list[str]]]:
    """Of each task, once it is known that check mode told the same."""
    assert not [result["msg"] for result in results if result.get("failed")]
    said = [(result["changed"], result["actions"]) for result in results]
    assert said[0::2] == said[1::2]
    return said[1::2]


@pytest.mark.parametrize("connection", [pytest.param("local", marks=pytest.mark.full), "like_remote"])
def test_by_way_of_an_archive(site: Site, connection: str) -> None:
    site.run()
    image = site.image()
    assert image
    results = site.results(*checked(SAVE, SAVE, LOAD), connection=connection)
    assert told(results) == [(True, [f"save {site.name}: it is not there"]), (False, []), (False, [])]
    assert site.said.count(f": saving {site.name}\n") == 1
    assert site.said.count(f": fetching 0 MB of {site.name}\n") == (connection == "like_remote")
    archive = site.folder / "cache/image.tar"
    assert archive.stat().st_size == results[1]["size"]
    assert sorted(path.name for path in archive.parent.iterdir()) == ["image.tar", "image.tar.json"]

    site.engine.remove_image(site.name)
    results = site.results(*checked(LOAD, LOAD), connection=connection)
    assert told(results) == [(True, [f"load {site.name}: it is not there"]), (False, [])]
    assert site.said.count(f": sending 0 MB of {site.name}\n") == (connection == "like_remote")
    loaded = site.image()
    assert loaded and {**loaded, "Metadata": None} == {**image, "Metadata": None}  # the time of tagging
    assert site.run()["changed"] is False  # as if it had been built here

    (site.context / "hello").write_text("newer")
    newer, *results = site.results({}, *checked(SAVE), connection=connection)
    assert told(results) == [(True, [f"save {site.name}: another one is there"])]
    site.engine.remove_image(site.name)
    results = site.results(*checked(LOAD), connection=connection)
    assert results[1]["image_id"] == newer["image_id"]


def test_an_archive_that_was_damaged_is_refused(site: Site) -> None:
    site.results({}, SAVE)
    archive = Path(site.folder / "cache/image.tar")
    content = bytearray(archive.read_bytes())
    content[600] ^= 1
    archive.write_bytes(content)
    site.engine.remove_image(site.name)
    refused = site.run(**LOAD)
    assert (refused["error"], refused["code"]) == ("transfer_failed", 1204)
    assert "is not what was saved: its SHA-256 is" in refused["msg"]
    assert site.image() is None
    archive.write_bytes(content[:700])  # cut off, as by a full disk: no archive at all
    assert "There is no archive" in site.run(**LOAD)["msg"]


def test_nothing_is_left_of_a_failure(site: Site) -> None:
    absent, unwritable = {**SAVE, "name": "howdah-build-none:1"}, {**SAVE, "path": "/proc/none/image.tar"}
    _built, missing, nowhere = site.results({}, absent, unwritable)
    assert missing["code"] == 1200
    assert "cannot be kept on the controller as /proc/none/image.tar" in nowhere["msg"]
    assert not (site.folder / "cache").exists()


def test_check_mode_tells_what_follows_a_build_that_it_has_not_made(site: Site) -> None:
    pending = {"image_pending": True, "check_mode": True}
    results = site.results({**SAVE, **pending}, {**LOAD, **pending})
    assert [result["actions"] for result in results] == [
        [f"save {site.name}: it is not there"], [f"load {site.name}: it is not there"]
    ]  # fmt: skip


@pytest.mark.parametrize("ways", [("saved", "loaded"), ("saved", "pulled")], ids=["archive", "registry"])
def test_check_mode_tells_what_follows_an_offer_that_it_has_not_made(site: Site, ways: tuple[str, str]) -> None:
    """A first run on several machines, of which one has the image."""
    site.run()
    offer, take = ({**SAVE, "state": way, "check_mode": True} for way in ways)
    offered = site.results(offer)[0]
    assert offered["changed"] is True and not (site.folder / "cache").exists()
    take["fingerprint"] = offered["fingerprint"]
    assert site.results(take)[0]["changed"] is False
    site.engine.remove_image(site.name)
    verb = ways[1].removesuffix("ed")
    assert site.results(take)[0]["actions"] == [f"{verb} {site.name}: it is not there"]


def test_through_a_registry(site: Site, registry: Registry) -> None:
    name = registry.image.replace("base", "transfer")
    site.names.append(name)
    push = {"module": "image_transfer", "state": "pushed", "name": name}
    pull = {**push, "state": "pulled"}
    site.run(tags=[name])
    assert told(site.results(*checked(push, push, pull))) == [
        (True, [f"push {name}: it is not there"]), (False, []), (False, [])
    ]  # fmt: skip
    site.engine.remove_image(name)
    assert told(site.results(*checked(pull, pull))) == [(True, [f"pull {name}: it is not there"]), (False, [])]
    assert site.image(name) == site.image()
    registry.blobs.clear()
    site.engine.remove_image(name)
    absent, refused = site.results(pull, {**push, "name": site.name})
    assert (absent["code"], absent["changed"]) == (1200, False)
    assert (refused["code"], refused["error"]) == (1204, "transfer_failed")
