# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A formation is backed up group by group, and goes back as one to a restore point made while clients wrote."""

from __future__ import annotations

import json
import time
from collections import Counter

import psycopg2
import pytest
from ansible_runs import until
from citus_bed import NAME, PREFIX, Formation, point_of
from citus_clients import CALM, prepare
from fault_writer import TABLE, Writer

pytestmark = pytest.mark.full  # eleven containers and a quarter of an hour
GROUPS = {0: 2, 1: 2, 2: 2}
FURTHER = {"backup": {f"{PREFIX}b{group}": {"citus_group": group} for group in GROUPS}}
# Rows of one transaction, which are spread over both groups of workers.
TOGETHER = 12
WRITERS = 3
APART = 1_000_000
_TOGETHER = f"INSERT INTO howdah_together SELECT place, %s FROM generate_series(1, {TOGETHER}) AS place"


@pytest.fixture(scope="module", autouse=True)
def _tables(formation: Formation) -> None:
    formation.wait_whole()
    prepare(formation)
    connection = formation.login()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE howdah_together (place int, number bigint, PRIMARY KEY (place, number))")
        cursor.execute("SELECT create_distributed_table('howdah_together', 'place', shard_count => 12)")
    connection.close()


def test_a_formation_goes_back_to_a_restore_point_made_while_clients_wrote(formation: Formation) -> None:
    stanzas = {f"{PREFIX}b{group}": f"{NAME}-{group}" for group in GROUPS}
    for keeper, stanza in stanzas.items():
        (told,) = json.loads(formation.run(keeper, "pgbackrest", f"--stanza={stanza}", "--output=json", "info"))
        assert [one["type"] for one in told["backup"]] == ["full"]
    spread = "SELECT DISTINCT groupid FROM pg_dist_placement JOIN pg_dist_shard USING (shardid) WHERE logicalrelid ="
    assert formation.sql(formation.leader(0), f"{spread} 'howdah_together'::regclass ORDER BY 1") == [["1"], ["2"]]

    single = Writer(formation.port, formation.password, database="citus")
    together = [
        Writer(formation.port, formation.password, APART * number, database="citus", statement=_TOGETHER)
        for number in range(1, WRITERS + 1)
    ]
    for writer in (single, *together):
        writer.start()
    try:
        until(lambda: min(writer.count() for writer in (single, *together)) > 20, "all write")
        point_of(formation.play("backup"))
        before = {writer: list(writer.acknowledged) for writer in (single, *together)}
        point = point_of(formation.play("restore_point", "-e", "label=mid-load"))
        sent = {writer: writer.sent() for writer in (single, *together)}
        time.sleep(CALM)
    finally:
        for writer in (single, *together):
            writer.stop()
    assert point.startswith("mid-load-2")
    # A newer backup does not serve; which one does, is told by the point's name.
    formation.play("backup", "-e", "backup_type=full")
    ((later,),) = formation.sql(formation.leader(0), "SELECT count(*) FROM howdah_together")

    restore = ("-e", "restore_type=name", "-e", f"restore_target={point}")
    identity = formation.identity()
    said = formation.play("restore", *restore, "--check")
    assert said.count("Would restore the cluster") == len(GROUPS) and formation.identity() == identity
    assert "restore_cluster=" in formation.play("restore", *restore, expect=2)
    assert formation.identity() == identity
    begin = time.monotonic()
    said = formation.play("restore", *restore, "-e", f"restore_cluster={NAME}")
    print(f"A formation of {sum(GROUPS.values())} nodes was restored in {time.monotonic() - begin:.0f} s.")
    assert "The groups agree: 3 tables compared" in said and formation.password not in said
    formation.wait_whole()

    numbers = [int(number) for (number,) in formation.sql(formation.leader(0), f"SELECT number FROM {TABLE}")]
    assert not {number for number, _at in before[single]} - set(numbers), "acknowledged before the point, and lost"
    assert max(numbers) <= sent[single] and len(numbers) == len(set(numbers))
    rows = formation.sql(formation.leader(0), "SELECT number, count(*) FROM howdah_together GROUP BY number")
    counts = {int(number): int(count) for number, count in rows}
    assert set(counts.values()) == {TOGETHER}, Counter(counts.values())
    for writer in together:
        assert not {number for number, _at in before[writer]} - set(counts)
    assert max(counts) < APART * WRITERS + sent[together[-1]]
    assert TOGETHER * len(counts) < int(later)
    assert formation.sql(formation.leader(0), "SELECT count(*) FROM pg_dist_authinfo") == [["0"]]

    # It is one that clients write to, that is backed up, and that has nothing left to be done.
    connection = formation.login()
    with connection.cursor() as cursor:
        cursor.execute(_TOGETHER, (9 * APART,))
    connection.close()
    with pytest.raises(psycopg2.OperationalError):
        formation.login(password="wrong")
    said = formation.play("deploy")
    assert "changed=0" in said and "changed=1" not in said
    said = formation.play("status")
    assert "all nodes know and reach each other" in said and said.count("full") >= len(GROUPS)
    point_of(formation.play("backup"))
