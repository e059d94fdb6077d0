# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest says, and what is made of it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.filter.numbered import numbered
from ansible_collections.howdah.postgresql.plugins.filter.pgbackrest_conf import pgbackrest_conf
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    InvalidInput,
    NoBackup,
    NoSpaceToKeep,
    PgbackrestFailed,
    RepositoryUnusable,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._pgbackrest import backup, info, repository, restore
from howdah.backup import program, recovery, serve

DAY = 86400.0
NOW = 1_790_000_000.0


def one(
    label: str, kind: str, age: float, repo: int = 1, lsn: str = "0/5000000", error: bool = False
) -> dict[str, Any]:
    return {
        "label": label, "type": kind, "error": error, "reference": None,
        "archive": {"start": "000000010000000000000003", "stop": "000000010000000000000004"},
        "database": {"id": 1, "repo-key": repo},
        "info": {"delta": 10, "size": 1000, "repository": {"delta": 5}},
        "lsn": {"start": "0/3000028", "stop": lsn},
        "timestamp": {"start": NOW - age - 10, "stop": NOW - age},
    }


def stanza(*backups: dict[str, Any], code: int = 0, repos: int = 1, message: str = "ok") -> info.Stanza:
    content = {
        "name": "main", "backup": list(backups), "cipher": "none",
        "archive": [{"id": "15-1", "min": "0001", "max": "0009", "database": {"id": 1, "repo-key": 1}}],
        "repo": [{"key": n + 1, "cipher": "none", "status": {"code": code, "message": message}} for n in range(repos)],
        "status": {"code": code, "message": message, "lock": {"backup": {"held": False}}},
        "db": [{"id": 1, "repo-key": 1, "system-id": 7_300_000_000_000_000_001, "version": "15"}],
    }
    return info.parse(json.dumps([content]), "main")


ERRORS = """WARN: configuration file contains invalid option 'repo1-retention-ful'
WARN: option 'repo1-retention-full' is not set, the repository may run out of space
WARN: configuration file contains invalid option 'repo1-retention-ful'
"""


def test_whose_backups_they_are_is_told() -> None:
    assert stanza(repos=2).told(NOW)["system_identifiers"] == ["7300000000000000001"]


def test_options_that_are_passed_over_are_told_once() -> None:
    assert info.complaints(ERRORS) == ("invalid option 'repo1-retention-ful'",)
    assert info.complaints("") == ()


FOUND = stanza(one("A", "full", 3 * DAY, lsn="0/4000000"), one("B", "diff", 2 * DAY), one("C", "incr", DAY, lsn="1/0"))


def test_messages_with_line_ends_are_understood() -> None:
    text = json.dumps([{"name": "main", "status": {"code": 99, "message": "one@two"}}]).replace("@", "\n")
    assert info.parse(text, "main").message == "one\ntwo"


def test_a_stanza_that_is_missing_is_no_failure() -> None:
    missing = info.parse("[]", "main")
    assert not missing.exists
    assert missing.backups == ()


@pytest.mark.parametrize("code", [info.NO_PATH, info.NO_DATA])
def test_a_stanza_of_which_a_repository_lacks_is_missing(code: int) -> None:
    assert not stanza(code=code, message="missing").exists


@pytest.mark.parametrize("code", [info.OK, info.NO_PATH, info.NO_BACKUP, info.NO_DATA])
def test_a_repository_without_backups_is_usable(code: int) -> None:
    info.usable(stanza(code=code))


@pytest.mark.parametrize("code", [info.MIXED, info.MISMATCH, 99])
def test_a_repository_that_cannot_be_read_is_a_failure_although_pgbackrest_ended_with_0(code: int) -> None:
    with pytest.raises(RepositoryUnusable, match="other"):
        info.usable(stanza(code=code, message="other"))


@pytest.mark.parametrize("text", ["", "{}", "[{}]", '[{"name": "main"}]'])
def test_what_is_no_information_is_told(text: str) -> None:
    with pytest.raises(PgbackrestFailed):
        info.parse(text, "main")


# --- Backups that are due ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "max_age", "label"),
    [
        ("incr", 1.5 * DAY, "C"),
        ("incr", 0.5 * DAY, None),
        ("diff", 1.5 * DAY, None),
        ("diff", 2.5 * DAY, "B"),
        ("full", 2.5 * DAY, None),
        ("full", 3.5 * DAY, "A"),
    ],
)
def test_a_backup_serves_that_is_young_and_holds_enough(kind: str, max_age: float, label: str | None) -> None:
    found = info.fresh(FOUND, kind, max_age, NOW, None)
    assert (found and found.label) == label
    assert bool(backup.due(FOUND, kind, max_age, None, NOW)) == (label is None)


