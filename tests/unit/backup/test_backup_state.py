# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the backups and the archive are, and what is made of settings of storages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.filter.backup_states import backup_states
from ansible_collections.howdah.postgresql.plugins.filter.numbered import numbered
from ansible_collections.howdah.postgresql.plugins.filter.pgbackrest_conf import pgbackrest_conf
from howdah.backup import serve
from howdah.entrypoint import archiving, layout
from howdah.entrypoint.faults import Refused

NOW = 1_790_000_000.0
GOOD: dict[str, Any] = {
    "backups": [
        {"type": "full", "age": 400_000.0, "repository_size": 3 << 20},
        {"type": "diff", "age": 7200.0, "repository_size": 1 << 20},
    ],
    "repositories": [{"number": 1, "retention": {"full": "2"}}, {"number": 2, "retention": {}}],
    "archives": [{"max": "000000010000000000000009"}, {"max": None}],
    "schedule": {"last": {"type": "diff", "ok": True, "start": NOW - 7210}, "next": NOW + 60, "problem": ""},
}
ARCHIVER: dict[str, Any] = {"waiting_bytes": 1 << 20, "failing": False, "last_archived_time": "2026-09-01"}


def row(found: dict[str, Any], archiver: dict[str, Any] | None = None, limit: str = "") -> dict[str, Any]:
    return backup_states({"r": found}, ARCHIVER if archiver is None else archiver, limit, NOW)[0]


def test_how_backups_are_that_are_well() -> None:
    assert row(GOOD) == {
        "repository": "r", "backups": 2, "newest": "diff 2 h ago", "oldest": "5 d ago", "keeps": "2 full, all",
        "MiB": 4, "on_schedule": "diff well 2 h ago", "next_utc": "2026-09-21 14:14",
        "archived": "000000010000000000000009", "waiting_MiB": 1.0, "problem": "",
    }  # fmt: skip
    assert row({**GOOD, "schedule": {"next": NOW + 60}})["on_schedule"] == "not yet"
    assert row({**GOOD, "schedule": {}})["on_schedule"] == ""


def test_a_cluster_that_was_made_anew_is_told_from_the_one_that_was_backed_up() -> None:
    for systems, system, told in ((["1", "2"], "2", ""), (["1"], "", ""), (["1"], "3", "another cluster than the one")):
        (found,) = backup_states({"r": {**GOOD, "system_identifiers": systems}}, ARCHIVER, "", NOW, system)
        assert (told in found["problem"]) if told else found["problem"] == ""


@pytest.mark.parametrize(
    ("found", "archiver", "limit", "told"),
    [
        ({"msg": "Repository 1 cannot be used", "code": 1701}, {}, "", "Repository 1 cannot be used"),
        ({"msg": "Create it.", "error": "container_not_found"}, {}, "", "its container is missing; site makes it"),
        ({**GOOD, "backups": []}, {}, "", "there is no backup"),
        ({**GOOD, "complaints": ["invalid option 'x'"]}, {}, "", "does not take: invalid option 'x'"),
        ({**GOOD, "schedule": {"problem": "the last scheduled backup failed: x"}}, {}, "", "failed: x"),
        (GOOD, {**ARCHIVER, "failing": True}, "", "not archived since 2026-09-01"),
        (GOOD, {**ARCHIVER, "waiting_bytes": 2 << 30}, "4GiB", "beyond 4096 MiB they are DROPPED"),
        (GOOD, {**ARCHIVER, "waiting_bytes": 2 << 30}, "", ""),
        (GOOD, {**ARCHIVER, "waiting_bytes": (2 << 30) - 1}, "4GiB", ""),
    ],
)
def test_what_is_wrong_is_told_in_time(
    found: dict[str, Any], archiver: dict[str, Any], limit: str, told: str
) -> None:
    problem = row(found, archiver, limit)["problem"]
    assert told in problem and bool(told) == bool(problem)


def test_a_limit_that_is_no_size_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="no size"):
        row(GOOD, limit="much")


@pytest.mark.parametrize(
    ("conf", "limit"),
    [
        ("[global]\narchive-push-queue-max=4GiB\n", 4 << 30), ("archive-push-queue-max=64MB", 64 << 20),
        ("archive-push-queue-max=1024", 1024), ("repo1-path=/a\n", None),
    ],
)
def test_how_much_may_wait(conf: str, limit: int | None) -> None:
    assert archiving.queue_limit(conf) == limit


