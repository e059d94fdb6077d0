# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the superuser has Citus do, on the coordinator's leader.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import InvalidInput, NotTheCoordinator
from .connect import connect
from .target import Target

# Whoever holds a lock on the nodes for longer may hold it without end; the caller tries again.
_IMPATIENT = ("disable_node", "remove_node")
_LOCK_SECONDS = 5
# By what is asked for: a statement, the names of its values, and what it is while it goes on.
_CALLS: Mapping[str, tuple[str, Sequence[str], str]] = {
    "rebalance": (
        "SELECT pg_catalog.citus_rebalance_start(drain_only => %s, shard_transfer_mode => %s)",
        ("drain", "mode"),
        "starting to move shards",
    ),
    "take_shards": (
        "SELECT pg_catalog.citus_set_node_property(%s, %s, 'shouldhaveshards', %s)",
        ("host", "port", "value"),
        "changing whether a node takes shards",
    ),
    # Of a node that is active it would be told that it goes; one that is gone cannot be.
    "disable_node": (
        "SELECT pg_catalog.citus_disable_node(%s, %s, synchronous => true)",
        ("host", "port"),
        "having Citus do without a node",
    ),
    "remove_node": (
        "SELECT pg_catalog.citus_remove_node(%s, %s)",
        ("host", "port"),
        "having Citus forget a node",
    ),
    # A group whose nodes have all been stopped leaves Patroni of the coordinator in a transaction that waits, without
    # end, for one of them to lead again; it holds the lock on the nodes. Without its connection, Patroni looks anew.
    "unlock_nodes": (
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity"
        " WHERE application_name = 'Patroni citus' AND state = 'idle in transaction'"
        " AND state_change < clock_timestamp() - %s * interval '1 s'",
        ("seconds",),
        "ending a transaction of Patroni's that nobody will end",
    ),
    # The time is the coordinator's, whole seconds, so that a name tells which backups are older.
    "restore_point": (
        "SELECT jsonb_build_object('name', name, 'lsn', pg_catalog.citus_create_restore_point(name)) FROM (SELECT %s"
        " || '-' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS\"Z\"') AS name OFFSET 0) AS named",
        ("label",),
        "making the restore point",
    ),
}


def citus_call(target: Target, what: str, values: Mapping[str, Any], deadline: Deadline) -> Any:
    """Have it done; what the function returns.

    :param what: a key of the table above.
    :raises InvalidInput: for another one.
    :raises NotTheCoordinator: on a standby.
    :raises TimeoutLock: when somebody else holds what it needs.
    :raises HowdahError: what Citus says against it.
    """
    if what not in _CALLS:
        raise InvalidInput(f"The agent in the image does not know what {what!r} of Citus is: it is older.")
    statement, names, doing = _CALLS[what]
    session = connect(target, deadline)
    try:
        if session.in_recovery:
            raise NotTheCoordinator("This server is a standby: somebody else leads the coordinator's group now.")
        if what in _IMPATIENT:
            session.query(f"SET lock_timeout = '{_LOCK_SECONDS}s'", (), deadline, "limiting the wait for locks")
        return session.query(statement, [values[name] for name in names], deadline, doing)[0][0]
    finally:
        session.close()
