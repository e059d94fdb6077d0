# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running server tells about itself to one login.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Sequence

from .._core.deadline import Deadline
from .connect import connect
from .role import begin_reading
from .target import Target


def server_info(target: Target, settings: Sequence[str], deadline: Deadline) -> dict[str, Any]:
    """Log in, and look around in one transaction that cannot write.

    :param settings: names of server settings to return the values of.
    :return: times as ISO 8601, sizes in bytes; None for what the login may not see.
    """
    session = connect(target, deadline)
    try:
        begin_reading(session, deadline)
        version_num = session.version_num
        names = ["data_directory", *settings]
        visible = dict(
            session.query(
                # As SHOW has it, with the unit; what may not be seen is not in the view.
                "SELECT name, current_setting(name) FROM pg_catalog.pg_settings WHERE name = ANY (%s)",
                (names,),
                deadline,
                "reading settings",
            )
        )
        version, started, identifier, user = session.query(
            "SELECT current_setting('server_version'), pg_postmaster_start_time(),"
            " (SELECT system_identifier::text FROM pg_control_system()), session_user::text",
            (),
            deadline,
            "looking at the server",
        )[0]
        databases = session.query(
            "SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END"
            " FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname",
            (),
            deadline,
            "measuring databases",
        )
    finally:
        session.close()
    return {
        "address": str(session.address),
        "version": version,
        "version_num": version_num,
        "in_recovery": session.in_recovery,
        "start_time": started.isoformat(),
        "system_identifier": identifier,
        "data_directory": visible.get("data_directory"),
        "settings": {name: visible.get(name) for name in settings},
        "databases": [{"name": name, "size_bytes": size} for name, size in databases],
        "login_role": user,
    }
