# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/citus.md says of faults: what is repaired by itself, what is refused, and what is told.

Each test leaves a whole formation behind.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import psycopg2
import pytest
from ansible_runs import until
from citus_bed import PATIENCE, PREFIX, Formation

pytestmark = pytest.mark.full  # six containers and five minutes
GROUPS = {0: 1, 1: 2, 2: 1}
SHARDS = 4
ROWS = 1000
SECOND = f"{PREFIX}g2n1"
_TAKES = f"SELECT citus_set_node_property('{SECOND}', 5432, 'shouldhaveshards', "


@pytest.fixture(autouse=True)
def _whole(formation: Formation) -> Iterator[None]:
    formation.wait_whole()
    yield
    formation.wait_whole()


@contextmanager
def table(formation: Formation, name: str, columns: str, lopsided: bool = False) -> Iterator[None]:
    """A distributed table with rows, of which each group of workers has half; or the first one all, until balanced."""
    coordinator = formation.leader(0)
    for statement in (
        f"{_TAKES}{not lopsided})",
        f"CREATE TABLE {name} ({columns})",
        f"SELECT create_distributed_table('{name}', 'n', shard_count => {SHARDS})",
        f"INSERT INTO {name} SELECT generate_series(1, {ROWS})",
        f"{_TAKES}true)",
    ):
        formation.sql(coordinator, statement)
    try:
        yield
    finally:
        formation.sql(formation.leader(0), f"DROP TABLE {name}")


def on_second(formation: Formation, name: str) -> int:
    """How many shards of a table the second group of workers has."""
    condition = f"table_name = '{name}'::regclass AND nodename = '{SECOND}'"
    ((count,),) = formation.sql(formation.leader(0), f"SELECT count(*) FROM citus_shards WHERE {condition}")
    return int(count)


def count(formation: Formation, name: str) -> int | None:
    """What a client counts; None when it gets an error."""
    try:
        connection = formation.login()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {name}")
                return int(cursor.fetchone()[0])
        finally:
            connection.close()
    except psycopg2.Error:
        return None


def test_a_group_of_which_nobody_lives_comes_back_with_the_first_that_does(formation: Formation) -> None:
    with table(formation, "both_die", "n int PRIMARY KEY"):
        assert count(formation, "both_die") == ROWS
        leader = formation.leader(1)
        (follower,) = set(formation.nodes(1)) - {leader}
        for node in (leader, follower):
            formation.client.kill(node)
        assert count(formation, "both_die") is None
        # What needs none of its shards goes on.
        assert formation.sql(formation.leader(0), "SELECT 1") == [["1"]]
        formation.client.start(follower)
        until(lambda: count(formation, "both_die") == ROWS, f"{follower} leads, and Citus knows", PATIENCE)
        assert formation.leader(1) == follower
        formation.client.start(leader)
        formation.wait_whole()


def test_certificates_are_renewed_and_nothing_is_restarted(formation: Formation) -> None:
    def certificates() -> dict[str, str]:
        return {name: formation.run(name, "cat", "/etc/howdah/tls/node.crt") for name in formation.everybody()}

    with table(formation, "renewed", "n int PRIMARY KEY"):
        before, old = formation.identity(), certificates()
        formation.play("deploy", "-e", '{"certificates_renew_all": true}')
        new = certificates()
        assert all(new[name].startswith("-----BEGIN CERTIFICATE-----") and new[name] != old[name] for name in old)
        assert formation.identity() == before
        formation.wait_whole()  # every node connects with every other one anew
        assert count(formation, "renewed") == ROWS


def test_a_shard_that_cannot_move_is_told_of(formation: Formation) -> None:
    with table(formation, "keyless", "n int", lopsided=True):
        said = formation.play("rebalance", expect=2)
        assert "rebalance_failed" in said and "REPLICA IDENTITY or PRIMARY KEY" in said
        assert on_second(formation, "keyless") == 0
        assert "Done: move shard" in formation.play("rebalance", "-e", "rebalance_mode=block_writes")
        assert on_second(formation, "keyless") == SHARDS // 2
        assert count(formation, "keyless") == ROWS
