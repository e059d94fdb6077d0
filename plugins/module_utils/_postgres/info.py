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
from .settings import Program, Setting, refused, unlike
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
# As SHOW has it, with the unit, but where the client has set another; what may not be seen is not in the view.
_SETTINGS = """
SELECT lower(name), CASE WHEN source = 'session' THEN reset_val ELSE current_setting(name) END,
       coalesce(reset_val, ''), source, vartype, context = 'postmaster', coalesce(boot_val, '')
  FROM pg_catalog.pg_settings WHERE lower(name) = ANY (%s)
"""
# Of applications: nobody has declared them to the server, and the view leaves them out.
_PLACEHOLDERS = "SELECT name, current_setting(name, true) FROM unnest(%s::text[]) AS asked(name)"
# The last one counts.
_FILES = """
SELECT DISTINCT ON (lower(name)) lower(name), setting
  FROM pg_catalog.pg_file_settings WHERE lower(name) = ANY (%s) ORDER BY lower(name), seqno DESC
"""


def server_info(
    target: Target,
    settings: Sequence[str],
    deadline: Deadline,
    wanted: Mapping[str, str] | None = None,
    declared: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Log in, and look around; but for the settings, in one transaction that cannot write.

    :param settings: names of server settings to return the values of.
    :param wanted: settings and values of which is told whether the server would take them.
    :param declared: settings and values of which is told whether the server has them; for a superuser.
    :return: times as ISO 8601, sizes in bytes; None for what the login may not see.
    """
    session = connect(target, deadline)
    try:
        version_num = session.version_num
        # Before the transaction, which has time limits of its own.
        names = ["data_directory", *settings, *(wanted or ()), *(declared or ())]
        visible = _settings(names, session, deadline, bool(declared))
        begin_reading(session, deadline)
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
    data_directory = visible["data_directory"].shown if "data_directory" in visible else None
    checked: dict[str, Any] = {}
    if wanted is not None and data_directory:
        known = {name: value for name, value in wanted.items() if name.lower() in visible}
        checked["settings_refused"] = refused(known, data_directory, version_num, deadline)
    if declared is not None and data_directory:
        checked["settings_unlike"] = unlike(declared, visible, Program(data_directory, version_num, deadline))
    return {
        **checked,
        "address": str(session.address),
        "version": version,
        "version_num": version_num,
        "in_recovery": session.in_recovery,
        "start_time": started.isoformat(),
        "system_identifier": identifier,
        "data_directory": data_directory,
        "settings": {name: there.shown if (there := visible.get(name.lower())) else None for name in settings},
        "settings_restart": [name for name in settings if (there := visible.get(name.lower())) and there.late],
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


def _settings(names: Sequence[str], session: Session, deadline: Deadline, full: bool) -> dict[str, Setting]:
    """Settings by their names, in lower case; those are left out that are not there, or may not be seen.

    :param full: whether to look for those, too, that PostgreSQL knows by their values only, and at what is in the
        files where the session has something else: for a superuser.
    """
    # Names are the same in any case, and TimeZone is seldom written as the server has it.
    folded = sorted({name.lower() for name in names})
    rows = session.query(_SETTINGS, (folded,), deadline, "reading settings")
    found = {name: Setting(*facts) for name, *facts in rows}
    if full:
        own = [name for name in folded if name not in found and "." in name]
        for name, value in session.query(_PLACEHOLDERS, (own,), deadline, "reading settings") if own else ():
            if value is not None:
                found[name] = Setting(value, value, "configuration file", "string")
        hidden = [name for name, setting in found.items() if setting.hidden]
        for name, text in session.query(_FILES, (hidden,), deadline, "reading files of settings") if hidden else ():
            found[name] = found[name]._replace(text=text)
    return found


def _similar(unknown: Sequence[str], session: Session, deadline: Deadline) -> dict[str, str]:
    """Settings that the server has, by the names without one that may have been meant for them."""
    from difflib import get_close_matches

    known = [row[0] for row in session.query("SELECT name FROM pg_catalog.pg_settings", (), deadline, "reading names")]
    return {name: close[0] for name in unknown for close in [get_close_matches(name, known, 1, 0.8)] if close}
