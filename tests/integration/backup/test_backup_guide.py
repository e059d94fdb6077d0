# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/backup.md from its first command to a restore, as it stands there, on a single server.

Only names and ports are others, and a moment and secrets stand where the page leaves them to the reader.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Iterator, Sequence

import docker
import pytest
from ansible_runs import type_commands
from backup_site import Site
from guides import blocks, commands, fill_in
from turns import turn

pytestmark = pytest.mark.full  # eight playbooks

PAGE = (Path(__file__).parents[3] / "docs/backup.md").read_text(encoding="utf-8")
MOMENT = "2026-01-31 12:00:00+00"


class Reader(Site):
    """Somebody with the page."""

    def begin(self) -> None:
        """Keep the page's inventory, as it says that it is for a single server."""
        text = next(block.text for block in blocks(PAGE, "yaml") if block.text.startswith("# inventory.yml"))
        for there, instead in {
            "{pg1: {}, pg2: {}, pg3: {}}": f"{{pg1: {{server_port: {self.ports[self.nodes[0]]}}}}}",
            "    etcd: {hosts: {etcd1: {}}}\n": "",
            "    proxy: {hosts: {proxy1: {proxy_port: 5441, proxy_read_port: 5442}}}\n": "",
            "cluster_name: main": f"cluster_name: {self.prefix}",
            "pg1": self.nodes[0],
            "backup1": self.repository,
        }.items():
            assert there in text, f"the page's inventory no longer has {there}"
            text = text.replace(there, instead)
        (self.folder / "inventory.yml").write_text(text, encoding="utf-8")

    def type(self, typed: Sequence[str]) -> str:
        """All commands in one shell, which stops at the first that fails; what they print."""
        export = fill_in(commands(blocks(PAGE, "console")[0])[0], self.password)
        return type_commands(self.folder, [export, *typed])


@pytest.fixture
def reader(docker_client: docker.APIClient, test_image: str, tmp_path: Path) -> Iterator[Reader]:
    """A reader; what they deployed is removed afterwards."""
    with turn("backup"):
        found = Reader(docker_client, "howdah-backup", tmp_path)
        found.remove()
        try:
            yield found
        finally:
            found.remove()


def test_the_page_leads_to_a_restore(reader: Reader) -> None:
    first, _quickstarts, daily, restore = (commands(block) for block in blocks(PAGE, "console")[:4])
    assert [len(first), len(daily), len(restore)] == [3, 3, 2], "more commands than this test knows the order of"
    reader.begin()
    output = reader.type([*first[1:], *daily])
    assert "There is a good enough backup." in output
    assert re.search(r"^backup +age +restored in", output, re.MULTILINE), "the drill's report"

    reader.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    time.sleep(1.1)  # the page's moments are whole seconds
    moment = reader.sql("SELECT date_trunc('second', now())")
    reader.sql("SELECT pg_sleep(1.1); DELETE FROM t")
    assert all(MOMENT in command for command in restore)
    typed = [command.replace(MOMENT, moment).replace("restore_cluster=main", f"restore_cluster={reader.prefix}")
             for command in restore]  # fmt: skip
    output = reader.type(typed)
    assert re.search(rf"Would restore the cluster {reader.prefix} from the backup \S+ of stanza", output)
    assert re.search(r"archived up to [0-9A-F]{24};.* What was committed later will be gone\.", output)
    assert f"Restored the cluster {reader.prefix} from the backup" in output
    assert reader.sql("SELECT n FROM t") == "1"
    reader.login()

    # A restore that fails, and the former data taken back.
    (back,) = commands(blocks(PAGE, "console")[4])
    assert "pg1-data" in back
    wrong = f"-e restore_cluster={reader.prefix} -e restore_type=name -e restore_target=never"
    output = " ".join(reader.type([f"! {restore[1].split(' -e ')[0]} {wrong}"]).split())
    assert f"its data of before are in .howdah-kept/ of volume {reader.nodes[0]}-data" in output
    # Its engine would restart it without end.
    output = " ".join(reader.type([f"! {first[1]}"]).split())
    assert f"A restore of {reader.nodes[0]} has begun and not ended." in output
    reader.type([back.replace("pg1-data", f"{reader.nodes[0]}-data"), first[1]])
    assert reader.sql("SELECT n FROM t") == "1"
