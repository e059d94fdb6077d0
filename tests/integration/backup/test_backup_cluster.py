# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a Patroni cluster of three, proven by restoring them. The tests build on each other, in their order."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any, Iterator

import docker
import psycopg2
import pytest
from ansible_runs import until
from backup_site import Site
from turns import turn

pytestmark = pytest.mark.full  # a cluster of three, restored twice, and replaced twice

PREFIX = "howdah-backup-ha"


@pytest.fixture(scope="module")
def cluster(
    docker_client: docker.APIClient, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A cluster that is backed up."""
    with turn("backup"):
        found = Site(docker_client, PREFIX, tmp_path_factory.mktemp("ha"), servers=3)
        found.remove()
        try:
            found.run("deploy")
            yield found
        finally:
            found.remove()


class Writer(threading.Thread):
    """Writes a numbered row every 50 ms to whoever is the leader, and keeps what was acknowledged.

    ``acknowledged`` has, for each row, its number, and a position that the log had reached when it was committed.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        ports = ",".join(str(port) for port in site.ports.values())
        hosts = ",".join(["127.0.0.1"] * len(site.ports))
        self._where = (
            f"host={hosts} port={ports} user=postgres dbname=postgres sslmode=require connect_timeout=2"
            " target_session_attrs=read-write options='-c statement_timeout=5000'"
        )
        self._password = site.password
        self._end = threading.Event()
        self.acknowledged: list[tuple[int, int]] = []

    def run(self) -> None:
        connection, number = None, 0
        while not self._end.wait(0.05):
            try:
                if connection is None:
                    connection = psycopg2.connect(self._where, password=self._password)
                    connection.autocommit = True
                number += 1  # a number is sent once, whatever becomes of it
                cursor = connection.cursor()
                cursor.execute("INSERT INTO written VALUES (%s)", (number,))
                cursor.execute("SELECT pg_current_wal_flush_lsn() - '0/0'")
                self.acknowledged.append((number, int(cursor.fetchone()[0])))
            except psycopg2.Error:
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Writer:
        self.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._end.set()
        self.join(30)
        assert not self.is_alive(), "the writer does not end"


def members(cluster: Site) -> list[dict[str, Any]]:
    """The members, as any of them tells it."""
    request = json.dumps({"command": "rest", "method": "GET", "path": "/cluster", "body": None, "timeout": 10})
    for node in cluster.nodes:
        answer = cluster.exec(node, "/opt/container/bin/agent", stdin=request + "\n", check=False)
        try:
            return list(json.loads(answer)["result"]["body"]["members"])
        except (ValueError, KeyError, TypeError):
            continue
    return []


def whole(cluster: Site) -> bool:
    """Whether all follow one leader."""
    found = members(cluster)
    states = sorted((one["role"] == "leader", one["state"]) for one in found)
    return len(found) == 3 and [state for _leader, state in states] == ["streaming", "streaming", "running"]


def made_by(cluster: Site, node: str, begin: int) -> str:
    """How a replica was made, once it was, going by its log from this line on."""

    def found() -> str:
        lines = "\n".join(cluster.logs(node).splitlines()[begin:])
        made = re.findall(r"replica has been created using (\w+)", lines)
        return made[-1] if made else ""

    return str(until(found, f"{node} is made anew"))


def reinitialise(cluster: Site) -> tuple[str, str]:
    """Have a replica made anew; its name, and how it was made."""
    until(lambda: whole(cluster), "the cluster is whole")
    replica = next(one["name"] for one in members(cluster) if one["role"] != "leader")
    begin = len(cluster.logs(replica).splitlines())
    request = {"command": "rest", "method": "POST", "path": "/reinitialize", "body": {"force": True}, "timeout": 30}
    answer = json.loads(cluster.exec(replica, "/opt/container/bin/agent", stdin=json.dumps(request) + "\n"))
    assert answer["result"]["status"] == 200, answer
    method = made_by(cluster, replica, begin)
    until(lambda: whole(cluster), "the new replica follows")
    return replica, method


def rows(cluster: Site) -> set[int]:
    """The numbers that are there."""
    return set(map(int, cluster.sql("SELECT n FROM written").split()))


def test_replicas_are_made_from_the_backup_or_else_from_the_leader(cluster: Site) -> None:
    # When the first ones were made, there was no backup yet.
    followers = [one["name"] for one in members(cluster) if one["role"] != "leader"]
    assert [made_by(cluster, name, 0) for name in followers] == ["basebackup", "basebackup"]
    assert [one["type"] for one in cluster.info()["backup"]] == ["full"]
    assert reinitialise(cluster)[1] == "pgbackrest"
    cluster.client.stop(cluster.repository)
    try:
        assert reinitialise(cluster)[1] == "basebackup"
        # Nor does a repository that is away keep a replica from taking over.
        old, killed = cluster.leader(), time.monotonic()
        cluster.client.kill(old)
        until(lambda: cluster.leader() not in ("", old), "somebody takes over")
        print(f"failover without the repository: {time.monotonic() - killed:.0f} s")
        assert time.monotonic() - killed < 75
        cluster.client.start(old)
    finally:
        cluster.client.start(cluster.repository)
    until(lambda: whole(cluster), "the cluster is whole")


def test_the_schedule_makes_backups_and_follows_the_leader(cluster: Site) -> None:
    # Each minute, and slow enough that the leader can be killed in the middle of one.
    cluster.sql("CREATE TABLE ballast AS SELECT md5(n::text || random()) AS text FROM generate_series(1, 500000) AS n")
    slow = {"compress-type": "gz", "compress-level": 9, "process-max": 1}
    cluster.run("deploy", backup_schedule=[{"type": "full", "every": 1}], backup_settings=slow)

    def record() -> dict[str, Any]:
        told: dict[str, Any] = json.loads(cluster.exec(cluster.repository, "/opt/container/bin/backup", "status"))
        return told

    first = until(lambda: record()["last"], "a backup on schedule", 150)
    assert first["ok"] and first["start"] % 60 < 10, first
    before = cluster.labels()
    until(lambda: cluster.info()["status"]["lock"]["backup"]["held"], "the next backup runs", 150)
    # While it runs, nobody else can make one.
    busy = cluster.run("backup", code=2)
    assert '"code": 1703' in busy
    until(lambda: cluster.info()["status"]["lock"]["backup"]["held"], "a backup runs", 150)
    old = cluster.leader()
    killed = time.time()
    cluster.client.kill(old)
    until(lambda: cluster.leader() not in ("", old), "somebody takes over")
    cluster.client.start(old)
    # The one that lost its server has failed; it is tried again, with the new leader.
    until(lambda: record()["last"]["ok"] and record()["last"]["start"] + record()["last"]["seconds"] > killed,
          "a backup from the new leader", 420)
    assert "A backup could not be made" in cluster.logs(cluster.repository)
    assert record()["healthy"]
    assert set(cluster.labels()) - set(before)
    results = record()["results"]
    spans = [(one["start"], one["start"] + one["seconds"]) for one in results]
    assert all(end <= begin for (_start, end), (begin, _end) in zip(spans, spans[1:])), "never two at once"
    minutes = [int(one["start"] // 60) for one in results]
    assert len(set(minutes)) == len(minutes), "and none is made twice"
    cluster.run("deploy")
    until(lambda: whole(cluster), "the cluster is whole")


def test_no_acknowledged_row_older_than_the_archive_is_lost_with_all_volumes(cluster: Site) -> None:
    cluster.sql("DROP TABLE ballast; CREATE TABLE written (n int)")
    with Writer(cluster) as writer:
        time.sleep(2)
        for _turn in range(3):
            cluster.wait_archived(cluster.sql("SELECT pg_walfile_name(pg_switch_wal())"))
            time.sleep(1)
        archived = cluster.info()["archive"][-1]["max"]
        for node in cluster.nodes:
            cluster.client.remove_container(node, force=True)
    for node in cluster.nodes:
        cluster.client.remove_volume(f"{node}-data")
        cluster.client.remove_volume(f"{node}-etc")
    end = ((int(archived[8:16], 16) << 32) + (int(archived[16:], 16) + 1) * (16 << 20))
    safe = {number for number, position in writer.acknowledged if position <= end}
    assert len(safe) > 40, "there is something to lose"

    output = cluster.run("restore")  # nothing is overwritten, so nothing has to be typed
    found = rows(cluster)
    assert safe <= found, f"acknowledged, archived and lost: {sorted(safe - found)}"
    lost = {number for number, _position in writer.acknowledged} - found
    print(f"{len(writer.acknowledged)} acknowledged, {len(safe)} archived for sure, {len(lost)} lost")
    assert all(number > max(safe) for number in lost), "what is lost is what came last"
    told = " ".join(output.split())
    assert "What was committed later is not there" in told
    until(lambda: whole(cluster), "the cluster is whole")


def test_restores_in_place_between_two_transactions(cluster: Site) -> None:
    cluster.run("backup")
    cluster.sql("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)")
    target = cluster.sql("SELECT clock_timestamp() + interval '1 ms' FROM pg_sleep(0.05)")
    cluster.sql("SELECT pg_sleep(0.05); INSERT INTO marks VALUES (2)")
    cluster.wait_archived(cluster.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    # One that is later than the target, of the timeline that is given up: no replica may be made from it.
    cluster.run("backup")
    before = cluster.sql("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
    identities = {node: cluster.client.inspect_container(node)["Created"] for node in cluster.nodes}
    begin = {node: len(cluster.logs(node).splitlines()) for node in cluster.nodes}
    wish = ["-e", "restore_type=time", "-e", json.dumps({"restore_target": target})]
    refused = cluster.run("restore", *wish, code=2)
    assert f"-e restore_cluster={PREFIX}" in refused
    assert whole(cluster)

    cluster.password += "-new"  # what is restored has the former one
    cluster.run("restore", *wish, "-e", f"restore_cluster={PREFIX}")
    assert whole(cluster), "replicas were made anew"
    for node in cluster.nodes:
        until(lambda node=node: cluster.sql("SELECT n FROM marks", node) == "1", f"{node} has it")  # type: ignore[misc]
    assert {node: cluster.client.inspect_container(node)["Created"] for node in cluster.nodes} == identities
    replicas = [one["name"] for one in members(cluster) if one["role"] != "leader"]
    assert {made_by(cluster, name, begin[name]) for name in replicas} <= {"pgbackrest", "basebackup"}
    segment = cluster.sql("SELECT pg_walfile_name(pg_switch_wal())")
    assert segment[:8] > before
    cluster.wait_archived(segment)
    assert cluster.info()["archive"][-1]["max"][:8] == segment[:8]
    assert cluster.info()["backup"][-1]["type"] == "full"
    cluster.login()
    for node in cluster.nodes:
        kept = cluster.exec(node, "find", "/var/lib/postgresql/data", "-maxdepth", "2", "-path", "*/.howdah-*")
        assert not re.search(r"\.howdah-(restoring|kept/.)", kept), kept
    assert "changed=0" in " ".join(cluster.run("deploy").split())


def test_a_cluster_whose_backups_end_archives_no_more(cluster: Site) -> None:
    """Else its log would pile up, as nobody takes it."""
    cluster.backed_up = False
    try:
        cluster.run("deploy", "-e", f"backup_end={PREFIX}")
        for node in cluster.nodes:
            assert cluster.sql("SHOW archive_mode", node) == "off"
            assert cluster.sql("SELECT count(*) FROM pg_settings WHERE pending_restart", node) == "0"
        assert "changed=0" in " ".join(cluster.run("deploy").split())
    finally:
        cluster.backed_up = True
    cluster.run("deploy")
    for node in cluster.nodes:
        assert cluster.sql("SHOW archive_mode", node) == "on"
    assert "changed=0" in " ".join(cluster.run("deploy").split())


def test_destroy_leaves_only_the_backups(cluster: Site) -> None:
    """The last one: the cluster is gone afterwards."""
    cluster.run("destroy", "-e", f"destroy_data={PREFIX}")
    assert not cluster.client.networks(names=[f"^{PREFIX}$"])
    left = {one["Name"] for one in cluster.client.volumes(filters={"name": f"{PREFIX}-"})["Volumes"] or ()}
    assert left == {f"{cluster.repository}-repository", f"{cluster.repository}-etc"}
    cluster.run("destroy", "-e", f"destroy_backups={PREFIX}")
    assert not cluster.client.volumes(filters={"name": f"{PREFIX}-"})["Volumes"]