def test_a_backup_with_wrong_checksums_does_not_serve() -> None:
    assert info.fresh(stanza(one("A", "full", 1, error=True)), "full", DAY, NOW, 1) is None


def test_a_backup_of_the_future_is_not_taken_for_a_young_one() -> None:
    assert info.fresh(stanza(one("A", "full", -2 * DAY)), "full", DAY, NOW, 1) is None
    assert info.fresh(stanza(one("A", "full", -60)), "full", DAY, NOW, 1) is not None, "clocks differ a little"


def test_each_repository_needs_its_own() -> None:
    both = stanza(one("A", "full", 1, repo=1), repos=2)
    assert backup.due(both, "full", DAY, None, NOW) == {2: "there is none yet"}
    with pytest.raises(InvalidInput, match="no repository 3"):
        backup.due(both, "full", DAY, [3], NOW)


def test_repositories_without_a_full_backup() -> None:
    assert info.without_backup(stanza(one("A", "full", 900, repo=1), repos=2), NOW) == [2]
    assert info.without_backup(stanza(one("A", "full", 1, error=True)), NOW) == [1]


def test_without_stanza_there_is_no_backup() -> None:
    with pytest.raises(NoBackup, match="does not exist"):
        backup.due(stanza(code=info.NO_PATH), "full", None, None, NOW)


# --- The backup that a restore starts from -------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "label"),
    [
        (info.Wish(), "C"),
        (info.Wish("immediate"), "C"),
        (info.Wish("time", info.stamp(NOW - 1.5 * DAY)), "B"),
        (info.Wish("time", info.stamp(NOW - 2 * DAY)), "B"),
        (info.Wish("time", info.stamp(NOW - 2 * DAY - 1)), "A"),
        (info.Wish("lsn", "0/4FFFFFF"), "A"),
        (info.Wish("lsn", "0/5000000"), "B"),
        (info.Wish("name", "x"), "C"),
        (info.Wish("xid", "7", label="A"), "A"),
    ],
)
def test_the_newest_backup_before_the_target(wish: info.Wish, label: str) -> None:
    assert info.choose(FOUND, wish, NOW).label == label


def test_a_target_before_all_backups_is_refused_instead_of_replaying_to_the_end() -> None:
    with pytest.raises(NoBackup, match="the oldest one, A"):
        info.choose(FOUND, info.Wish("time", info.stamp(NOW - 4 * DAY)), NOW)


def test_a_time_that_has_not_come_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is in the future"):
        info.choose(FOUND, info.Wish("time", info.stamp(NOW + DAY)), NOW)
    assert info.choose(FOUND, info.Wish("time", info.stamp(NOW + 60)), NOW).label == "C"


def test_a_position_that_is_not_written_yet_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Nothing is written up to 0/FF000000 yet: the leader is at 0/C000060"):
        info.choose(FOUND, info.Wish("lsn", "0/FF000000", written="0/C000060"), NOW)
    for written in ("0/FF000000", "1/0", None, ""):
        assert info.choose(FOUND, info.Wish("lsn", "0/FF000000", written=written), NOW).label == "B"


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (info.Wish("time", "2026-01-31 12:00:00"), "has no time zone"),  # whose noon?
        (info.Wish("time", "2026-01-31"), "is only a date.*ends at a blank"),
        (info.Wish("time", "yesterday"), "cannot be understood"),
        (info.Wish("lsn", "12345"), "cannot be understood"),
        (info.Wish("lsn", "0/xyz"), "cannot be understood"),
        (info.Wish("time"), "needs a target"),
        (info.Wish("default", "2026-01-31 12:00:00+00"), "needs no target. If one is meant"),
        (info.Wish("moon", "full"), "no target of the type"),
    ],
)
def test_a_target_that_can_be_misunderstood_is_refused(wish: info.Wish, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        info.choose(FOUND, wish, NOW)


@pytest.mark.parametrize("text", ["2026-01-31 12:00:00+00", "2026-01-31T12:00:00Z", "2026-01-31 13:00:00+01:00"])
def test_times_as_postgresql_and_people_write_them(text: str) -> None:
    assert info.stamp(info.moment(text)) == "2026-01-31T12:00:00+00:00"


# --- Words of pgBackRest's -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "number", "text"),
    [
        (["P00   INFO: begin", "P00  ERROR: [056]: unable to find primary cluster - cannot proceed"], 56, "unable"),
        (["WARN: x", "ERROR: [050]: unable to acquire lock"], 50, "unable"),
        (["something else"], 9, "something"),
        ([], 9, "no output"),
    ],
)
def test_the_error_among_the_lines(lines: list[str], number: int, text: str) -> None:
    said = repository.understand(lines, 9)
    assert said.number == number
    assert said.text.startswith(text)


