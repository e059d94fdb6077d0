# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role image with two engines: one builds, the other is given the image."""
from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Iterator

import docker
import pytest
from build_kit import Registry
from second_engine import SecondEngine

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
# In place of the real one: what the role does is the same for any.
DOCKERFILE = "".join(
    f"FROM scratch AS {stage}\nARG SUITE\nCOPY image/hello /{stage}\nLABEL howdah.test=delivery\n"
    for stage in ("etcd", "runtime")
) + "COPY image/manifest.json /opt/container/\n"


class Machines:
    """An inventory of two engines, and a collection whose image is small."""

    def __init__(self, folder: Path, second: SecondEngine) -> None:
        self.folder = folder
        self.name = f"howdah-build-delivery-{secrets.token_hex(4)}:1"
        self.etcd = self.name.replace("delivery", "delivery-etcd")
        self.variables: dict[str, Any] = {
            "image_name": self.name, "image_etcd_name": self.etcd, "image_archives": f"{folder}/archives"
        }  # fmt: skip
        collection = folder / "tree/ansible_collections/howdah/postgresql"
        collection.mkdir(parents=True)
        for name in ("plugins", "meta", "galaxy.yml"):
            (collection / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "roles", collection / "roles")
        self.image = collection / "image"
        self.image.mkdir()
        (self.image / "Dockerfile").write_text(DOCKERFILE)
        (self.image / "hello").write_text("one")
        (self.image / "manifest.json").write_text('{"labels": {"told": "by the build"}}')
        # `twin` is a further node on the first engine.
        hosts: dict[str, Any] = {"first": {}, "twin": {}, "second": {"docker_host": second.url}}
        (folder / "inventory.json").write_text(json.dumps({"all": {
            "hosts": hosts,
            "children": {"etcd": {"hosts": {"second": {}}}},
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        }}))  # fmt: skip
        told = "told={{ image_built | default('nothing') | to_json }}"
        (folder / "play.json").write_text(json.dumps([{
            "hosts": "all", "gather_facts": False, "serial": "{{ batch | default(0) }}",
            "roles": ["howdah.postgresql.image"],
            "post_tasks": [{"name": "Tell", "howdah.postgresql.show": {"text": told}}],
        }]))  # fmt: skip

    def play(self, *arguments: str) -> tuple[str, int]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json", "play.json",
             "-e", json.dumps(self.variables), *arguments],
            cwd=self.folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "tree"), "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
        )  # fmt: skip
        return done.stdout, done.returncode

    def changes(self, *arguments: str) -> dict[str, int]:
        """How many tasks changed something, by host."""
        output, code = self.play(*arguments)
        assert code == 0, output
        recap = [line.split() for line in output.partition("PLAY RECAP")[2].splitlines() if "ok=" in line]
        return {words[0]: int(next(word[8:] for word in words if word.startswith("changed="))) for words in recap}


@pytest.fixture(scope="module")
def second() -> Iterator[SecondEngine]:
    # Short: a socket's path has a limit.
    with tempfile.TemporaryDirectory(prefix="howdah-engine-") as folder:
        engine = SecondEngine(Path(folder))
        yield engine
        engine.stop()


@pytest.fixture
def machines(tmp_path: Path, engine: docker.APIClient, second: SecondEngine) -> Iterator[Machines]:
    made = Machines(tmp_path, second)
    yield made
    for client in (engine, second.client()):
        for image in client.images(filters={"label": "howdah.test=delivery"}):
            client.remove_image(image["Id"], force=True)


def ids(machines: Machines, *clients: docker.APIClient) -> list[list[str]]:
    """By engine, the IDs of both images."""
    return [[client.inspect_image(name)["Id"] for name in (machines.name, machines.etcd)] for client in clients]


def test_one_engine_builds_and_the_other_is_given_the_images(
    machines: Machines, engine: docker.APIClient, second: SecondEngine
) -> None:
    other = second.client()
    built = {"first": 4, "twin": 0, "second": 2}  # build and save both; load both
    assert machines.changes("--check") == built
    assert not other.images(machines.name) and not other.images(machines.etcd)
    assert machines.changes() == built
    first, given = ids(machines, engine, other)
    assert first == given
    assert machines.changes() == {"first": 0, "twin": 0, "second": 0}
    assert len(list((machines.folder / "archives").iterdir())) == 4  # the archives, and what tells of them

    (machines.image / "hello").write_text("two")
    assert machines.changes() == built
    newer, given = ids(machines, engine, other)
    assert newer == given and not set(newer) & set(first)
    assert not other.images(filters={"dangling": True}), "the superseded image is gone"

    # Asked to, each builds for itself: nothing is saved or loaded.
    other.import_image_from_data(b"\0" * 1024, "debian", "bookworm")
    (machines.image / "hello").write_text("three")
    alone = ("-e", '{"image_deliver": false}', "--limit", "first,second")
    assert machines.changes(*alone) == {"first": 2, "second": 2}

    # An archive of an image that could not be built would be the former one's.
    before = ids(machines, other)
    (machines.image / "Dockerfile").write_text(DOCKERFILE + "COPY image/none /\n")
    output, code = machines.play()
    assert code != 0 and "first, which builds the images for this engine, has failed" in output, output
    assert ids(machines, other) == before


@pytest.mark.full
@pytest.mark.parametrize("batch", [1, 2])
def test_in_batches(machines: Machines, engine: docker.APIClient, second: SecondEngine, batch: int) -> None:
    """What a later batch needs was not asked yet when the first one built."""
    arguments = ("-e", json.dumps({"batch": batch}))
    built = {"first": 4, "twin": 0, "second": 2}
    assert machines.changes("--check", *arguments) == built
    assert machines.changes(*arguments) == built
    assert len(set(map(tuple, ids(machines, engine, second.client())))) == 1
    assert machines.changes(*arguments) == {"first": 0, "twin": 0, "second": 0}


def test_through_a_registry_where_there_is_one(
    machines: Machines, engine: docker.APIClient, second: SecondEngine, registry: Registry
) -> None:
    address = registry.image.partition("/")[0]
    machines.name, machines.etcd = f"{address}/howdah-build-base:1", f"{address}/howdah/etcd:bookworm"
    machines.variables.update(image_registry=address, image_name=machines.name)
    del machines.variables["image_etcd_name"]  # by default it is in the registry too
    # The second engine has a network of its own, and meets the registry at the same address there.
    inside = Registry(second.listen(registry.server_address[1]), registry.blobs)
    threading.Thread(target=inside.serve_forever, daemon=True).start()
    try:
        assert machines.changes() == {"first": 4, "twin": 0, "second": 2}  # build and push; pull
        first, given = ids(machines, engine, second.client())
        assert first == given
        assert machines.changes() == {"first": 0, "twin": 0, "second": 0}
        assert not (machines.folder / "archives").exists()
    finally:
        inside.shutdown()
        inside.server_close()
