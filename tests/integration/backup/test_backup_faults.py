# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with backups: one test for each row of docs/backup.md."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING, Iterator

import docker
import pytest
import wal_archive
from ansible_runs import until

if TYPE_CHECKING:
    from backup_site import Site

pytestmark = pytest.mark.full  # each row costs a few playbooks

NODE = "howdah-backup-pg"
REPOSITORY = "howdah-backup-repository"
ONE = "/var/lib/pgbackrest/one"
SMALL = "howdah-backup-small"


def code_of(output: str) -> int:
    """The number of the failure that a playbook ended on."""
    found = re.findall(r'"code": (\d+)', output)
    assert found, output
    return int(found[-1])


def in_repository(*words: str) -> str:
    """The output of a command in the repository's container."""
    done = subprocess.run(
        ["docker", "exec", REPOSITORY, *words], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def kept(image: str) -> list[str]:
    """The whole data folders that a restore has moved aside in the server's volume."""
    script = "find /v/.howdah-kept -mindepth 2 -maxdepth 2 -name PG_VERSION"
    words = ["docker", "run", "--rm", "--network", "none", "-v", f"{NODE}-data:/v:ro", image, "bash", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout.split()


@pytest.fixture
def whole(site: Site) -> Iterator[Site]:
    """The cluster, which is put right again afterwards."""
    yield site
    site.run("deploy")


def test_row_loss_of_a_repository(whole: Site) -> None:
    in_repository("rm", "-rf", ONE)
    assert code_of(whole.run("backup", code=2)) == 1704
    assert "there is no backup" in whole.problem()
    whole.run("deploy")
    assert whole.problem() == ""
    assert [one["type"] for one in whole.info()["backup"]] == ["full"], "a new stanza and backup"


def test_row_wrong_passphrase(whole: Site) -> None:
    before = [one["label"] for one in whole.info()["backup"]]
    wrong = [{"cipher-pass": "canary-that-is-wrong"}]
    refusal = "repository 1 has another passphrase than is given now: cipher-pass in backup_secrets"
    for arguments in ((), ("--check",)):
        output = " ".join(whole.run("deploy", *arguments, code=2, backup_secrets=wrong).split())
        assert refusal in output and "canary-that-is-wrong" not in output
    assert whole.problem(backup_secrets=wrong) == "", "the container was left alone"
    # Where there is none any more, nobody can tell before.
    whole.client.remove_container(REPOSITORY, force=True)
    output = whole.run("deploy", code=2, backup_secrets=wrong)
    assert code_of(output) == 1701
    assert "canary-that-is-wrong" not in output
    assert "cannot be used" in whole.problem(backup_secrets=wrong)
    # The command of pgBackRest 2.45 crashes then, which PostgreSQL does not count as a failure.
    whole.sql("CREATE TABLE IF NOT EXISTS waits (n int); INSERT INTO waits VALUES (1)")
    segment = whole.sql("SELECT pg_walfile_name(pg_switch_wal())")
    health = ["/opt/container/bin/health", "archive"]
    until(lambda: "archiving fails" in whole.exec(NODE, *health, check=False), "the health check tells", 240)
    assert whole.sql(wal_archive.question(segment)) == "f"
    # It says nothing of a server that does not answer in time.
    said = "the log is not archived since"
    until(lambda: said in whole.problem(backup_secrets=wrong), "status tells")
    whole.run("deploy")
    whole.wait_archived(segment)
    assert "the log is archived" in whole.exec(NODE, *health)
    assert [one["label"] for one in whole.info()["backup"]] == before, "nothing was changed"


def test_row_corrupted_file(whole: Site, test_image: str) -> None:
    whole.run("backup", "-e", "backup_type=full")
    older, label = whole.labels()[-2:]
    # The largest file of the backup gets other bytes in its middle.
    script = (
        f"f=$(find {ONE}/backup/howdah-backup/{label}/pg_data -type f -size +8k -printf '%s %p\\n' | sort -n | tail -1"
        " | cut -d' ' -f2-); dd if=/dev/urandom of=\"$f\" bs=512 seek=8 count=2 conv=notrunc status=none"
    )
    in_repository("bash", "-c", script)
    output = whole.run("restore_drill", code=2)
    assert code_of(output) == 1706
    # Nor does a restore in place destroy anything, and another backup serves.
    whole.sql("CREATE TABLE IF NOT EXISTS intact (n int); INSERT INTO intact VALUES (1)")
    whole.wait_archived(whole.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    assert code_of(whole.run("restore", "-e", "restore_cluster=howdah-backup", code=2)) == 1706
    assert kept(test_image), "the former data are still there"
    whole.run("restore", "-e", "restore_cluster=howdah-backup", "-e", f"restore_set={older}")
    assert whole.sql("SELECT count(*) FROM intact") == "1"
    assert not kept(test_image)
    in_repository("rm", "-rf", ONE)  # no later test shall meet it


def test_row_another_backup_runs(whole: Site) -> None:
    program = (
        "import fcntl, os, time; os.makedirs('/tmp/pgbackrest', exist_ok=True);"
        " f = open('/tmp/pgbackrest/howdah-backup-backup.lock', 'w+'); fcntl.flock(f, fcntl.LOCK_EX);"
        " f.write(str(os.getpid()) + '\\n'); f.flush(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        ["docker", "exec", "-i", REPOSITORY, "timeout", "60", "python3", "-c", program], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert code_of(whole.run("backup", code=2)) == 1703
        holder.kill()
    end = time.monotonic() + 90
    while time.monotonic() < end:  # the holder inside the container ends by its own limit
        if "howdah-backup-backup.lock" not in in_repository("bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"):
            return
        time.sleep(1)
    raise AssertionError("the lock is not let go")


def test_row_stanza_of_another_cluster(whole: Site, docker_client: docker.APIClient) -> None:
    docker_client.remove_container(NODE, force=True)
    docker_client.remove_volume(f"{NODE}-data")
    before = [one["label"] for one in whole.info()["backup"]]
    # Somebody has made it anew, without the group of the backups: with it, it would be refused.
    whole.backed_up = False
    whole.run("deploy")
    whole.backed_up = True
    output = whole.run("deploy", code=2)
    assert code_of(output) == 1702
    assert "it has the backups of another cluster than the one that runs" in whole.problem()
    assert "stanza-upgrade" in output
    assert [one["label"] for one in whole.info()["backup"]] == before, "the former cluster's backups are left alone"
    in_repository("rm", "-rf", ONE)


def test_row_archive_gap(whole: Site) -> None:
    whole.run("backup", "-e", "backup_type=full")
    for _turn in range(3):
        whole.sql("CREATE TABLE IF NOT EXISTS gap (n int); INSERT INTO gap VALUES (1)")
        segment = whole.sql("SELECT pg_walfile_name(pg_switch_wal())")
        whole.wait_archived(segment)
        if _turn == 1:
            missing = segment
    in_repository("bash", "-c", f"rm {ONE}/archive/howdah-backup/15-1/*/{missing}-*")
    output = whole.run("restore_drill", code=2)
    assert code_of(output) == 1706
    assert "The archive has a gap" in " ".join(output.split())
    in_repository("rm", "-rf", ONE)


def test_row_interrupted_backup(whole: Site, docker_client: docker.APIClient) -> None:
    before = whole.labels()
    slow = ["--compress-type=gz", "--compress-level=9", "--process-max=1"]
    subprocess.run(
        ["docker", "exec", "-d", REPOSITORY, "pgbackrest", "--stanza=howdah-backup", "--type=full", *slow, "backup"],
        check=True,
    )
    until(lambda: whole.info()["status"]["lock"]["backup"]["held"], "the backup runs", 30)
    docker_client.kill(REPOSITORY)
    docker_client.start(REPOSITORY)
    assert whole.labels() == before, "it was cut off"
    under_way = f"docker top {REPOSITORY} | grep -q -- '--type=full'"
    killer = subprocess.Popen(["bash", "-c", f"until {under_way}; do sleep 0.05; done; docker kill {REPOSITORY}"])
    output = whole.run("backup", "-e", "backup_type=full", code=2)
    assert killer.wait(10) == 0
    assert code_of(output) == 1301 and "the container was stopped or killed" in " ".join(output.split())
    docker_client.start(REPOSITORY)
    whole.run("backup", "-e", "backup_type=full")
    labels = whole.labels()
    assert labels[-1] not in before
    whole.run("restore_drill")


def test_row_a_backup_takes_too_long(whole: Site) -> None:
    before = whole.labels()
    output = whole.run("backup", "-e", "backup_type=full", code=2, backup_backup_timeout=6)
    assert code_of(output) == 1002
    assert whole.labels() == before
    assert not whole.info()["status"]["lock"]["backup"]["held"]
    whole.run("backup")


def test_row_interrupted_restore(whole: Site, docker_client: docker.APIClient, test_image: str) -> None:
    whole.sql("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
    whole.wait_archived(whole.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    name = f"{NODE}-restore"
    killer = subprocess.Popen(
        ["timeout", "300", "bash", "-c",
         f"until docker top {name} 2>/dev/null | grep -q -- '--type=none'; do sleep 0.05; done; docker kill {name}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    output = whole.run("restore", "-e", "restore_cluster=howdah-backup", code=2)
    assert killer.wait(10) == 0
    assert code_of(output) == 1301
    # What was there is kept, and nothing can start on what is half-made.
    assert len(kept(test_image)) == 1
    docker_client.start(NODE)
    until(lambda: "restore_cut_off" in whole.logs(NODE), "the server refuses to start", 30)
    docker_client.stop(NODE)
    told = whole.run("restore", "--check")
    assert "a restore of before was cut off" in " ".join(told.split())
    whole.run("restore", "-e", "restore_cluster=howdah-backup")
    assert whole.sql("SELECT count(*) FROM kept") == "1"
    assert not kept(test_image)


def test_row_no_room_for_both(whole: Site) -> None:
    output = whole.run("restore", "-e", "restore_cluster=howdah-backup", code=2, restore_size=1 << 50)
    assert code_of(output) == 1707
    assert "restore_discard" in output
    assert whole.sql("SELECT 1") == "1", "the server was not even stopped"


def test_row_full_disk_of_the_repository(whole: Site, docker_client: docker.APIClient) -> None:
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=999,gid=999,mode=0700"}
    docker_client.create_volume(SMALL, driver="local", driver_opts=options)
    whole.run("deploy", backup_volume=SMALL)
    before = [one["label"] for one in whole.info()["backup"]]
    filler = "/var/lib/pgbackrest/fills"
    in_repository("bash", "-c", f"head -c 64m /dev/zero > {filler} || test -s {filler}")
    whole.sql("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (2)")
    segment = whole.sql("SELECT pg_walfile_name(pg_switch_wal())")
    output = whole.run("backup", code=2, backup_volume=SMALL)
    assert code_of(output) == 1705
    until(lambda: "No space left on device" in whole.logs(NODE), "the server's log names the cause", 30)
    assert whole.sql(wal_archive.question(segment)) == "f"
    assert "the log is not archived since" in whole.problem(backup_volume=SMALL)
    in_repository("rm", filler)
    whole.wait_archived(segment)  # what waited on the server is archived now
    assert [one["label"] for one in whole.info()["backup"]] == before
    whole.run("backup", backup_volume=SMALL)


def test_row_clock_skew(whole: Site) -> None:
    # pgBackRest asks the server for the time: that it goes wrong is all that has to be feigned.
    clock = (
        "SET allow_system_table_mods = on;"
        " CREATE OR REPLACE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz"
    )
    whole.sql(f"{clock} LANGUAGE sql VOLATILE AS $$SELECT pg_catalog.statement_timestamp() + interval '2 days'$$")
    whole.run("backup", "-e", "backup_type=full")
    whole.sql(f"{clock} LANGUAGE internal VOLATILE AS 'clock_timestamp'")
    whole.run("backup")
    before = whole.labels()
    # One that is of the future is not taken for a young one.
    output = whole.run("backup", "-e", "max_age=1", "-e", "backup_type=full", code=2)
    assert code_of(output) == 1700
    assert "A server's clock was ahead" in " ".join(output.split())
    assert whole.labels() == before
    in_repository("rm", "-rf", ONE)