@pytest.mark.parametrize(
    ("answer", "limit", "healthy", "word"),
    [
        (None, 1 << 30, True, "nothing"), ("0 0", None, True, "archived"), ("1 0", None, False, "fails"),
        ("0 524288", 1 << 20, False, "dropped"), ("0 524287", 1 << 20, True, "archived"),
    ],
)
def test_the_health_of_the_archive(answer: str | None, limit: int | None, healthy: bool, word: str) -> None:
    verdict = archiving.verdict(answer, limit)
    assert verdict[0] == healthy
    assert word in verdict[1]


def test_what_repositories_keep() -> None:
    text = "[global]\nrepo1-retention-full=2\nrepo1-path=/a\nrepo2-retention-full-type=time\nrepo2-retention-full=14\n"
    assert serve.retention(text) == {"1": {"full": "2"}, "2": {"full-type": "time", "full": "14"}}


def test_no_server_begins_where_a_restore_was_cut_off(tmp_path: Path) -> None:
    place = layout.Layout(str(tmp_path / "15"), staged=False)
    layout.check_restored(place)
    (tmp_path / ".howdah-restoring").touch()
    with pytest.raises(Refused) as refusal:
        layout.check_restored(place)
    assert [fault.event for fault in refusal.value.faults] == ["restore_cut_off"]
    # What is there may be the only data.
    assert "remove" not in refusal.value.faults[0].message
    (tmp_path / ".howdah-kept/20261201T000000Z").mkdir(parents=True)
    with pytest.raises(Refused) as refusal:
        layout.check_restored(place)
    assert f"rename what is in {tmp_path}/.howdah-kept" in refusal.value.faults[0].message


# --- Storages ------------------------------------------------------------------------------------

AZURE = {"type": "azure", "path": "/main", "azure-account": "acc", "azure-container": "c"}
GCS = {"type": "gcs", "path": "/main", "gcs-bucket": "b", "gcs-key-type": "service"}
SFTP = {
    "type": "sftp", "path": "/main", "sftp-host": "h", "sftp-host-user": "u", "sftp-host-key-hash-type": "sha256",
    "sftp-private-key-file": "/etc/howdah/sftp",
}  # fmt: skip


def test_settings_of_other_storages() -> None:
    text = pgbackrest_conf({"global": numbered([AZURE, GCS, SFTP], "repo")})
    assert text == (
        "[global]\nrepo1-type=azure\nrepo1-path=/main\nrepo1-azure-account=acc\nrepo1-azure-container=c\n"
        "repo2-type=gcs\nrepo2-path=/main\nrepo2-gcs-bucket=b\nrepo2-gcs-key-type=service\n"
        "repo3-type=sftp\nrepo3-path=/main\nrepo3-sftp-host=h\nrepo3-sftp-host-user=u\n"
        "repo3-sftp-host-key-hash-type=sha256\nrepo3-sftp-private-key-file=/etc/howdah/sftp\n"
    )


@pytest.mark.parametrize("secret", ["azure-key", "gcs-key", "s3-token", "s3-sse-customer-key"])
def test_keys_of_other_storages_do_not_get_into_files(secret: str) -> None:
    with pytest.raises(AnsibleFilterError, match="backup_secrets"):
        pgbackrest_conf({"global": numbered([{secret: "x"}], "repo")})


def test_a_repository_may_have_a_server_of_its_own() -> None:
    found = {name: {**GOOD, "system_identifiers": [system]} for name, system in (("a", "1"), ("b", "2"), ("c", "3"))}
    own = {"archiver": {**ARCHIVER, "waiting_bytes": 3 << 20}, "system_identifier": "2"}
    rows = backup_states(found, ARCHIVER, "", NOW, "1", {"b": own, "c": {}})
    assert [row["problem"] for row in rows] == ["", "", ""]
    assert [row["waiting_MiB"] for row in rows] == [round(ARCHIVER["waiting_bytes"] / 1048576, 1), 3.0, ""]
    (lost,) = [row for row in backup_states(found, ARCHIVER, "", NOW, "1", {"b": own}) if row["problem"]]
    assert lost["repository"] == "c" and "another cluster" in lost["problem"]
