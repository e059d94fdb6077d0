# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running formation changes over from certificates to passwords, and goes back to a time of other passwords."""

from __future__ import annotations

import secrets

import pytest
from citus_bed import NAME, PREFIX, Formation, point_of
from citus_clients import Newcomers, clients, nothing_lost, prepare

pytestmark = pytest.mark.full  # seven containers and five minutes
GROUPS = {0: 1, 1: 1}
FURTHER = {"backup": {f"{PREFIX}b{group}": {"citus_group": group} for group in GROUPS}}
SECRETS = ("PATRONI_REPLICATION_PASSWORD", "PATRONI_REWIND_PASSWORD", "APP_PASSWORD")
BY_PASSWORD = {"patroni_member_authentication": "password"}
ROTATE = ("-e", '{"rotate_roles": {"my_app": "APP_PASSWORD"}}')
_OURS = "SELECT count(*) FROM howdah_faults"


def asked_by_app(formation: Formation, password: str) -> int:
    """How many rows the application sees, of all groups."""
    connection = formation.login("my_app", password)
    with connection.cursor() as cursor:
        cursor.execute(_OURS)
        ((rows,),) = cursor.fetchall()
    connection.close()
    return int(rows)


def test_a_running_formation_changes_over(formation: Formation) -> None:
    formation.wait_whole()
    prepare(formation)
    formation.sql(formation.leader(0), "CREATE ROLE my_app LOGIN; GRANT SELECT ON howdah_faults TO my_app")
    before = formation.identity()
    newcomers = Newcomers(formation)
    with clients(formation) as seen:
        newcomers.start()
        # As the page says: first everybody knows the passwords, then they are asked for.
        formation.play("rotate_password", *ROTATE, "-e", "patroni_member_authentication=password")
        formation.variables.update(BY_PASSWORD)
        formation.play("deploy")
        newcomers.stop()
    nothing_lost(seen)
    assert (seen.errors, newcomers.errors) == ([], []) and newcomers.counts > 10
    assert formation.identity() == before
    lines = formation.run(formation.leader(1), "sh", "-c", "cat /var/lib/postgresql/data/*/pg_hba.conf")
    assert "clientcert" not in lines and "scram-sha-256" in lines
    again = formation.play("deploy")
    assert "changed=0" in again and "changed=1" not in again
    assert asked_by_app(formation, formation.environment["APP_PASSWORD"]) > 0


def test_it_goes_back_to_a_time_of_other_passwords(formation: Formation) -> None:
    then = asked_by_app(formation, formation.environment["APP_PASSWORD"])
    point = point_of(formation.play("restore_point"))
    old_app = formation.environment["APP_PASSWORD"]
    new = {name: "canary-" + secrets.token_urlsafe(12) for name in (*SECRETS, "POSTGRES_PASSWORD")}
    formation.play("rotate_password", *ROTATE, **new)
    formation.password = new.pop("POSTGRES_PASSWORD")
    formation.environment.update(new)
    formation.sql(formation.leader(0), "INSERT INTO howdah_faults SELECT -n FROM generate_series(1, 100) AS n")

    options = ("-e", "restore_type=name", "-e", f"restore_target={point}", "-e", f"restore_cluster={NAME}")
    said = formation.play("restore", *options)
    assert "The groups agree: 2 tables compared" in said
    formation.wait_whole()
    # The superuser has the password that is declared, the application the one of then; both ask all groups.
    formation.login().close()
    assert asked_by_app(formation, old_app) == then
    again = formation.play("deploy")
    assert "changed=0" in again and "changed=1" not in again
    # And it is what it was before the restore after another rotation.
    formation.play("rotate_password", *ROTATE)
    assert asked_by_app(formation, new["APP_PASSWORD"]) == then
