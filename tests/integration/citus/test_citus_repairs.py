# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/citus.md says of faults: what is repaired by itself, what is refused, and what is told.

Each test leaves a whole formation behind. Nodes are cut off from each other by root, in their own namespaces.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import Iterator

import psycopg2
import pytest
from ansible_runs import until
from citus_bed import DATABASE, PATIENCE, PREFIX, Formation

pytestmark = pytest.mark.full  # six containers and ten minutes
GROUPS = {0: 1, 1: 2, 2: 1}
SHARDS = 4
ROWS = 1000
# Long enough for a playbook to see what is lacking, and short enough to see that it gives up.
HASTE = ("-e", "citus_timeout=60")
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


def test_site_tells_what_citus_was_not_told_and_patroni_tells_it_later(formation: Formation) -> None:
    old, coordinator = formation.leader(1), formation.leader(0)
    # Nobody writes into it. Citus ends a session that stands in the way of a new leader; this has none.
    formation.sql(coordinator, "BEGIN; LOCK TABLE pg_dist_node IN SHARE MODE; PREPARE TRANSACTION 'held'")
    try:
        formation.client.kill(old)
        until(lambda: formation.leader(1) != old, f"somebody takes over from {old}", PATIENCE)
        new = formation.leader(1)
        said = formation.play("deploy", *HASTE, expect=2)
        assert "formation_unsettled" in said
        assert f"{new} leads group 1, and pg_dist_node has {old}:5432" in said
    finally:
        formation.sql(coordinator, "ROLLBACK PREPARED 'held'")
    formation.wait_whole()
    formation.play("deploy")


def test_nodes_that_do_not_reach_each_other_are_named(formation: Formation) -> None:
    first = formation.leader(1)
    pair = {name: formation.client.inspect_container(name) for name in (first, SECOND)}
    addresses = {
        name: next(iter(told["NetworkSettings"]["Networks"].values()))["IPAddress"] for name, told in pair.items()
    }

    def route(verb: str) -> None:
        for name, other in ((first, SECOND), (SECOND, first)):
            inside = ["nsenter", "--target", str(pair[name]["State"]["Pid"]), "--net"]
            subprocess.run([*inside, "ip", "route", verb, "unreachable", f"{addresses[other]}/32"], check=True)

    route("add")
    try:
        told = " ".join(formation.play("status").split())
        assert "WRONG: " in told and f"{first}:5432 does not reach {SECOND}:5432" in told
        said = formation.play("deploy", *HASTE, expect=2)
        assert "formation_unsettled" in said
        for one, other in ((first, SECOND), (SECOND, first)):
            assert f"{one}:5432 does not reach {other}:5432" in said
    finally:
        route("del")
    formation.wait_whole()
    assert "all nodes know and reach each other" in " ".join(formation.play("status").split())


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


@contextmanager
def locked_shards(formation: Formation, name: str) -> Iterator[None]:
    """Nobody moves a table's shards meanwhile: each is locked where it is, in the first group of workers."""
    question = f"SELECT shard_name FROM citus_shards WHERE table_name = '{name}'::regclass"
    shards = [row[0] for row in formation.sql(formation.leader(0), question)]
    with subprocess.Popen(
        ["docker", "exec", "-i", formation.leader(1), "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", DATABASE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as session:  # fmt: skip
        assert session.stdin is not None and session.stdout is not None
        try:
            # As little as stands in the way of a publication: sizes are looked at all the same.
            locks = f"LOCK TABLE {', '.join(shards)} IN SHARE UPDATE EXCLUSIVE MODE"
            begin = "SET citus.enable_manual_changes_to_shards TO on; BEGIN"
            print(f"{begin}; {locks}; SELECT 'locked';", file=session.stdin, flush=True)
            assert session.stdout.readline() == "locked\n"
            yield
        finally:
            session.stdin.close()  # psql ends, and its transaction with it
            session.wait(PATIENCE)


def test_a_rebalance_that_was_interrupted_goes_on_and_is_followed(formation: Formation) -> None:
    jobs = "SELECT job_id, state FROM pg_dist_background_job ORDER BY job_id"
    with table(formation, "moved", "n int PRIMARY KEY", lopsided=True):
        before = formation.sql(formation.leader(0), jobs)
        with locked_shards(formation, "moved"):
            # The playbook ends before the job, as if somebody had interrupted it.
            assert '"error": "timeout"' in formation.play("rebalance", "-e", "rebalance_timeout=20", expect=2)
            ((job, state),) = formation.sql(formation.leader(0), jobs)[len(before) :]
            assert state == "running"
            assert "at work: " in " ".join(formation.play("status").split())
            assert f"job {job}" in formation.play("rebalance", "--check")
            assert on_second(formation, "moved") == 0
        formation.play("rebalance")  # follows the job, if it has not ended yet
        assert on_second(formation, "moved") == SHARDS // 2 and count(formation, "moved") == ROWS
        assert formation.sql(formation.leader(0), jobs)[len(before) :] == [[job, "finished"]], "a second job was begun"
        assert "All is balanced." in formation.play("rebalance")
