# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server would take settings: it is asked itself, by its own program, which starts nothing.

A running server can only be asked for what can be set in a session. Patroni drops what it finds wrong, or hands it to
a server that does not start with it.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import os
import re
from typing import Mapping

from .._core.deadline import Deadline

_PROGRAM = "/usr/lib/postgresql/{}/bin/postgres"
_COMPLAINT = re.compile(r"(?:LOG|ERROR|FATAL): +(.*)")
_NAMED = re.compile(r'parameter "([^"]+)"')


def refused(wanted: Mapping[str, str], data_directory: str, version_num: int, deadline: Deadline) -> dict[str, str]:
    """What the server says of values that it would not take, by the names of the settings.

    Empty where its program is not at hand, which is in the image only.

    :param wanted: settings that the server has, with their values.
    :param data_directory: of the server that runs, which is left alone.
    """
    program = _PROGRAM.format(version_num // 10000)
    if not (wanted and os.access(program, os.X_OK)):
        return {}
    import subprocess  # takes longer to load than most answers of the agent, and few need it

    found: dict[str, str] = {}
    # It gives up at the first.
    while left := {name: value for name, value in wanted.items() if name not in found}:
        values = [word for name, value in left.items() for word in ("-c", f"{name}={value}")]
        doing = "having the server check settings"
        try:
            done = subprocess.run(
                [program, "-D", data_directory, "-C", "server_version", *values], env={"LC_ALL": "C"},
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=deadline.check(doing),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            deadline.check(doing)
            break
        complaint = complaint_of(done.stderr.decode("utf-8", "replace"), left) if done.returncode else None
        if complaint is None:
            break
        found.update([complaint])
    return found


def complaint_of(output: str, settings: Mapping[str, str]) -> tuple[str, str] | None:
    """The setting that the server names, and what it says. Pure.

    :param output: of the server.
    :param settings: which may be named; anything else is not what it was asked.
    """
    asked = {name.lower(): name for name in settings}
    for line in output.splitlines():
        said = _COMPLAINT.search(line)
        named = _NAMED.search(said[1]) if said else None
        if said and named and named[1].lower() in asked:
            return asked[named[1].lower()], said[1]
    return None
