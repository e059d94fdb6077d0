# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a single server, proven by restoring them. The tests of this file build on each other, in their order."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Callable

import docker
import pytest
from ansible_runs import until

if TYPE_CHECKING:
    from backup_site import Site
    from leaks import Scan

NODE = "howdah-backup-pg"
REPOSITORY = "howdah-backup-repository"
CLUSTER = "howdah-backup"


def changes(output: str) -> list[str]:
    """What the recap says was changed, host by host."""
    return [line for line in output.splitlines() if "unreachable=" in line and "changed=0 " not in line]


def volumes(client: docker.APIClient) -> set[str]:
    """Those of this folder's; tests of others make and remove theirs at the same time."""
    return {volume["Name"] for volume in client.volumes(filters={"name": "howdah-backup"})["Volumes"] or ()}


def report(output: str) -> dict[str, Any]:
    """The JSON that a playbook printed."""
    start = output.index("\n{") + 1
    found: dict[str, Any] = json.JSONDecoder().raw_decode(output[start:])[0]
    return found


def test_deploying_again_changes_nothing(site: Site) -> None:
    assert [one["type"] for one in site.info()["backup"]] == ["full"], "the first backup was made at once"
    assert site.info()["cipher"] == "aes-256-cbc"
    begin = len(site.logs(NODE))
    assert changes(site.run("deploy")) == []
    # What pgBackRest's check leaves in the log.
    until(lambda: "Archive Check" in site.logs(NODE)[begin:], "the log was seen to arrive", 20)
    assert changes(site.run("deploy", "--check", "--diff")) == []


def test_the_repository_has_no_volume_but_its_own(site: Site) -> None:
    mounts = site.client.inspect_container(REPOSITORY)["Mounts"]
    named = {f"{REPOSITORY}-repository", f"{REPOSITORY}-etc"}
    assert {one["Name"] for one in mounts if one["Type"] == "volume"} == named


def test_servers_compress_the_log_as_the_repository_does_backups(site: Site) -> None:
    segments = site.exec(REPOSITORY, "find", "/var/lib/pgbackrest/one/archive", "-type", "f", "-name", "0*-*").split()
    assert segments and [name for name in segments if not name.endswith(".zst")] == []


def test_no_backup_is_made_while_there_is_a_young_one(site: Site) -> None:
    before = [one["label"] for one in site.info()["backup"]]
    assert changes(site.run("backup", "-e", "max_age=3600")) == []
    assert "Would: back up to repository 1: incr, asked for" in site.run("backup", "--check")
    assert [one["label"] for one in site.info()["backup"]] == before
    assert changes(site.run("backup")) != []
    assert [one["type"] for one in site.info()["backup"]] == ["full", "incr"]


def test_what_waits_is_counted_after_a_backup_as_well(site: Site) -> None:
    # What was archived last is the backup's own file then, which is named after a segment of before. One that takes no
    # longer than this ends in the segment that it began in, so that its file is the last one.
    site.sql("SELECT pg_backup_start('waits', true); SELECT pg_backup_stop(false)")
    last = "SELECT last_archived_wal FROM pg_stat_archiver"
    until(lambda: site.sql(last).endswith(".backup"), "the backup's own file is archived")
    site.sql("ALTER SYSTEM SET archive_command = '/bin/false'")
    site.sql("SELECT pg_reload_conf()")
    for _turn in range(3):
        site.sql("CREATE TABLE IF NOT EXISTS waits (n int); INSERT INTO waits VALUES (1)")
        segment = site.sql("SELECT pg_walfile_name(pg_switch_wal())")
    health = ["/opt/container/bin/health", "archive"]
    until(lambda: "48 MiB of the log wait" in site.exec(NODE, *health, check=False), "the health check counts them")

    def row() -> dict[str, Any]:
        found: dict[str, Any] = report(site.run("status", "-e", "output=json"))["backups"][0]
        return found

    # It stays empty while the server does not answer in time.
    told = until(lambda: (found := row())["waiting_MiB"] != "" and found, "status tells how much waits")
    assert 48 <= told["waiting_MiB"] < 64
    assert "the log is not archived since" in told["problem"]
    site.sql("ALTER SYSTEM RESET archive_command")
    site.sql("SELECT pg_reload_conf()")
    site.wait_archived(segment)
    until(lambda: "the log is archived, 0 MiB" in site.exec(NODE, *health, check=False), "nothing waits any more")


