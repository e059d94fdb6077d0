# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a segment of the log is archived, for tests that wait for it."""

from __future__ import annotations

# A server whose archive_command failed three times tries again after a minute.
PATIENCE = 90.0


def question(segment: str) -> str:
    """SQL for the server that wrote the segment, whose answer is t once all is archived up to it.

    What pg_stat_archiver names as archived last does not tell: after a backup that is the backup's own file, which is
    older than the segments written during the backup, and stays the last one until the next segment is full.
    """
    before = f"name ~ '[.]ready$' AND name <= '{segment}.ready' COLLATE \"C\""
    waiting = f"EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE {before})"
    return f"SELECT pg_walfile_name(pg_current_wal_lsn()) >= '{segment}' AND NOT {waiting}"
