# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the write-ahead log reaches the archive, and how much of it may wait."""
from __future__ import annotations

import re

_CONF = "/etc/howdah/pgbackrest.conf"
_QUEUE = re.compile(r"^archive-push-queue-max=(\d+) *([kmgtp]?)(?:i?b)?$", re.IGNORECASE | re.MULTILINE)
# Of what may wait before pgBackRest drops it: whoever is told must have time to act.
_QUEUE_SHARE = 0.5
# Whether archiving fails, and how many bytes wait; nothing where this server does not archive. The name of what was
# archived last does not tell: after a backup it is that of the backup's own file, older than what follows it. Nor does
# the last failure alone: a command that crashes ends PostgreSQL's archiver, which counts no failure and begins again.
# So whatever has waited for two minutes, in which nothing was archived, has failed as well.
QUESTION = (
    "SELECT CASE WHEN NOT pg_is_in_recovery() AND current_setting('archive_mode') <> 'off' THEN"
    " coalesce(last_failed_time > done"
    " OR greatest(done, oldest, pg_postmaster_start_time()) < now() - interval '2 min', false)::int || ' ' ||"
    " (segment * files + mod(pg_current_wal_lsn() - '0/0', segment))::bigint END"
    " FROM (SELECT last_failed_time, coalesce(last_archived_time, '-infinity') AS done FROM pg_stat_archiver) AS a,"
    " (SELECT setting::bigint AS segment FROM pg_settings WHERE name = 'wal_segment_size') AS s,"
    " (SELECT count(*) AS files, coalesce(min(modification), 'infinity') AS oldest FROM pg_ls_archive_statusdir()"
    " WHERE name ~ '^[0-9A-F]{24}[.]ready$') AS r"
)


def limit() -> int | None:
    """How many bytes may wait before pgBackRest drops them; None when it never does."""
    try:
        with open(_CONF, encoding="utf-8") as file:
            return queue_limit(file.read())
    except FileNotFoundError:
        return None


def queue_limit(conf: str) -> int | None:
    """The same, from the text of the settings. Pure."""
    found = _QUEUE.search(conf)
    return int(found[1]) << 10 * " kmgtp".index(found[2].lower() or " ") if found else None


def verdict(answer: str | None, most: int | None) -> tuple[bool, str]:
    """Whether all is well, and how it is. Pure.

    :param answer: the server's to QUESTION; None when it archives nothing.
    :param most: bytes that may wait.
    """
    if answer is None:
        return True, "nothing is archived from here"
    failing, waiting = map(int, answer.split())
    waits = f"{waiting >> 20} MiB of the log wait"
    if most is not None and waiting >= most * _QUEUE_SHARE:
        return False, f"{waits}; beyond {most >> 20} MiB they are dropped, and no restore gets across the gap"
    if failing:
        return False, f"archiving fails, {waits}"
    return True, f"the log is archived, {waits}"