def test_a_clock_that_was_ahead_is_told() -> None:
    text = "new backup label '20261128-1F' is not later than latest backup label '20261130-1F'"
    assert "clock" in repository.judge(info.Said(29, text))[1]
    assert repository.judge(info.Said(29, "invalid format"))[0] is RepositoryUnusable


def test_lines_get_their_level() -> None:
    assert serve.classify("P00   INFO: backup begin") == ("INFO", "backup begin")
    assert serve.classify("P01 DETAIL: match file") == ("DEBUG", "match file")
    assert serve.classify("P00  ERROR: [050]: lock") == ("ERROR", "[050]: lock")
    assert serve.classify("ERROR: [101]: TLS error") == ("ERROR", "[101]: TLS error"), "as on standard error"
    assert serve.classify("                  HINT: is it?") == ("INFO", "HINT: is it?")


# --- Settings ------------------------------------------------------------------------------------


def test_numbers_are_in_the_names_of_options() -> None:
    found = numbered([{"path": "/a"}, {"type": "s3", "s3-bucket": "b"}], "repo")
    assert found == {"repo1-path": "/a", "repo2-type": "s3", "repo2-s3-bucket": "b"}
    hosts = numbered([{"name": "n", "address": "a"}], "pg", {"address": "host", "name": None}, {"path": "/d"})
    assert hosts == {"pg1-path": "/d", "pg1-host": "a"}
    assert numbered([{"path": "/a"}] * 2, "repo", None, {"host": "h"}) == {"repo1-host": "h", "repo2-host": "h"}


def test_the_file_of_settings() -> None:
    text = pgbackrest_conf({"global": {"tls-server-auth": ["a=s", "b=s"], "start-fast": True}, "s": {"pg1-path": "/d"}})
    assert text == "[global]\ntls-server-auth=a=s\ntls-server-auth=b=s\nstart-fast=y\n\n[s]\npg1-path=/d\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repo1-path", "/a\nrepo1-type=s3"), ("repo1-path", ""), ("repo1-path", " /a"), ("Repo", "x"),
        ("repo1-cipher-pass", "canary"), ("repo1-s3-key", "canary"), ("repo2-s3-key-secret", "canary"),
        ("repo1-azure-key", "canary"),
    ],
)
def test_what_would_change_the_file_or_is_secret_is_refused(name: str, value: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        pgbackrest_conf({"global": {name: value}})
    assert "canary" not in str(caught.value)


def test_a_server_gets_the_repositories_alone() -> None:
    text = "[global]\nrepo1-path=/r\ntls-server-address=*\nrepo2-type=s3\n\n[main]\npg1-host=a\nrepo9-path=/x\n"
    expected = "[global]\nrepo1-path=/r\nrepo2-type=s3\n\n[main]\npg1-path=/d\n"
    assert program.repository_settings(text, "main", "/d") == expected


# --- Recovery ------------------------------------------------------------------------------------


def test_settings_that_the_log_asks_for() -> None:
    control = "pg_control version number: 1300\nmax_connections setting:              250\nmax_xyz: 1\n"
    assert recovery.settings_of(control) == {"max_connections": "250"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, {"recovery_target_timeline": "latest"}),
        ({"type": "immediate"}, {"recovery_target": "immediate", "recovery_target_action": "promote"}),
        (
            {"type": "time", "target": "t", "exclusive": True},
            {"recovery_target_time": "t", "recovery_target_inclusive": "off", "recovery_target_action": "promote"},
        ),
        ({"type": "name", "target": "n"}, {"recovery_target_name": "n", "recovery_target_action": "promote"}),
    ],
)
def test_how_far_to_recover(request_: dict[str, Any], expected: dict[str, str]) -> None:
    assert recovery.target_settings(request_) == {"recovery_target_timeline": "latest", **expected}


