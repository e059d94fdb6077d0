# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all integration tests share: the engine, the image, and the proof that nothing is left behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator

import docker
import extended_image
import pytest
from leaks import Scan

ENGINE_TIMEOUT = 60  # seconds for one request
LABEL = "howdah.test"  # whatever a test makes in an engine carries it, or a name that begins with howdah-<area>-
DEFAULT_IMAGE = "howdah/postgresql:15-bookworm"
LAST_LINES = 40

# Longest first, so that none is left alone at the end; and those of an area that takes turns (turns.py) not next to
# each other, or one would wait for the other. The others follow in the order of their names.
_ORDER = (
    "backup/test_backup_restore.py", "container/test_container_engine.py", "faults/test_faults.py",
    "product/test_product_quickstart.py", "image/test_image_container.py", "image/test_image_patroni.py",
    "container/test_container_playbook.py", "build/test_build_transfer.py", "product/test_product_bad_input.py",
    "faults/test_operating.py", "password/test_password_ansible.py", "container/test_container_process.py",
    "build/test_build_faults.py", "image/test_image_password.py", "build/test_build_delivery.py",
    "product/test_product_artifact.py", "build/test_build_engine.py", "engine/test_engine_base_image.py",
    "password/test_password_hostile.py", "password/test_password_engine.py", "container/test_container_options.py",
    "password/test_password_deadlines.py", "product/test_product_operate.py", "password/test_password_leaks.py",
    "image/test_image_bad_input.py", "build/test_build_running.py", "product/test_product_migration.py",
    "image/test_image_drop_in.py", "engine/test_engine_role.py", "product/test_product_readme.py",
    "volume/test_volume_certificates.py", "product/test_product_upgrade.py",
)  # fmt: skip
_before = pytest.StashKey[set[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order above; the tests of a file stay as they are."""
    here = Path(__file__).parent
    ranks = {here / name: rank for rank, name in enumerate(_ORDER)}
    assert all(path.is_file() for path in ranks), "the order names a file that is gone"
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def _client() -> docker.APIClient:
    url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return docker.APIClient(base_url=url, version="auto", timeout=ENGINE_TIMEOUT)


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.APIClient]:
    """The low-level client of the engine under test."""
    try:
        client = _client()
    except docker.errors.DockerException as error:
        pytest.fail(f"No container engine answers: {error}. `bin/test integration` provides one.", pytrace=False)
    yield client
    client.close()


@pytest.fixture(scope="session")
def test_image(docker_client: docker.APIClient) -> str:
    """The name of the image under test, which exists."""
    name = os.environ.get("HOWDAH_TEST_IMAGE", DEFAULT_IMAGE)
    repository = os.environ.get(extended_image.VARIABLE)
    if repository and "HOWDAH_TEST_IMAGE" not in os.environ:
        name = extended_image.build(repository)
    try:
        docker_client.inspect_image(name)
    except docker.errors.ImageNotFound:
        pytest.fail(f"There is no image {name}: `bin/test integration` builds it.", pytrace=False)
    return name


@pytest.fixture
def leaks() -> Callable[..., Scan]:
    """Scans for secrets: see leaks.py."""
    return lambda *secrets: Scan(secrets)


def _areas() -> list[str]:
    folders = [path for path in Path(__file__).parent.iterdir() if path.is_dir() and not path.name.startswith("_")]
    return [path.name for path in folders]


def _is_ours(name: str, labels: dict[str, str] | None) -> bool:
    return LABEL in (labels or {}) or any(name.startswith(f"howdah-{area}-") for area in _areas())


def _objects(client: docker.APIClient) -> set[str]:
    """All that looks as if integration tests had made it, as `kind name`."""
    found = [("container", entry["Names"][0].lstrip("/"), entry["Labels"]) for entry in client.containers(all=True)]
    found += [("network", entry["Name"], entry["Labels"]) for entry in client.networks()]
    found += [("volume", entry["Name"], entry["Labels"]) for entry in client.volumes()["Volumes"] or ()]
    return {f"{kind} {name}" for kind, name, labels in found if _is_ours(name, labels)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Print the logs of the area's containers into a failed test's report, while they are still there."""
    report: Any = yield
    if report.failed:
        try:
            client = _client()
        except docker.errors.DockerException:
            return report  # it has failed for that
        area = item.path.relative_to(Path(__file__).parent).parts[0]
        for entry in client.containers(all=True, filters={"name": f"^/howdah-{area}-"}):
            try:
                lines = client.logs(entry["Id"], tail=LAST_LINES).decode(errors="replace")
            except docker.errors.APIError as error:  # it is being removed
                lines = str(error)
            report.sections.append((f"Last lines of container {entry['Names'][0]} ({entry['Status']})", lines))
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember what was there before: only what is new has to go. Workers of pytest-xdist see only a part."""
    if not hasattr(session.config, "workerinput"):
        try:
            session.config.stash[_before] = _objects(_client())
        except docker.errors.DockerException:
            return  # the fixtures tell it, to each test that needs an engine


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that leaves anything in the engine has failed."""
    before = session.config.stash.get(_before, None)
    if before is None:
        return
    left = sorted(_objects(_client()) - before)
    if left:
        print(f"\nLeft behind in the engine: {', '.join(left)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
