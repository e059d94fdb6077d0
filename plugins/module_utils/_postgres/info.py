# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running server tells about itself to one login.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping, Sequence

from .._core.deadline import Deadline
from .connect import Session, connect
from .role import begin_reading
from .settings import refused
from .target import Target

_ARCHIVER = """
SELECT current_setting('archive_mode'),
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text,
       last_archived_wal, last_archived_time, last_failed_wal, last_failed_time,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false),
       NOT pg_is_in_recovery() AND has_function_privilege('pg_catalog.pg_ls_archive_statusdir()', 'EXECUTE')
  FROM pg_catalog.pg_stat_archiver
"""
# What waits: whole segments, and what there is of the present one. The name of what was archived last does not tell:
# after a backup it is that of the backup's own file, older than what follows it. And whether it has waited for two
# minutes, in which nothing was archived: a command that crashes ends the archiver, which counts that as no failure.
_WAITING = """
SELECT (segment * files + mod(pg_current_wal_lsn() - '0/0', segment))::bigint,
       greatest(last_archived_time, oldest, pg_postmaster_start_time()) < now() - interval '2 min'
  FROM (SELECT setting::bigint AS segment FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size') AS here,
       (SELECT count(*) AS files, coalesce(min(modification), 'infinity') AS oldest
          FROM pg_catalog.pg_ls_archive_statusdir() WHERE name ~ '^[0-9A-F]{24}[.]ready$') AS ready,
       pg_catalog.pg_stat_archiver
"""


def server_info(
    target: Target, settings: Sequence[str], deadline: Deadline, wanted: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Log in, and look around in one transaction that cannot write.

    :param settings: names of server settings to return the values of.
    :param wanted: settings and values of which is told whether the server would take them.
    :return: times as ISO 8601, sizes in bytes; None for what the login may not see.
    """
    session = connect(target, deadline)
    try:
        begin_reading(session, deadline)
        version_num = session.version_num
        # Names are the same in any case, and TimeZone is seldom written as the server has it.
        names = ["data_directory", *map(str.lower, [*settings, *(wanted or ())])]
        rows = session.query(
            # As SHOW has it, with the unit; what may not be seen is not in the view.
            "SELECT lower(name), current_setting(name), context = 'postmaster'"
            "  FROM pg_catalog.pg_settings WHERE lower(name) = ANY (%s)",
            (names,),
            deadline,
            "reading settings",
        )
        visible = {name: value for name, value, _restart in rows}
        at_start = {name for name, _value, restart in rows if restart}
        unknown = [name for name in settings if name.lower() not in visible]
        similar = _similar(unknown, session, deadline) if unknown else {}
        version, started, identifier, user = session.query(
            "SELECT current_setting('server_version'), pg_postmaster_start_time(),"
            " (SELECT system_identifier::text FROM pg_control_system()), session_user::text",
            (),
            deadline,
            "looking at the server",
        )[0]
        archiver = session.query(_ARCHIVER, (), deadline, "looking at the archiver")[0]
        waiting, stuck = None, False
        if archiver[0] != "off" and archiver[7]:
            row = session.query(_WAITING, (), deadline, "looking at what waits to be archived")[0]
            waiting, stuck = int(row[0]), bool(row[1])
        databases = session.query(
            "SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END"
            " FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname",
            (),
            deadline,
            "measuring databases",
        )
    finally:
        session.close()
    checked = {}
    if wanted is not None and visible.get("data_directory"):
        known = {name: value for name, value in wanted.items() if name.lower() in visible}
        checked["settings_refused"] = refused(known, visible["data_directory"], version_num, deadline)
    return {
        **checked,
        "address": str(session.address),
        "version": version,
        "version_num": version_num,
        "in_recovery": session.in_recovery,
        "start_time": started.isoformat(),
        "system_identifier": identifier,
        "data_directory": visible.get("data_directory"),
        "settings": {name: visible.get(name.lower()) for name in settings},
        "settings_restart": [name for name in settings if name.lower() in at_start],
        "settings_similar": similar,
        "archiver": {
            "mode": archiver[0],
            "lsn": archiver[1],
            "last_archived": archiver[2],
            "last_archived_time": archiver[3] and archiver[3].isoformat(),
            "last_failed": archiver[4],
            "last_failed_time": archiver[5] and archiver[5].isoformat(),
            "failing": archiver[6] or stuck,
            "waiting_bytes": waiting,
        },
        "databases": [{"name": name, "size_bytes": size} for name, size in databases],
        "login_role": user,
    }


def _similar(unknown: Sequence[str], session: Session, deadline: Deadline) -> dict[str, str]:
    """Settings that the server has, by the names without one that may have been meant for them."""
    from difflib import get_close_matches

    known = [row[0] for row in session.query("SELECT name FROM pg_catalog.pg_settings", (), deadline, "reading names")]
    return {name: close[0] for name in unknown for close in [get_close_matches(name, known, 1, 0.8)] if close}
