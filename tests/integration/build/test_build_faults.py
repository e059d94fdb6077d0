# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds and transfers where something gives way: the engine, its disk, the controller's disk, the module itself."""
from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import docker
import pytest
from build_kit import Site, processes, wait_until_gone
from second_engine import SecondEngine

SAVE = {"module": "image_transfer", "state": "saved", "path": "cache/image.tar"}
LOAD = {**SAVE, "state": "loaded"}


@pytest.fixture
def small() -> Iterator[SecondEngine]:
    """An engine whose disk is soon full."""
    with tempfile.TemporaryDirectory(prefix="howdah-engine-") as folder:
        engine = SecondEngine(Path(folder), megabytes=48)
        yield engine
        engine.stop()


def free_of(client: docker.APIClient) -> int:
    """Bytes in images and build cache."""
    usage = client.df()
    return int(usage["LayersSize"] or 0) + sum(entry["Size"] for entry in usage["BuildCache"] or ())


def test_an_engine_whose_disk_is_full(site: Site, small: SecondEngine) -> None:
    client = small.client()
    (site.context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    here = {"docker_host": small.url}
    assert site.run(**here)["changed"] is True
    (site.context / "large").write_bytes(os.urandom(40 << 20))
    full = site.run(**here)
    assert full["failed"] and "no space left on device" in full["msg"], full
    assert full["code"] in (1102, 1201)
    assert len(client.images()) == 1 and client.images()[0]["RepoTags"] == [site.name]
    (site.context / "large").unlink()
    again = site.run(**here)
    assert again["changed"] is False, "the image of before is still there"

    # Neither can it take in an image, nor make a container; both are told, and nothing is left of them.
    (site.context / "large").write_bytes(os.urandom(40 << 20))
    results = site.results({}, SAVE, {**LOAD, **here})
    assert (results[2]["code"], results[2]["error"]) == (1204, "transfer_failed")
    assert "no space left on device" in results[2]["msg"]
    assert len(client.images(all=True)) == 1
    with (small.folder / "data/filler").open("wb") as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(b"x" * 65536)
            filler.flush()
    box = {"module": "container", "name": "howdah-build-box", "image": site.name, "command": ["/hello"],
           "state": "present", "volumes": ["howdah-build-volume:/v"], **here}  # fmt: skip
    refused = site.run(**box)
    assert refused["failed"] and "no space left on device" in refused["msg"], refused
    (small.folder / "data/filler").unlink()
    assert client.containers(all=True) == [] and client.volumes()["Volumes"] in (None, [])
    assert site.run(**box)["changed"] is True


def test_an_engine_that_goes_away_in_a_build(site: Site) -> None:
    needle = f"43.{secrets.randbelow(10**6):06}"
    (site.context / "Dockerfile").write_text(
        "FROM debian:bookworm\nARG WAIT\nCOPY hello /\nRUN sleep $WAIT\n"
    )
    with tempfile.TemporaryDirectory(prefix="howdah-engine-") as folder:
        engine = SecondEngine(Path(folder))
        try:
            engine.client().load_image(b"".join(site.engine.get_image("debian:bookworm")))
            here = {"docker_host": engine.url, "network": "none"}
            results: list[dict[str, Any]] = []
            build = threading.Thread(target=lambda: results.append(site.run(args={"WAIT": needle}, **here)))
            build.start()
            for _try in range(200):
                if processes(f"sleep {needle}"):
                    break
                time.sleep(0.1)
            assert processes(f"sleep {needle}"), results
            began = time.monotonic()
            engine.kill()
            build.join(30)
            assert (results[0]["code"], results[0]["error"]) == (1100, "engine_unreachable")
            assert "connection to the container engine broke while building" in results[0]["msg"]
            assert time.monotonic() - began < 30
            assert site.leftovers() == []
            for pid in _pids(f"sleep {needle}"):  # the power cut's own part
                os.kill(pid, signal.SIGKILL)
            engine.start()
            assert site.run(args={"WAIT": "0"}, **here)["changed"] is True
            assert site.run(args={"WAIT": "0"}, **here)["changed"] is False
            assert [image["RepoTags"] for image in engine.client().images(filters={"dangling": True})] == []
        finally:
            engine.stop()


def _pids(needle: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if needle in line:
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("connection", ["local", "like_remote"])
def test_a_module_that_is_killed_in_a_build(site: Site, connection: str) -> None:
    """Its end cancels the build; the next run is as if there had been none, and no file is left."""
    needle = f"44.{secrets.randbelow(10**6):06}"
    (site.context / "Dockerfile").write_text("FROM debian:bookworm\nARG WAIT\nRUN sleep $WAIT\n")
    playbook = subprocess.Popen(
        site.command(str(site.write({"args": {"WAIT": needle}})), connection=connection), cwd=site.folder,
        env=site.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _try in range(200):
            if processes(f"sleep {needle}"):
                break
            time.sleep(0.1)
        assert processes(f"sleep {needle}")
        if connection == "local":  # the worker that builds; what started it goes on, and clears up
            children = Path(f"/proc/{playbook.pid}/task/{playbook.pid}/children").read_text().split()
            victims = [int(child) for child in children]
        else:
            # The module, that is, not what has started it and waits for it.
            victims = [pid for pid in _pids(f"{site.folder}/remote") if pid not in _pids("async_wrapper")]
        assert victims
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has gone with its parent
        wait_until_gone(f"sleep {needle}")
        assert playbook.wait(30) != 0
    finally:
        playbook.kill()
    site.interrupted = connection == "like_remote"
    assert site.run(args={"WAIT": "0"}, connection=connection)["changed"] is True
    assert site.run(args={"WAIT": "0"}, connection=connection)["changed"] is False


def test_a_full_disk_of_the_controller(site: Site) -> None:
    cache = site.folder / "cache"
    cache.mkdir()
    site.run()
    (site.context / "large").write_bytes(os.urandom(3 << 20))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "howdah-test", cache], check=True)
    try:
        _built, full = site.results({}, SAVE)
        assert (full["code"], full["error"]) == (1204, "transfer_failed")
        assert "cannot be written" in full["msg"] and "No space left on device" in full["msg"]
        assert list(cache.iterdir()) == []
    finally:
        subprocess.run(["umount", cache], check=True)
    assert site.run(**SAVE)["changed"] is True


@pytest.mark.parametrize(
    "killed",
    [
        pytest.param("while it was written", marks=pytest.mark.full),
        "before what tells of it",
        pytest.param("while that was written", marks=pytest.mark.full),
    ],
)
def test_a_save_that_was_killed_is_made_anew(site: Site, killed: str) -> None:
    """What is on the disk after a SIGKILL, at each point where it differs."""
    site.results({}, SAVE)
    cache = site.folder / "cache"
    whole = (cache / "image.tar").read_bytes()
    if killed == "while it was written":
        (cache / "image.tar.new").write_bytes(whole[:1000])
        (cache / "image.tar").unlink()
        (cache / "image.tar.json").unlink()
    else:
        (cache / "image.tar.json").unlink()
        if killed == "while that was written":
            (cache / "image.tar.new").write_text('{"fingerpr')
    assert "There is no archive" in site.run(**LOAD)["msg"]
    assert site.run(**SAVE)["changed"] is True
    assert sorted(path.name for path in cache.iterdir()) == ["image.tar", "image.tar.json"]
    site.engine.remove_image(site.name)
    assert site.run(**LOAD)["changed"] is True
