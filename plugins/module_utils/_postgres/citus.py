# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Citus tells about its nodes, shards and background jobs to the superuser, on a node of the formation.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Iterable, Mapping

from .._core.deadline import Deadline
from .._core.errors import CitusMissing
from .connect import Session, connect
from .role import begin_reading
from .target import Target

_NODES = """
SELECT nodeid, groupid, nodename, nodeport, noderole::text AS noderole, isactive, hasmetadata, metadatasynced,
       shouldhaveshards,
       -- Of what is not on every node; as the metadata have it, for a node that is gone cannot be asked.
       (SELECT count(*) FROM pg_catalog.pg_dist_placement AS placement
          JOIN pg_catalog.pg_dist_shard USING (shardid) JOIN pg_catalog.pg_dist_partition USING (logicalrelid)
         WHERE placement.groupid = node.groupid AND repmodel <> 't' AND NOT (partmethod = 'n' AND node.groupid = 0)
       ) AS shards
  FROM pg_catalog.pg_dist_node AS node ORDER BY groupid, noderole, nodename, nodeport
"""
_HEALTH = """
SELECT from_nodename, from_nodeport, to_nodename, to_nodeport, result
  FROM pg_catalog.citus_check_cluster_node_health() ORDER BY 1, 2, 3, 4
"""
# Of what is distributed, not of what every node has.
_PLACEMENTS = """
SELECT nodename, nodeport, count(*) AS shards, coalesce(sum(shard_size), 0)::bigint AS size_bytes
  FROM pg_catalog.citus_shards WHERE citus_table_type IN ('distributed', 'schema') GROUP BY 1, 2 ORDER BY 1, 2
"""
_TABLES = """
SELECT table_name::text AS name, citus_table_type AS type,
       pg_catalog.column_to_column_name(logicalrelid, partkey) AS distribution_column, colocation_id,
       count(DISTINCT shardid) AS shard_count, coalesce(sum(shard_size), 0)::bigint AS size_bytes
  FROM pg_catalog.citus_shards JOIN pg_catalog.pg_dist_partition ON logicalrelid = table_name
 GROUP BY 1, 2, 3, 4 ORDER BY 1
"""
_MOVES = """
SELECT table_name::text AS table_name, shardid, shard_size, sourcename, sourceport, targetname, targetport
  FROM pg_catalog.get_rebalance_table_shards_plan()
"""
# The newest, and whatever has not ended.
_JOBS = """
SELECT job_id, state::text AS state, job_type::text AS type, description, started_at, finished_at,
       (SELECT coalesce(jsonb_object_agg(status, number), '{}'::jsonb)
          FROM (SELECT status::text, count(*) AS number FROM pg_catalog.pg_dist_background_task AS task
                 WHERE task.job_id = job.job_id GROUP BY status) AS tasks) AS tasks,
       (SELECT coalesce(jsonb_agg(DISTINCT message), '[]'::jsonb) FROM pg_catalog.pg_dist_background_task AS task
         WHERE task.job_id = job.job_id AND message <> '') AS messages
  FROM pg_catalog.pg_dist_background_job AS job
 WHERE state NOT IN ('finished', 'cancelled', 'failed')
    OR job_id IN (SELECT job_id FROM pg_catalog.pg_dist_background_job ORDER BY job_id DESC LIMIT 5)
 ORDER BY job_id
"""


def citus_facts(target: Target, parts: Iterable[str], deadline: Deadline) -> dict[str, Any]:
    """Look at a node's Citus in one transaction that cannot write.

    :param parts: what to look at beside the nodes: ``health``, ``placements``, ``moves``, ``jobs``.
    :return: sizes in bytes, times as ISO 8601.
    :raises CitusMissing: when the database has no Citus.
    """
    wanted = set(parts)
    session = connect(target, deadline)
    try:
        begin_reading(session, deadline)
        found = session.query(
            "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'citus'", (), deadline, "looking for Citus"
        )
        if not found:
            raise CitusMissing(f"The database {target.dbname} has no Citus: its extension was not created.")
        facts: dict[str, Any] = {
            "version": found[0][0],
            "in_recovery": session.in_recovery,
            "nodes": _rows(session, _NODES, deadline, "reading the nodes"),
        }
        if "health" in wanted:
            facts["health"] = _rows(session, _HEALTH, deadline, "checking the nodes' connections")
        if "placements" in wanted:
            facts["placements"] = _rows(session, _PLACEMENTS, deadline, "measuring the shards")
            facts["tables"] = _rows(session, _TABLES, deadline, "measuring the tables")
        if "moves" in wanted:
            facts["moves"] = _rows(session, _MOVES, deadline, "looking for moves that would balance")
        if "jobs" in wanted:
            facts["jobs"] = _rows(session, _JOBS, deadline, "reading the background jobs")
    finally:
        session.close()
    return facts


def _rows(session: Session, statement: str, deadline: Deadline, doing: str) -> list[dict[str, Any]]:
    """The rows, each by its columns' names, as JSON can have them."""
    table = session.query(
        f"SELECT to_jsonb(answer) FROM ({statement}) AS answer",  # fixed statements of this file
        (),
        deadline,
        doing,
    )
    rows: list[Mapping[str, Any]] = [row[0] for row in table]
    return [dict(row) for row in rows]