def test_restores_exactly_between_two_transactions(site: Site, docker_client: docker.APIClient) -> None:
    # In the way of a recovery that listened to it, and to be kept all the same.
    site.sql("ALTER SYSTEM SET restore_command = '/bin/false'")
    site.sql("ALTER SYSTEM SET work_mem = '7MB'")
    site.run("backup")
    site.sql("CREATE TABLE marks (n int); INSERT INTO marks SELECT generate_series(1, 100)")
    site.sql("SELECT pg_sleep(0.05); INSERT INTO marks VALUES (101)")
    target = site.sql("SELECT clock_timestamp() + interval '1 ms' FROM pg_sleep(0.05)")
    site.sql("SELECT pg_sleep(0.05); INSERT INTO marks VALUES (102)")
    segment = site.sql("SELECT pg_walfile_name(pg_switch_wal())")
    site.wait_archived(segment)
    wish = ["-e", "restore_type=time", "-e", json.dumps({"restore_target": target})]
    newest = site.info()["backup"][-1]["label"]

    told = site.run("restore", "--check", *wish)
    assert f"from the backup {newest}" in " ".join(told.split())
    assert "keep the data folder of volume howdah-backup-pg-data" in told
    rehearsed = " ".join(told.split()).rpartition("As rehearsed: ")[2]
    assert rehearsed.startswith(f"the cluster {CLUSTER} from the backup {newest}, up to the time {target}."), told
    assert f"Data of {NODE} would be replaced, which has to be said by -e restore_cluster={CLUSTER}." in rehearsed
    assert site.sql("SELECT count(*) FROM marks") == "102", "check mode has changed nothing"

    refused = site.run("restore", *wish, code=2)
    assert f"-e restore_cluster={CLUSTER}" in refused
    told = site.run("restore", "--check", *wish, "-e", "restore_cluster=another", code=2)
    assert f"-e restore_cluster={CLUSTER} (not another). No server was changed." in " ".join(told.split())
    for check in (["--check"], []):
        ahead = ["-e", "restore_type=lsn", "-e", "restore_target=FF/0", "-e", f"restore_cluster={CLUSTER}"]
        told = site.run("restore", *check, *ahead, code=2)
        assert "Nothing is written up to FF/0 yet: the leader is at 0/" in told
    assert site.sql("SELECT count(*) FROM marks") == "102"

    site.password += "-new"  # what is restored has the former one
    told = site.run("restore", *wish, "-e", f"restore_cluster={CLUSTER}")
    assert re.search(r"Restored the cluster .*\nok: \[.*\]\n\nPLAY RECAP", told), "nothing comes after it"
    site.login()
    assert site.sql("SELECT count(*), max(n) FROM marks") == "101|101"
    assert site.sql("SHOW work_mem") == "7MB"
    assert site.sql("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == "00000002"
    assert site.info()["backup"][-1]["type"] == "full"
    site.wait_archived(site.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    assert site.info()["archive"][-1]["max"].startswith("00000002")
    listed = subprocess.run(
        ["docker", "exec", NODE, "ls", "-A", "/var/lib/postgresql/data"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in listed if name.startswith(".howdah-rest")], listed
    kept = ["docker", "exec", NODE, "ls", "-A", "/var/lib/postgresql/data/.howdah-kept"]
    assert subprocess.run(kept, capture_output=True, text=True, check=True).stdout == "", "the former data are gone now"


def test_a_time_is_reached_though_nothing_was_committed_since(site: Site) -> None:
    """PostgreSQL takes a time for reached at a later commit only: after a quiet hour there is none."""
    site.sql("CREATE TABLE quiet AS SELECT 7 AS n")
    target = site.sql("SELECT now() FROM pg_sleep(1.1)")
    wish = ["-e", "restore_type=time", "-e", json.dumps({"restore_target": target}), "-e", f"restore_cluster={CLUSTER}"]
    # With a wrong passphrase nothing is stopped, and the next one gets in again.
    right, site.cipher = site.cipher, "canary-wrong"
    differs = "repository 1 has another passphrase than is given now"
    assert differs in " ".join(site.run("restore", "--check", *wish, code=2).split())
    for refusal in (differs, "Most likely its passphrase"):
        told = site.run("restore", *wish, code=2)
        assert refusal in " ".join(told.split()) and told.isascii(), told
        assert site.sql("SELECT n FROM quiet") == "7"
        site.client.remove_container(REPOSITORY, force=True)  # which knew it
    site.cipher = right
    site.run("restore", *wish)
    assert site.sql("SELECT n FROM quiet") == "7"
    site.sql("DROP TABLE quiet")


def test_a_drill_leaves_nothing_and_notices_what_is_wrong(site: Site, docker_client: docker.APIClient) -> None:
    before = volumes(docker_client)
    question = {"name": "marks", "sql": "SELECT count(*) = 101 FROM marks"}
    output = site.run("restore_drill", "-e", "output=json", drill_assertions=[question])
    told = report(output)
    assert told["restored"]["assertions"] == [{"name": "marks", "ok": True, "answer": "t", "expected": "t"}]
    assert told["restored"]["checksum_blocks"] > 100
    assert told["restored"]["amcheck_seconds"] > 0
    assert told["archived"]["waiting_bytes"] >= 0
    foreseen = " ".join(site.run("restore_drill", "--check").split())
    newest = told["backup"]["label"]
    wanted = f"Would restore stanza {CLUSTER}: from {newest}, to the end of the archived log, and throw it away."
    assert wanted in foreseen, foreseen
    nowhere = " ".join(site.run("restore_drill", "-e", "drill_repository=9", code=2).split())
    assert f"There is no repository 9: stanza {CLUSTER} has 1." in nowhere
    wrong = {"name": "more marks", "sql": "SELECT count(*) > 1000 FROM marks"}
    failed = site.run("restore_drill", code=2, drill_assertions=[wrong])
    assert "more marks: the answer was 'f', not 't'. The log was replayed up to the" in " ".join(failed.split())
    assert volumes(docker_client) == before
    assert docker_client.containers(all=True, filters={"name": "drill"}) == []


def test_secrets_are_in_the_environment_of_the_repository_alone(site: Site, leaks: Callable[..., Scan]) -> None:
    with leaks(site.cipher) as scan:
        scan.text("ansible's output", site.run("deploy", "-vvv", "--diff"))
        scan.text("ansible's output", site.run("restore_drill", "-vvv"))
        for container in (NODE, REPOSITORY):
            scan.container(site.client, container)
        scan.database(lambda statement: [[line] for line in site.sql(statement).splitlines()])
    # docs/security.md has this list: the description of one container, and what runs in it.
    places = scan.places()
    assert "inspect Config" in places, "the scan sees"
    assert [one for one in places if one != "inspect Config" and not one.startswith("environ of a container: ")] == []
    server = site.client.inspect_container(NODE)
    assert site.cipher not in json.dumps(server)


@pytest.mark.full
def test_restores_after_the_loss_of_all_volumes_of_the_server(site: Site, docker_client: docker.APIClient) -> None:
    docker_client.remove_container(NODE, force=True)
    for name in (f"{NODE}-data", f"{NODE}-etc"):
        docker_client.remove_volume(name)
    site.run("restore")  # nothing is overwritten, so nothing has to be typed
    assert site.sql("SELECT count(*), max(n) FROM marks") == "101|101"


@pytest.mark.full
@pytest.mark.parametrize("kind", ["lsn", "name", "xid"])
def test_restores_to_each_kind_of_target(site: Site, kind: str) -> None:
    site.run("backup")
    table = f"points_{kind}"
    site.sql(f"CREATE TABLE {table} (n int)")
    transaction = site.sql(f"BEGIN; INSERT INTO {table} VALUES (1); SELECT pg_current_xact_id(); COMMIT")
    position = site.sql("SELECT pg_create_restore_point('between')")
    target = {"lsn": position, "name": "between", "xid": transaction}[kind]
    site.sql(f"INSERT INTO {table} VALUES (2)")
    site.wait_archived(site.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    wish = ["-e", f"restore_type={kind}", "-e", json.dumps({"restore_target": target})]
    if kind == "xid":
        # Whoever has no room for both agrees to the loss of the present data.
        wish += ["-e", f"restore_discard={CLUSTER}"]
        told = site.run("restore", "--check", *wish)
        assert "remove the data folder of volume howdah-backup-pg-data: as agreed" in " ".join(told.split())
        assert "That this is after the end of the backup, only the restore finds out." in " ".join(told.split())
    typed = NODE if kind == "name" else CLUSTER  # a single server is its cluster
    told = " ".join(site.run("restore", *wish, "-e", f"restore_cluster={typed}").split())
    if kind == "name":
        assert f"to the position {position}. What was committed later is not there." in told
    assert site.sql(f"SELECT string_agg(n::text, ',') FROM {table}") == "1"
    assert [one["type"] for one in site.info()["backup"]].count("full") == 2, "no more are kept than declared"


@pytest.mark.full
def test_five_moments_between_transactions_are_met_exactly(site: Site) -> None:
    site.run("backup")
    site.sql("CREATE TABLE moments (n int)")
    targets = []
    for number in range(6):
        site.sql(f"INSERT INTO moments VALUES ({number})")
        targets.append(site.sql("SELECT clock_timestamp() + interval '1 ms' FROM pg_sleep(0.02)"))
        site.sql("SELECT pg_sleep(0.02)")
    site.wait_archived(site.sql("SELECT pg_walfile_name(pg_switch_wal())"))
    for number, target in enumerate(targets[:5]):
        question = {"name": target, "sql": f"SELECT max(n) = {number} AND count(*) = {number + 1} FROM moments"}
        wish = ["-e", "drill_type=time", "-e", json.dumps({"drill_target": target})]
        site.run("restore_drill", *wish, drill_assertions=[question], drill_amcheck=False, drill_checksums=False)


@pytest.mark.full  # a minute: many runs, for what is refused
def test_a_used_repository_is_not_declared_without_encryption(site: Site, docker_client: docker.APIClient) -> None:
    before = docker_client.inspect_container(REPOSITORY)["Id"]
    for arguments in ((), ("--check",)):
        told = site.run("deploy", *arguments, code=2, backup_repositories=[{"path": "/var/lib/pgbackrest/one"}])
        refusal = "these repositories are of another cipher-type than is declared now: 1: aes-256-cbc."
        assert refusal in " ".join(told.split())
    assert docker_client.inspect_container(REPOSITORY)["Id"] == before
    assert changes(site.run("deploy", "--check")) == []
    # Where there is no container, nobody can be asked; what then is configured wrongly can be mended.
    docker_client.remove_container(REPOSITORY, force=True)
    told = site.run("deploy", code=2, backup_repositories=[{"path": "/var/lib/pgbackrest/one"}])
    assert "is not what it was made with" in " ".join(told.split())
    docker_client.remove_container(REPOSITORY, force=True)
    told = " ".join(site.run("deploy", "--check").split())
    assert f"Would then make the stanza {CLUSTER}, and a full backup, unless the repository has them already." in told
    site.run("deploy")
    assert changes(site.run("deploy", "--check")) == []


@pytest.mark.full  # a minute: many runs, for what is refused
def test_an_option_that_pgbackrest_does_not_know_is_told(site: Site) -> None:
    """It warns in a log, and goes on without: backups whose retention is misspelt would be kept for ever."""
    used = {"path": "/var/lib/pgbackrest/one", "cipher-type": "aes-256-cbc", "retention-ful": 2}
    for arguments in (["--check"], [], []):  # and again
        told = " ".join(site.run("deploy", *arguments, code=2, backup_repositories=[used]).split())
        assert "does not take: invalid option 'repo1-retention-ful'. Correct it in backup_repositories" in told
    assert "does not take: invalid option 'repo1-retention-ful'" in site.problem(backup_repositories=[used])
    # A server's pgBackRest would only tell its log. Its own options are none of the repository's.
    for arguments in (["--check"], [], []):
        misspelt = {"archiv-async": "y", "archive-push-queue-max": "1GiB"}
        told = " ".join(site.run("deploy", *arguments, code=2, backup_node_settings=misspelt).split())
        assert "take: invalid option 'archiv-async'. Correct it in backup_node_settings. No server" in told
    site.run("deploy", "--check", backup_node_settings={"archive-push-queue-max": "1GiB"})
    site.run("deploy", "--check")
    site.run("deploy")
    assert site.problem() == ""


def test_an_update_tells_of_the_repository_as_well(site: Site, docker_client: docker.APIClient) -> None:
    name = "howdah-backup-update"
    docker_client.commit(REPOSITORY, name, "1", conf={"Labels": {"another": "image"}})
    try:
        told = site.run("update", "--check", backup_image=f"{name}:1")
        assert f"Would recreate container {REPOSITORY}: " in told
    finally:
        docker_client.remove_image(f"{name}:1")


def test_backups_do_not_end_because_their_group_was_left_out(site: Site, docker_client: docker.APIClient) -> None:
    before = docker_client.inspect_container(NODE)["Id"]
    site.backed_up = False
    try:
        for arguments in ((), ("--check",), ("-e", "backup_end=another")):
            told = " ".join(site.run("deploy", *arguments, code=2).split())
            assert f"{NODE}: backed up so far, and this inventory has no group backup" in told
        told = " ".join(site.run("site", code=2).split())
        assert f"{NODE}: backed up so far, and this inventory has no group backup" in told
        assert "Provide the images" not in told, "which takes minutes"
        assert docker_client.inspect_container(NODE)["Id"] == before
        told = site.run("deploy", "--check", "-e", f"backup_end={CLUSTER}")
        assert [line.split()[0] for line in changes(told)] == [NODE]
        # A job that runs with it must not end well, as if it had done something.
        for playbook in ("backup", "restore_drill", "restore"):
            told = " ".join(site.run(playbook, code=2).split())
            assert "This inventory has no group backup, and so there is no repository." in told
        told = " ".join(site.run("status", "-e", "fail_on_problem=true", code=2).split())
        assert f"not in this inventory: nobody looks at the backups of {NODE}: give the playbook the inventory" in told
        # Nor by a restore from a repository that the inventory knows as somebody else's.
        other = {"restore_from": REPOSITORY, "restore_stanza": CLUSTER, "restore_cluster": CLUSTER}
        told = " ".join(site.run("restore", "-e", json.dumps(other), code=2).split())
        assert f"{NODE}: backed up so far, and this inventory has no group backup" in told
        assert docker_client.inspect_container(NODE)["Id"] == before
    finally:
        site.backed_up = True


def test_destroy_removes_what_was_typed_and_nothing_else(site: Site, docker_client: docker.APIClient) -> None:
    """The last one: the site is gone afterwards."""
    repository = {f"{REPOSITORY}-repository", f"{REPOSITORY}-etc"}
    site.sql("CREATE TABLE kept_by_backups ()")
    site.run("backup")
    every = {f"{NODE}-data", f"{NODE}-etc", *repository}
    # A repository is no server, whatever is typed.
    for words in (("-e", f"target={REPOSITORY}"), ()):
        told = " ".join(site.run("destroy", *words, "-e", f"destroy_data={REPOSITORY}", code=2).split())
        wanted = "There is no server" if words else f"It has to be {NODE} or {CLUSTER}."
        assert f"destroy_data is {REPOSITORY}. {wanted}" in told
    site.run("destroy", "-e", f"target={REPOSITORY}")
    assert volumes(docker_client) == every
    assert [one["Names"] for one in docker_client.containers(filters={"name": "^/howdah-backup-"})] == [[f"/{NODE}"]]
    assert docker_client.networks(names=[f"^{CLUSTER}$"]), "a network goes before the last who is attached to it"
    # A single server that is alone is its cluster as well.
    told = " ".join(site.run("destroy", "-e", f"destroy_data={CLUSTER}").split())
    assert not docker_client.networks(names=[f"^{CLUSTER}$"])
    assert volumes(docker_client) == repository, "the backups stay"
    assert f"To remove them too, type the name: destroy with -e destroy_backups={CLUSTER}" in told
    assert docker_client.containers(all=True, filters={"name": "^/howdah-backup-"}) == []
    # Made anew, it would not be what the backups are of; nor in a volume that has nothing in it.
    for _again in range(2):
        for words in ((), ("--check",)):
            told = " ".join(site.run("deploy", *words, code=2).split())
            assert f"The data of {CLUSTER} are gone, and {REPOSITORY} has backups of it. Have them restored" in told
        docker_client.create_volume(f"{NODE}-data")
    assert volumes(docker_client) == {f"{NODE}-data", *repository}
    docker_client.remove_container(REPOSITORY, force=True)
    told = " ".join(site.run("restore", "--check", code=2).split())
    assert f"The container {REPOSITORY}, which knows the backups, is not there" in told
    site.run("restore")
    assert site.sql("SELECT count(*) FROM pg_class WHERE relname = 'kept_by_backups'") == "1"
    site.run("destroy", "-e", f"destroy_data={NODE}")
    assert volumes(docker_client) == repository
    told = " ".join(site.run("destroy", "-e", "destroy_backups=another", code=2).split())
    assert volumes(docker_client) == repository and "Nothing was removed." in told
    told = " ".join(site.run("destroy", "-e", f"destroy_backups={CLUSTER}").split())
    assert f"Done: remove volume {REPOSITORY}-repository; remove volume {REPOSITORY}-etc." in told
    assert volumes(docker_client) == set()
