# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/citus.md from its inventory to a distributed table, and what it says of every day, as it stands there.

Only names, the port and the repository of Citus are others, and secrets stand where the page leaves them to the reader.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, Sequence

import docker
import psycopg2
import pytest
from ansible_runs import type_commands
from citus_bed import NAME, PLAYBOOK_TIMEOUT, PREFIX, Formation
from guides import blocks, commands, fill_in, words
from turns import turn

pytestmark = pytest.mark.full  # eight containers and ten minutes

PAGE = (Path(__file__).parents[3] / "docs/citus.md").read_text(encoding="utf-8")
REPOSITORIES = re.compile(r"    image_repositories:\n +- \{preset: citus, [^\n]*\n")


class Reader(Formation):
    """Somebody with the page."""

    def begin(self, folder: Path) -> None:
        """Keep the page's inventory, with an image that is there instead of one to be built."""
        text, found = REPOSITORIES.subn(f"    image_name: {self.variables['image_name']}\n", self._inventory())
        assert found == 1, "the page's inventory names no repository of Citus any more"
        for there, instead in {
            "cluster_name: main": f"cluster_name: {NAME}",
            "proxy1: {}": f"{PREFIX}proxy1: {{proxy_port: {self.port}}}",
            "etcd1": f"{PREFIX}etcd1",
        }.items():
            assert there in text, f"the page's inventory no longer has {there}"
            text = text.replace(there, instead)
        text = re.sub(r"\b(coord\d|work\d[ab])\b", rf"{PREFIX}\1", text)
        (folder / "inventory.yml").write_text(text, encoding="utf-8")

    @staticmethod
    def _inventory() -> str:
        return next(block.text for block in blocks(PAGE, "yaml") if "hosts:\n    coord1" in block.text)

    def type(self, folder: Path, typed: Sequence[str]) -> str:
        """All commands in one shell, which stops at the first that fails; what they print."""
        export = fill_in(commands(blocks(PAGE, "console")[0])[0], self.password)
        return type_commands(folder, [export, *typed], PLAYBOOK_TIMEOUT)


@pytest.fixture
def reader(docker_client: docker.APIClient, citus_image: str, tmp_path: Path) -> Iterator[Reader]:
    """A reader; what they deployed is removed afterwards."""
    with turn("citus"):
        found = Reader(docker_client, tmp_path, citus_image, {})
        found.remove()
        try:
            yield found
        finally:
            found.remove()


def test_the_page_leads_from_an_inventory_to_a_distributed_table(reader: Reader, tmp_path: Path) -> None:
    begin, client, daily, growth = (commands(block) for block in blocks(PAGE, "console")[:4])
    assert [len(begin), len(client), len(daily), len(growth)] == [2, 1, 5, 3], "more than this test knows the order of"
    reader.begin(tmp_path)
    # The image is there: what `site` does before is told by the tests of the role image.
    reader.type(tmp_path, [begin[1].replace(".site", ".deploy")])

    program, conninfo = words(client[0])
    assert program == "psql" and "port=5432" in conninfo
    connection = psycopg2.connect(conninfo.replace("port=5432", f"port={reader.port}"), password=reader.password)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in blocks(PAGE, "sql")[0].text.split(";")[:-1]:
            cursor.execute(statement)
        assert [count for _tenant, count in cursor.fetchall()] == [1000, 1000, 1000]
        cursor.execute("SELECT DISTINCT groupid FROM pg_dist_placement JOIN pg_dist_shard USING (shardid)"
                       " WHERE logicalrelid = 'events'::regclass ORDER BY 1")  # fmt: skip
        assert cursor.fetchall() == [(1,), (2,)]
        cursor.execute("CREATE ROLE app LOGIN")
    connection.close()

    switchover, restart, _update, export, rotate = daily
    said = reader.type(tmp_path, [switchover, restart, fill_in(export, reader.password), rotate, growth[0]])
    assert "Done: " in said and "All is balanced." in said
    connection = psycopg2.connect(
        conninfo.replace("port=5432", f"port={reader.port}").replace("user=postgres", "user=app"),
        password=reader.password,
    )
    connection.close()
