# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the groups of a formation agree: asked on the coordinator's leader, of all nodes.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Iterable

from .._core.deadline import Deadline
from .._core.errors import NotTheCoordinator
from .connect import Session, connect
from .target import Target

# What is said on every node.
_RECOVER = "SELECT pg_catalog.recover_prepared_transactions()"
_PENDING = "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE gid LIKE 'citus\\_%'"
# One text for all that the nodes must have in common.
_DIGEST = """
SELECT md5(coalesce(string_agg(line, '|' ORDER BY line), '')) FROM (
  SELECT concat_ws(' ', 'node', groupid, nodename, nodeport)
    FROM pg_catalog.pg_dist_node WHERE noderole = 'primary'
  UNION ALL SELECT concat_ws(' ', 'table', logicalrelid, partmethod, colocationid, repmodel)
    FROM pg_catalog.pg_dist_partition
  UNION ALL SELECT concat_ws(' ', 'shard', logicalrelid, shardid, shardminvalue, shardmaxvalue)
    FROM pg_catalog.pg_dist_shard
  UNION ALL SELECT concat_ws(' ', 'placement', placementid, shardid, groupid) FROM pg_catalog.pg_dist_placement
) AS lines (line)
"""
_SYNC = "SELECT pg_catalog.start_metadata_sync_to_all_nodes()"
_EVERYWHERE = """
SELECT coalesce(nodename || ':' || nodeport, nodeid::text) AS node, success, result
  FROM pg_catalog.run_command_on_all_nodes(%s) LEFT JOIN pg_catalog.pg_dist_node USING (nodeid) ORDER BY 1
"""
# Without tables that the coordinator has alone, although Citus knows of them.
_TABLES = """
SELECT relation.oid, nspname, relname, repmodel = 't' AS reference
  FROM pg_catalog.pg_dist_partition JOIN pg_catalog.pg_class AS relation ON relation.oid = logicalrelid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = relnamespace
 WHERE NOT (partmethod = 'n' AND repmodel <> 't' AND colocationid = 0) ORDER BY 2, 3
"""
_PLACEMENTS = """
SELECT nodename || ':' || nodeport AS node, shardid, success, result
  FROM pg_catalog.run_command_on_placements(%s::oid::regclass, %s) ORDER BY 2, 1
"""
# Of what every node has, also what is in the rows, in whatever order.
_COUNT = "SELECT count(*) FROM %s"
_CONTENT = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(one::text, 0)), 0) FROM %s AS one"


def citus_check(target: Target, steps: Iterable[str], deadline: Deadline) -> dict[str, Any]:
    """Do and look at what is asked for.

    :param steps: ``recover`` (end what transactions between nodes have left half-done), ``sync`` (send the metadata to
        all nodes anew), ``pending`` (how many such transactions are left on each node), ``metadata`` (a digest of each
        node's), ``rows`` (what the coordinator counts in each table, and what its shards have).
    :raises NotTheCoordinator: on a standby.
    """
    wanted = set(steps)
    found: dict[str, Any] = {}
    session = connect(target, deadline)
    try:
        if session.in_recovery:
            raise NotTheCoordinator("This server is a standby: somebody else leads the coordinator's group now.")
        if "recover" in wanted:
            _everywhere(session, _RECOVER, deadline, "ending transactions between nodes")
        if "sync" in wanted:
            session.query(_SYNC, (), deadline, "sending the metadata to all nodes")
        if "pending" in wanted:
            found["pending"] = _everywhere(session, _PENDING, deadline, "looking for transactions between nodes")
        if "metadata" in wanted:
            found["metadata"] = _everywhere(session, _DIGEST, deadline, "comparing the metadata")
        if "rows" in wanted:
            found["tables"] = [
                _table(session, deadline, *row)
                for row in session.query(_TABLES, (), deadline, "listing the tables")
            ]
    finally:
        session.close()
    return found


def _everywhere(session: Session, statement: str, deadline: Deadline, doing: str) -> list[dict[str, Any]]:
    rows = session.query(_EVERYWHERE, (statement,), deadline, doing)
    return [{"node": node, "success": success, "result": result} for node, success, result in rows]


def _table(
    session: Session, deadline: Deadline, oid: int, schema: str, name: str, reference: bool
) -> dict[str, Any]:
    """A table as the coordinator counts it, and as each placement does."""
    from psycopg2.sql import SQL, Identifier

    doing = f"counting the rows of {schema}.{name}"
    statement = SQL("SELECT count(*) FROM {}").format(Identifier(schema, name))
    ((rows,),) = session.query(statement, (), deadline, doing)
    command = _CONTENT if reference else _COUNT
    placements = session.query(_PLACEMENTS, (oid, command), deadline, doing)
    return {
        "name": f"{schema}.{name}",
        "reference": reference,
        "rows": rows,
        "placements": [
            {"node": node, "shard": shard, "success": success, "result": result}
            for node, shard, success, result in placements
        ],
    }
