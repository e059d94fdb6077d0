# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore into another cluster, beside the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

import docker
import pytest
from backup_site import Site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.full  # two clusters

OTHER = "howdah-backup-other"


@pytest.fixture
def other(docker_client: docker.APIClient, tmp_path: Path) -> Iterator[Site]:
    """What is declared of another cluster; nothing of it is there."""
    found = Site(docker_client, OTHER, tmp_path)
    found.remove()
    try:
        yield found
    finally:
        found.remove()


def test_restores_into_another_cluster_beside_the_first(site: Site, other: Site) -> None:
    site.sql("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)")
    site.wait_archived(site.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    before = site.labels()
    wish = ["-e", f"restore_from={site.repository}", "-e", f"restore_stanza={site.prefix}"]

    told = " ".join(other.run("restore", "--check", *wish).split())
    assert f"Would restore the cluster {OTHER} from the backup {before[-1]} of stanza {site.prefix}" in told

    other.run("restore", *wish)
    assert other.sql("SELECT n FROM marks") == "1"
    other.login()
    # Each of them goes its own way, with a repository of its own.
    other.sql("INSERT INTO marks VALUES (2)")
    site.sql("INSERT INTO marks VALUES (3)")
    for one, has in ((site, "1,3"), (other, "1,2")):
        one.wait_archived(one.sql("SELECT pg_walfile_name(pg_switch_wal())"))
        assert one.sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM marks") == has
    assert site.labels() == before
    assert [one["type"] for one in other.info()["backup"]][-1] == "full"
    assert other.info()["archive"][-1]["max"][:8] == "00000002"
    assert site.info()["archive"][-1]["max"][:8] == "00000001"
    other.run("restore_drill")


def test_a_cluster_becomes_another_one_with_a_repository_of_its_own_or_without(
    docker_client: docker.APIClient, tmp_path: Path
) -> None:
    for part in ("first", "other"):
        (tmp_path / part).mkdir()
    first = Site(docker_client, "howdah-backup-first", tmp_path / "first", servers=2)
    other = Site(docker_client, OTHER, tmp_path / "other", servers=2)
    wish = ["-e", f"restore_from={first.repository}", "-e", f"restore_stanza={first.prefix}"]
    try:
        for one in (first, other):
            one.remove()
        told = first.run("site", "--check")
        assert "unreachable=0    failed=0" in told, "a check before there is anything ends well"
        first.run("deploy")
        first.sql("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)")
        first.wait_archived(first.sql("SELECT pg_walfile_name(pg_switch_wal())"))
        for other.backed_up in (False, True):
            other.run("restore", *wish)
            assert other.sql("SELECT n FROM marks") == "1"
            other.login()
            assert "changed=0" in " ".join(other.run("deploy").split())
            other.remove()
        assert first.sql("SELECT n FROM marks") == "1"
        # With an inventory that has the first one's nodes, the other's name is not enough.
        typed = ["-e", "cluster_name=elsewhere", "-e", "restore_cluster=elsewhere"]
        told = " ".join(first.run("restore", *wish, *typed, code=2).split())
        assert f"At work for another cluster than elsewhere: {first.nodes[0]} ({first.prefix})" in told, told
        alone = Site(docker_client, OTHER, tmp_path / "other")
        alone.backed_up = False
        told = " ".join(alone.run("restore", *wish, code=2).split())
        assert "The backup is a cluster's, and can only become a cluster: the inventory needs a group etcd" in told
        assert first.sql("SELECT n FROM marks") == "1"
    finally:
        for one in (first, other):
            one.remove()
