# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A formation whose nodes log in to each other by password: it is made, rotated under load, grows, and recovers."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any, Iterator

import psycopg2
import pytest
from citus_bed import DATABASE, Formation
from citus_clients import Newcomers, clients, nothing_lost, prepare
from citus_table import note

pytestmark = pytest.mark.full  # eight containers and ten minutes
GROUPS = {0: 2, 1: 2, 2: 1}
VARIABLES = {"patroni_member_authentication": "password"}
SECRETS = ("PATRONI_REPLICATION_PASSWORD", "PATRONI_REWIND_PASSWORD")
# What a connection string, SQL, a shell or a template could stumble over.
HOSTILE = "canary-" + "'\"\\ $$ `id` %s {{ x }} \n é 🐘 '' = " + "x" * 200
ROTATE = ("-e", '{"rotate_roles": {"my_app": "APP_PASSWORD"}}')
_ROWS = "SELECT rolename, md5(authinfo) FROM pg_dist_authinfo ORDER BY 1"

_VERIFIERS = """
SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('my_app', 'replicator', 'rewinder') ORDER BY 1
"""


def canary() -> str:
    """A password to be looked for."""
    return "canary-" + secrets.token_urlsafe(12)


@pytest.fixture(scope="module", autouse=True)
def _tables(formation: Formation) -> None:
    formation.wait_whole()
    prepare(formation)


@pytest.fixture(autouse=True)
def _whole(formation: Formation) -> Iterator[None]:
    formation.wait_whole()
    yield
    formation.wait_whole()


def rows(formation: Formation) -> list[Any]:
    """What each group's nodes log in with, without showing it."""
    return [formation.sql(formation.leader(group), _ROWS) for group in formation.groups]


def test_nodes_ask_each_other_for_passwords(formation: Formation) -> None:
    assert [[name for name, _digest in one] for one in rows(formation)] == [["postgres"]] * len(GROUPS)
    assert len({one[0][1] for one in rows(formation)}) == 1
    lines = formation.run(formation.leader(1), "sh", "-c", "cat /var/lib/postgresql/data/*/pg_hba.conf")
    assert "scram-sha-256" in lines and "clientcert" not in lines and "trust" not in lines
    again = formation.play("deploy")
    assert "changed=0" in again and "changed=1" not in again


def test_passwords_are_rotated_and_no_login_of_a_node_is_refused(formation: Formation) -> None:
    formation.sql(formation.leader(0), "CREATE ROLE my_app LOGIN; GRANT SELECT ON howdah_faults TO my_app")
    new, app = canary(), canary()
    own = {name: canary() for name in formation.environment}
    old, before = formation.password, formation.identity()
    environment = {"POSTGRES_PASSWORD": new, "APP_PASSWORD": app, **own}
    told = formation.play("rotate_password", "--check", "--diff", *ROTATE, **environment)
    assert "password of role my_app in group 2" in told and "logs in with as role postgres" in told
    newcomers = Newcomers(formation)
    with clients(formation, new_password=new) as seen:
        newcomers.start()
        time.sleep(1)
        said = formation.play("rotate_password", *ROTATE, **environment)
        formation.password = new
        formation.environment.update(own)
        newcomers.stop()
    note("playbook `rotate_password`: two roles, and members' passwords, where nodes log in by password", seen)
    assert not {old, new, app, *own.values()} & set(re.findall(r"canary-[\w-]+", told + said))
    nothing_lost(seen)
    assert (seen.errors, newcomers.errors) == ([], []) and newcomers.counts > 10
    assert formation.identity() == before
    again = formation.play("rotate_password", *ROTATE, **environment)
    assert "changed=0" in again and "changed=1" not in again
    assert [name for name, _digest in rows(formation)[2]] == ["my_app", "postgres"]
    verifiers = {group: formation.sql(formation.leader(group), _VERIFIERS) for group in GROUPS}
    assert verifiers[0] == verifiers[1] == verifiers[2] and len(verifiers[0]) == 3
    connection = formation.login("my_app", app)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM howdah_faults")
        assert cursor.fetchone()[0] > 0
    connection.close()
    with pytest.raises(psycopg2.OperationalError):
        formation.login("postgres", old)


def test_what_a_password_consists_of_does_not_matter(formation: Formation) -> None:
    environment = {"POSTGRES_PASSWORD": formation.password, "APP_PASSWORD": HOSTILE}
    said = formation.play("rotate_password", *ROTATE, "-vvv", **environment)
    assert HOSTILE not in said and "x" * 200 not in said
    again = formation.play("rotate_password", *ROTATE, **environment)
    assert "changed=0" in again and "changed=1" not in again
    connection = formation.login("my_app", HOSTILE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM howdah_faults")
        assert cursor.fetchone()[0] > 0
    connection.close()
    logs = "".join(
        formation.client.logs(name, stdout=True, stderr=True).decode(errors="replace") for name in formation.everybody()
    )
    assert "canary-" not in logs and "x" * 200 not in logs


def test_a_rotation_that_was_interrupted_is_finished_by_the_next(formation: Formation) -> None:
    """The worst moment: one group has the new password, the others not, and nobody was told what to log in with."""
    new = canary()
    worker = formation.leader(1)
    formation.sql(worker, f"SET citus.enable_ddl_propagation = off; ALTER ROLE postgres PASSWORD '{new}'")
    formation.play("rotate_password", POSTGRES_PASSWORD=new)
    formation.password = new
    assert len({digest for one in rows(formation) for name, digest in one if name == "postgres"}) == 1
    # And where both differ, it is said which group it is, and what to do.
    formation.sql(worker, f"SET citus.enable_ddl_propagation = off; ALTER ROLE postgres PASSWORD '{canary()}'")
    said = formation.play("rotate_password", POSTGRES_PASSWORD=canary(), expect=2)
    assert "Group 1 at" in said and "takes neither the password" in said
    formation.sql(worker, f"SET citus.enable_ddl_propagation = off; ALTER ROLE postgres PASSWORD '{new}'")


def test_a_group_that_is_added_gets_what_the_coordinator_knows(formation: Formation) -> None:
    formation.groups[3] = 1
    formation.play("deploy")
    formation.wait_whole()
    assert rows(formation)[3] == rows(formation)[0]
    assert [name for name, _digest in rows(formation)[3]] == ["my_app", "postgres"]


def test_new_passwords_survive_a_restart_of_all_and_a_failover(formation: Formation) -> None:
    for name in formation.everybody():
        formation.client.restart(name)
    formation.wait_whole()
    old = formation.leader(0)
    with clients(formation) as seen:
        formation.play("switchover", "-e", "group=0")
    nothing_lost(seen)
    assert formation.leader(0) != old
    connection = formation.login(database=DATABASE)
    connection.close()


def test_site_changes_it_like_a_rotation(formation: Formation) -> None:
    new = canary()
    newcomers = Newcomers(formation)
    newcomers.start()
    said = formation.play("deploy", POSTGRES_PASSWORD=new)
    newcomers.stop()
    formation.password = new
    assert new not in said and newcomers.errors == [] and newcomers.counts > 10
    again = formation.play("deploy")
    assert "changed=0" in again and "changed=1" not in again