@pytest.mark.parametrize(
    ("archived", "reached", "gap"),
    [
        ("000000010000000000000009", "000000020000000000000007", "0000000000000009"),
        ("000000010000000000000009", "000000020000000000000009", ""),
        ("000000010000000000000009", "00000002000000000000000A", ""),
        ("", "000000020000000000000001", ""),
    ],
)
def test_a_log_that_ends_before_the_archive_does_has_a_gap(archived: str, reached: str, gap: str) -> None:
    assert recovery.gap_before(archived, reached) == gap


def test_the_newest_timeline_says_where_the_replayed_log_ends() -> None:
    history = "1\t0/3000110\tno recovery target specified\n\n2\t1A/E030F78\tat restore point \"3\t0/1\t\"\n"
    assert recovery.branched_at(history) == "1A/E030F78"


def test_where_etcd_is() -> None:
    node = {"scope": "c", "name": "n", "etcd3": {"hosts": ["e:2379"]}, "postgresql": {}}
    assert program.patroni_settings(node, tls=True)["etcd3"]["protocol"] == "https"
    plain = program.patroni_settings(node, tls=False)
    assert plain["etcd3"] == {"hosts": ["e:2379"]}
    assert plain["scope"] == "c"


# --- What a restore would do ---------------------------------------------------------------------

PARAMS: dict[str, Any] = {
    "step": "restore", "volume": "v", "stanza": "s", "type": "time", "target": "2026-01-31 12:00:00+00",
    "exclusive": False, "set": "B", "discard": False, "config_volume": "e", "repository_container": None,
}
SEEN = {"cluster": True, "incomplete": False, "kept": []}


def test_data_are_kept_unless_their_loss_was_agreed_to() -> None:
    actions = [str(action) for action in restore.plan(PARAMS, SEEN).actions]
    assert actions[0].startswith("keep the data folder of volume v")
    assert "stanza s, from B, up to the time 2026-01-31 12:00:00+00" in actions[1]
    agreed = [str(action) for action in restore.plan({**PARAMS, "discard": True}, SEEN).actions]
    assert agreed[0].startswith("remove the data folder of volume v")


@pytest.mark.parametrize(
    ("free", "change", "fits"),
    [
        (109, {}, False),
        (111, {}, True),
        (60, {"discard": True}, True),
        (50, {"discard": True}, False),
        (0, {"step": "finish"}, True),
    ],
)
def test_nothing_begins_without_room_for_both(free: int, change: dict[str, Any], fits: bool) -> None:
    seen = {**SEEN, "free": free, "bytes": 50}
    if fits:
        restore.room({**PARAMS, "size": 100, **change}, seen)
        return
    with pytest.raises(NoSpaceToKeep, match="Nothing was changed"):
        restore.room({**PARAMS, "size": 100, **change}, seen)


def test_what_a_restore_has_left_half_made_is_not_kept() -> None:
    actions = [str(action) for action in restore.plan(PARAMS, {**SEEN, "incomplete": True}).actions]
    assert "cut off" in actions[0]
    assert not any(action.startswith("keep") for action in actions)


def test_finish_does_nothing_when_nothing_was_kept() -> None:
    assert not restore.plan({**PARAMS, "step": "finish"}, SEEN).changed
    assert restore.plan({**PARAMS, "step": "finish"}, {**SEEN, "kept": ["/k"]}).changed


@pytest.mark.parametrize(
    "change", [{"target": None}, {"type": "default"}, {"type": "xid", "target": "abc"}, {"config_volume": None}]
)
def test_a_restore_that_cannot_be_meant_is_refused_before_anything_stops(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        restore.check({**PARAMS, **change})


# --- Restore points that tell their time ---------------------------------------------------------


def test_a_restore_point_of_the_collection_tells_which_backups_are_older() -> None:
    made = datetime.fromtimestamp(NOW - 1.5 * DAY, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    assert info.choose(FOUND, info.Wish("name", f"mid-load-{made}"), NOW).label == "B"
    assert info.choose(FOUND, info.Wish("name", f"mid-load-{made}", label="A"), NOW).label == "A"
    # Any other name tells nothing, nor does one that only looks like it.
    assert info.choose(FOUND, info.Wish("name", "before_migration"), NOW).label == "C"
    assert info.choose(FOUND, info.Wish("name", "point-20269999T999999Z"), NOW).label == "C"
    with pytest.raises(NoBackup, match="before the restore point p-20200101T000000Z"):
        info.choose(FOUND, info.Wish("name", "p-20200101T000000Z"), NOW)
