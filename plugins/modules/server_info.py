#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in to a PostgreSQL server and look around."""
from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: Log in to a PostgreSQL server and look around
version_added: 1.0.0
author:
  - howdah.postgresql authors (@howdah)
description:
  - Logs in, and returns what the server tells about itself. It is the proof that a login works.
  - Whatever happens, the call ends within O(timeout).
extends_documentation_fragment:
  - howdah.postgresql.postgres
  - howdah.postgresql.docker
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.postgres
options:
  settings:
    description: Names of server settings to return.
    type: list
    elements: str
    default: []
  wanted:
    description:
      - Settings and values of which is told whether the server would take them (RV(settings_refused)). It needs
        O(container), as the server's own program is asked.
    type: dict
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    description: Nothing is changed.
  idempotent:
    support: full
notes:
  - With several servers in O(login_host), the one that is asked is the first that is not a standby.
  - Failures have a name in RV(error) and a number in RV(code), see M(howdah.postgresql.password).
seealso:
  - module: howdah.postgresql.password
"""

EXAMPLES = r"""
- name: Log in with the new password
  howdah.postgresql.server_info:
    login_host: 127.0.0.1
    login_user: app
    login_password: "{{ vault_app_password }}"
    settings: [max_connections, shared_buffers]
  register: server

- name: Look from inside the container, without any password
  howdah.postgresql.server_info:
    container: pg1
"""

RETURN = r"""
address:
  description: The server that was asked.
  returned: success
  type: str
  sample: 127.0.0.1:5432
version:
  description: Its version.
  returned: success
  type: str
  sample: 15.14 (Debian 15.14-0+deb12u1)
version_num:
  description: Its version as a number.
  returned: success
  type: int
  sample: 150014
in_recovery:
  description: Whether it is a standby.
  returned: success
  type: bool
start_time:
  description: When the server was started, as ISO 8601.
  returned: success
  type: str
  sample: "2026-07-01T12:00:00.123456+00:00"
system_identifier:
  description: Number that a server shares with its standbys and backups only. As text, for it is a large number.
  returned: success
  type: str
data_directory:
  description: Where its data are. V(null) if the login may not see it.
  returned: success
  type: str
settings:
  description: Values of the settings asked for, with their units. V(null) for what does not exist or may not be seen.
  returned: success
  type: dict
  sample: {"shared_buffers": "128MB"}
settings_restart:
  description: Of the settings asked for, those that a server takes over only when it starts.
  returned: success
  type: list
  elements: str
settings_refused:
  description: What the server says of those of O(wanted) whose values it would not take.
  returned: success, with O(wanted)
  type: dict
  sample: {"max_connections": "invalid value for parameter \"max_connections\": \"many\""}
settings_similar:
  description: Of the settings asked for that have no value, those whose names are almost one that the server has.
  returned: success
  type: dict
  sample: {"shared_bufers": "shared_buffers"}
databases:
  description: The databases that accept connections.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the database.
      type: str
    size_bytes:
      description: Its size. V(null) if the login may not connect to it.
      type: int
archiver:
  description: How the server's log gets into the archive.
  returned: success
  type: dict
  contains:
    mode:
      description: The setting C(archive_mode).
      type: str
    lsn:
      description: Position that the server has written to; a standby's is what it has replayed.
      type: str
    last_archived:
      description: >-
        The last file that was archived, a segment or what belongs to a backup or timeline. V(null) if none was since
        statistics began.
      type: str
    last_archived_time:
      description: When that was, ISO 8601.
      type: str
    last_failed:
      description: The last segment that could not be archived.
      type: str
    last_failed_time:
      description: When that was.
      type: str
    failing:
      description:
        - Whether the last attempt failed, or the log has waited for two minutes in which nothing was archived - a
          command that crashes is no failed attempt to PostgreSQL. The latter only if the login may see it.
      type: bool
    waiting_bytes:
      description: >-
        Bytes of log that are not archived yet - what would be lost with the server. V(null) where nothing is archived,
        and for a login that may not see it (C(pg_monitor) may).
      type: int
login_role:
  description: The role that the login was made as.
  returned: success
  type: str
elapsed_ms:
  description: Milliseconds that the whole call took.
  returned: success
  type: int
error:
  description: Name of the failure.
  returned: failure
  type: str
  sample: auth_failed
code:
  description: Number of the failure.
  returned: failure
  type: int
  sample: 1401
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils import _shell
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import options as docker
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import options
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.info import server_info

OPTIONS: dict[str, Any] = {
    **options.ARGUMENT_SPEC,
    **docker.ARGUMENT_SPEC,
    "settings": {"type": "list", "elements": "str", "default": []},
    "wanted": {"type": "dict"},
}
RULES: dict[str, Any] = {
    "mutually_exclusive": options.MUTUALLY_EXCLUSIVE,
    "required_together": [*options.REQUIRED_TOGETHER, *docker.REQUIRED_TOGETHER],
    "required_by": {"wanted": "container"},
}


def work(params: Mapping[str, Any], deadline: Deadline, report: _shell.Report) -> None:
    """Return what the server tells."""
    if params["container"]:
        # Only this door needs it.
        from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import (
            ask_agent,
            raise_failure,
        )

        wanted = None if params["wanted"] is None else {name: str(value) for name, value in params["wanted"].items()}
        message = options.request_of(params, "info", settings=params["settings"], wanted=wanted)
        answer = ask_agent(params, message, deadline, writes=False)
        raise_failure(answer)
        report.add(**answer["result"])
    else:
        report.add(**server_info(options.target_of(params), params["settings"], deadline))
    report.add(elapsed_ms=round(deadline.elapsed() * 1000))


def main() -> None:
    _shell.run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
