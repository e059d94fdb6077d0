# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A formation as small as can be, and what is refused before there is one."""

from __future__ import annotations

import secrets
from typing import Any

import docker
import psycopg2
import pytest
from citus_bed import NAME, PREFIX, Formation

GROUPS = {0: 1, 1: 1}
PLAIN = "howdah/postgresql:15-bookworm"
HEALTH = "SELECT bool_and(coalesce(result, false)), count(*) FROM citus_check_cluster_node_health()"


def test_an_image_without_citus_is_refused_before_anything_is_deployed(
    docker_client: docker.APIClient, tmp_path: Any
) -> None:
    plain = Formation(docker_client, tmp_path, PLAIN, GROUPS)
    said = plain.play("deploy", expect=2)
    assert f"The image {PLAIN} has no Citus." in said and "nothing was deployed" in said
    assert docker_client.containers(all=True, filters={"name": f"^/{PREFIX}"}) == []


@pytest.mark.parametrize(
    ("variables", "groups", "words"),
    [
        (
            {"image_repositories": [{"name": "x", "trusted": True, "packages": ["postgresql-15-citus-14.1"]}]},
            GROUPS,
            "Citus 14.1 does not work with PostgreSQL 15, only with 16, 17, 18.",
        ),
        ({"citus_version": "9.9"}, GROUPS, "Citus 9.9 is not known here"),
        ({}, {1: 1}, "No node has citus_group 0: there is no coordinator."),
    ],
    ids=["pair", "unknown", "no coordinator"],
)
def test_what_cannot_be_a_formation_is_refused_before_anything_is_built(
    docker_client: docker.APIClient, tmp_path: Any, variables: dict[str, Any], groups: dict[int, int], words: str
) -> None:
    declared = Formation(docker_client, tmp_path, PLAIN, groups)
    declared.variables.update(variables)
    said = declared.play("site", expect=2)
    assert words in said and "Build the image" not in said


@pytest.mark.parametrize(
    ("keepers", "variables", "words"),
    [
        ({"b0": {"citus_group": 0}}, {}, "those of the hosts of the group backup are 0: each group needs one host"),
        ({"b0": {"citus_group": 0}, "b1": {}}, {}, "backup are 0, none: each group needs one host"),
        (
            {"b0": {"citus_group": 0}, "b1": {"citus_group": 1}},
            {"backup_stanza": "main"},
            "backup_stanza would be the same for all groups",
        ),
    ],
    ids=["missing", "of no group", "one stanza"],
)
def test_groups_that_could_not_be_restored_are_refused(
    docker_client: docker.APIClient, tmp_path: Any, keepers: Any, variables: dict[str, Any], words: str
) -> None:
    declared = Formation(docker_client, tmp_path, PLAIN, GROUPS)
    declared.further["backup"] = keepers
    declared.variables.update(variables)
    assert words in declared.play("site", expect=2)


def test_a_formation_is_restored_as_one_or_not_at_all(docker_client: docker.APIClient, tmp_path: Any) -> None:
    declared = Formation(docker_client, tmp_path, PLAIN, GROUPS)
    declared.further["backup"] = {f"{PREFIX}b{group}": {"citus_group": group} for group in GROUPS}
    words = "only agree at a restore point of all of them"
    for target in ([], ["-e", "restore_type=time", "-e", '{"restore_target": "2026-01-31 12:00:00+00"}']):
        assert words in declared.play("restore", *target, "-e", f"restore_cluster={NAME}", expect=2)
    beside = ("-e", "restore_type=name", "-e", "restore_target=x", "-e", "restore_from=other")
    assert "A formation is not restored beside another one" in declared.play("restore", *beside, expect=2)
    del declared.further["backup"]
    assert "Without a group backup there is nothing to restore from." in declared.play("restore_point", expect=2)


def test_a_table_is_distributed_and_any_role_asks_every_node(formation: Formation) -> None:
    (coordinator,), (worker,) = formation.nodes(0), formation.nodes(1)
    password = secrets.token_urlsafe(12)
    connection = formation.login()
    with connection.cursor() as cursor:
        for statement in (
            "CREATE TABLE spread (id int PRIMARY KEY, kind int)",
            "SELECT create_distributed_table('spread', 'id', shard_count => 4)",
            "CREATE TABLE kinds (kind int PRIMARY KEY, name text)",
            "SELECT create_reference_table('kinds')",
            "INSERT INTO kinds SELECT n, 'kind ' || n FROM generate_series(0, 9) AS n",
            "INSERT INTO spread SELECT n, n % 10 FROM generate_series(1, 1000) AS n",
            f"CREATE ROLE app LOGIN PASSWORD '{password}'",
            "GRANT ALL ON spread, kinds TO app",
        ):
            cursor.execute(statement)
    connection.close()
    assert formation.sql(coordinator, HEALTH) == [["t", "4"]]
    # Nobody has told Citus a password, or a certificate, of any role.
    assert formation.sql(coordinator, "SELECT count(*) FROM pg_dist_authinfo") == [["0"]]
    assert formation.sql(worker, "SELECT groupid FROM pg_dist_placement GROUP BY 1 ORDER BY 1") == [["0"], ["1"]]
    connection = formation.login("app", password)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), min(name) FROM spread JOIN kinds USING (kind)")
        assert cursor.fetchall() == [(1000, "kind 0")]
        # Results travel between the nodes, as this role.
        cursor.execute("SET citus.enable_repartition_joins = on")
        cursor.execute("SELECT count(*) FROM spread AS one JOIN spread AS other ON one.kind = other.id")
        assert cursor.fetchall() == [(900,)]
    connection.close()


def test_clients_are_asked_for_a_password_and_nodes_for_a_certificate(formation: Formation) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        formation.login(password="wrong")
    (coordinator,), (worker,) = formation.nodes(0), formation.nodes(1)
    words = f"psql -XAtc 'SELECT 1' 'host={coordinator} user=postgres dbname=citus sslmode=require"
    tls = "sslcert=/etc/howdah/tls/node.crt sslkey=/etc/howdah/tls/node.key"
    assert formation.run(worker, "sh", "-c", f"{words}' 2>&1").count("requires a valid client certificate") == 1
    assert formation.run(worker, "sh", "-c", f"{words} {tls}' 2>&1") == "1\n"
    # In the same container, but not from the address of a node.
    own = "psql -XAtwc 'SELECT 1' 'host=127.0.0.1 user=postgres dbname=citus sslmode=require"
    assert "no password supplied" in formation.run(worker, "sh", "-c", f"{own} {tls}' 2>&1")


def test_the_second_run_changes_nothing_and_status_tells_of_all(formation: Formation) -> None:
    before = formation.identity()
    said = formation.play("deploy")
    assert "changed=0" in said and "changed=1" not in said
    said = formation.play("deploy", "--check")
    assert "changed=0" in said and "changed=1" not in said
    assert formation.identity() == before
    said = formation.play("status")
    assert "all nodes know and reach each other" in said and formation.password not in said
    (leader,) = formation.play("status", "-e", "query=groups.\"0\".leader").partition('"howdah-')[2:]
    assert leader.startswith(formation.nodes(0)[0].removeprefix("howdah-"))
