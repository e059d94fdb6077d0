# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two repositories: a volume, and storage of the S3 API over HTTPS. The tests build on each other, in their order."""

from __future__ import annotations

import secrets
from typing import Callable, Iterator

import docker
import pytest
from backup_s3 import BUCKET, PORT, S3
from backup_site import Site
from leaks import Scan
from turns import turn

pytestmark = pytest.mark.full  # installs a server of the S3 API

PREFIX = "howdah-backup"
ONE = "/var/lib/pgbackrest/one"
KEY = "canary-" + secrets.token_urlsafe(12)
SECRET = "canary-" + secrets.token_urlsafe(12)


@pytest.fixture(scope="module")
def storage(
    docker_client: docker.APIClient, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3]:
    """The storage, and the network that everybody is in."""
    with turn("backup"):
        Site(docker_client, PREFIX, tmp_path_factory.mktemp("rest")).remove()
        docker_client.create_network(PREFIX)
        found = S3(docker_client, f"{PREFIX}-s3", test_image, tmp_path_factory.mktemp("s3"))
        try:
            found.start(PREFIX)
            yield found
        finally:
            Site(docker_client, PREFIX, tmp_path_factory.mktemp("rest")).remove()


@pytest.fixture(scope="module")
def site(docker_client: docker.APIClient, storage: S3, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A server that is backed up to both; not deployed yet."""
    found = Site(docker_client, PREFIX, tmp_path_factory.mktemp("storage"))
    found.variables = {
        "backup_repositories": [
            {"path": ONE, "cipher-type": "aes-256-cbc", "retention-full": 2},
            {
                "type": "s3", "path": "/main", "s3-bucket": BUCKET, "s3-endpoint": storage.name, "s3-region": "eu-1",
                "s3-uri-style": "path", "storage-port": PORT, "storage-ca-file": "/etc/howdah/s3.crt",
                "cipher-type": "aes-256-cbc", "retention-full": 3,
            },
        ],
        "backup_secrets": [
            {"cipher-pass": found.cipher},
            {"cipher-pass": found.cipher, "s3-key": KEY, "s3-key-secret": SECRET},
        ],
        "backup_files": [{"path": "s3.crt", "content": storage.authority}],
    }
    return found


def test_an_authority_that_is_unknown_is_told(site: Site) -> None:
    files = [{"path": "s3.crt", "content": ""}]
    output = site.run("deploy", code=2, backup_files=files)
    assert '"code": 1701' in output
    assert "certificate" in output


def test_backups_and_log_are_in_both_repositories(site: Site, leaks: Callable[..., Scan]) -> None:
    with leaks(site.cipher, KEY, SECRET) as scan:
        scan.text("ansible's output", site.run("deploy", "-vvv", "--diff"))
        scan.text("ansible's output", site.run("backup", "-vvv"))
        for container in (site.nodes[0], site.repository):
            scan.container(site.client, container)
    # Where docs/security.md says that they are: in the environment of one container, and of what runs in it.
    assert all(
        place == "inspect Config" or place.startswith("environ of a container: ") for place in scan.places()
    ), scan.places()
    assert "inspect Config" in scan.places(), "the scan sees"
    found = site.info()
    kinds = [(one["database"]["repo-key"], one["type"]) for one in found["backup"]]
    assert sorted(kinds) == [(1, "full"), (1, "incr"), (2, "full"), (2, "incr")]
    site.sql("CREATE TABLE filler ()")  # an idle server has no segment to archive
    site.wait_archived(site.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    archives = {one["database"]["repo-key"]: one["max"] for one in site.info()["archive"]}
    assert archives[1] == archives[2]
    assert "changed=0" in " ".join(site.run("deploy").split())


def test_what_is_stored_cannot_be_read(site: Site, storage: S3) -> None:
    assert f"main/archive/{PREFIX}/archive.info" in storage.objects()

    def begins(count: int, *options: str) -> str:
        words = ["pgbackrest", "--repo=2", *options, "repo-get", f"archive/{PREFIX}/archive.info"]
        return site.exec(site.repository, "bash", "-c", f"{' '.join(words)} | head -c {count}")

    assert begins(10) == "[backrest]", "whoever has the passphrase reads it"
    assert begins(8, "--raw") == "Salted__", "as OpenSSL writes what is encrypted"


def test_the_keys_are_the_repositorys_alone(site: Site) -> None:
    environment = site.client.inspect_container(site.nodes[0])["Config"]["Env"]
    assert not any("canary" in one for one in environment if not one.startswith("POSTGRES_PASSWORD="))


def test_restores_from_either_when_the_other_is_lost(site: Site) -> None:
    site.sql("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)")
    site.wait_archived(site.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    site.exec(site.repository, "rm", "-rf", ONE)
    told = site.run("restore", "--check")
    assert "in repository 2" in " ".join(told.split())
    site.run("restore", "-e", f"restore_cluster={PREFIX}")
    assert site.sql("SELECT n FROM marks") == "1"
    kinds = {(one["database"]["repo-key"], one["type"]) for one in site.info()["backup"]}
    assert (1, "full") in kinds, "what was lost is there again"
    site.run("restore_drill", "-e", "drill_repository=2")
