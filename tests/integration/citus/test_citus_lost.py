# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group of a formation is lost with all its volumes, and comes back with all others, as of a restore point."""

from __future__ import annotations

import psycopg2
import pytest
from citus_bed import NAME, PREFIX, Formation, point_of

pytestmark = pytest.mark.full  # six containers and five minutes
GROUPS = {0: 1, 1: 1}
FURTHER = {"backup": {f"{PREFIX}b{group}": {"citus_group": group} for group in GROUPS}}
ROWS = 1000


def test_a_group_without_any_volume_comes_back_at_a_restore_point(formation: Formation) -> None:
    formation.wait_whole()
    (coordinator,), (worker,) = formation.nodes(0), formation.nodes(1)
    for statement in (
        "CREATE TABLE kept (n int PRIMARY KEY)",
        "SELECT create_distributed_table('kept', 'n', shard_count => 4)",
        f"INSERT INTO kept SELECT generate_series(1, {ROWS})",
    ):
        formation.sql(coordinator, statement)
    point = point_of(formation.play("restore_point"))
    formation.sql(coordinator, f"INSERT INTO kept SELECT generate_series({ROWS + 1}, {2 * ROWS})")

    formation.client.remove_container(worker, force=True, v=True)
    for volume in ("data", "etc"):
        formation.client.remove_volume(f"{worker}-{volume}")
    connection = formation.login()
    with connection.cursor() as cursor, pytest.raises(psycopg2.Error):
        cursor.execute("SELECT count(*) FROM kept")
    connection.close()

    restore = ("-e", "restore_type=name", "-e", f"restore_target={point}")
    # The coordinator's data are there, and would be replaced.
    assert "restore_cluster=" in formation.play("restore", *restore, expect=2)
    assert formation.sql(coordinator, "SELECT count(*) FROM pg_dist_node WHERE noderole = 'primary'") == [["2"]]
    said = formation.play("restore", *restore, "-e", f"restore_cluster={NAME}")
    assert "The groups agree: 1 tables compared" in said
    formation.wait_whole()
    # What came after the point is lost in the group that lived, too.
    assert formation.sql(coordinator, "SELECT count(*), max(n) FROM kept") == [[str(ROWS), str(ROWS)]]
    assert [one["name"] for one in formation.members(1)] == [worker]
