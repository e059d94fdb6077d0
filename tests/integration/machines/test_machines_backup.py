# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a cluster on three machines, its repository on a fourth. The tests build on each other, in their order."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, Iterator

import docker
import pytest
import wal_archive
from ansible_runs import until
from machine_bed import Bed
from spread_cluster import NAME, Spread

pytestmark = pytest.mark.full  # three engines get the image, and one restore of all

REPOSITORY = f"{NAME}-backup"
_PASSPHRASE = "canary-" + secrets.token_urlsafe(12)


class BackedUp(Spread):
    """As docs/production.md has it: the machines' own network, the repository behind a published port."""

    def inventory(self) -> dict[str, Any]:
        found = super().inventory()
        where = {"backup_address": self.host, "backup_publish_address": self.host, "backup_port": 9432}
        here = {key: value for key, value in found["all"]["children"]["proxy"]["hosts"][f"{NAME}-proxy"].items()
                if key.startswith("ansible_")}
        found["all"]["children"]["backup"] = {"hosts": {REPOSITORY: {**here, **where}}}
        found["all"]["vars"] |= {
            "backup_repositories": [{"path": "/var/lib/pgbackrest/one", "cipher-type": "aes-256-cbc"}],
            "backup_secrets": [{"cipher-pass": _PASSPHRASE}],
        }
        return found

    def sql(self, statement: str, node: str = "") -> str:
        """The answer of a server, of the leader if none is named."""
        words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]
        return self.run(node or self.leader(), words, statement.encode()).strip()

    def archive(self) -> str:
        """Have what was written until now archived."""
        segment = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        until(lambda: self.sql(wal_archive.question(segment)) == "t", "it is archived", wal_archive.PATIENCE)
        return segment

    def problem(self) -> str:
        """What the playbook `status` says is wrong with the backups."""
        output = self.play("status", "-e", "output=json")
        start = output.index("\n{") + 1
        return str(json.JSONDecoder().raw_decode(output[start:])[0]["backups"][0]["problem"])


@pytest.fixture(scope="module")
def backed(
    bed: Bed, docker_client: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BackedUp]:
    """The cluster with its repository."""
    made = BackedUp(bed, docker_client, tmp_path_factory.mktemp("backed"))
    made.remove()
    try:
        made.deploy()
        yield made
    finally:
        made.remove()


def test_a_repository_on_a_machine_of_its_own(backed: BackedUp) -> None:
    assert not re.findall(r"changed=[1-9]", backed.play("site"))
    backed.wait_whole()
    assert backed.problem() == ""
    backed.sql("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)")
    backed.archive()
    backed.play("restore_drill")


def test_a_machine_that_was_lost_gets_its_data_from_the_repository(backed: BackedUp) -> None:
    leader = backed.wait_whole()
    lost = next(name for name in backed.names if name != leader)
    engine = backed.machine_of(lost).client()
    engine.remove_container(lost, force=True)
    engine.remove_volume(f"{lost}-data")
    backed.play("deploy")
    backed.wait_whole()
    log = engine.logs(lost).decode(errors="replace")
    assert "replica has been created using pgbackrest" in log
    assert backed.sql("SELECT n FROM marks", lost) == "1"


def test_restores_all_machines_to_a_moment(backed: BackedUp) -> None:
    backed.wait_whole()
    target = backed.sql("SELECT clock_timestamp() + interval '1 ms' FROM pg_sleep(0.05)")
    backed.sql("SELECT pg_sleep(0.05); INSERT INTO marks VALUES (2)")
    before = backed.archive()
    wish = ["-e", "restore_type=time", "-e", json.dumps({"restore_target": target}), "-e", f"restore_cluster={NAME}"]
    backed.play("restore", *wish)
    backed.wait_whole()
    for node in backed.names:
        until(lambda node=node: backed.sql("SELECT string_agg(n::text, ',') FROM marks", node) == "1", f"{node} has it")
    assert backed.archive()[:8] > before[:8]
    assert backed.problem() == ""
