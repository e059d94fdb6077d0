#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See that roles get in with their passwords, everywhere."""
from __future__ import annotations

DOCUMENTATION = r"""
module: password_info
short_description: See whether servers take the passwords of roles
version_added: 1.0.0
author:
  - howdah.postgresql authors (@howdah)
description:
  - Logs in anew as each of the roles at each of the servers, and tells which logins were taken. Where any password
    would do (C(trust)), a login counts as not taken.
  - A standby takes a new password once it has replayed the change. Logins that are not taken are tried again until
    O(timeout) is reached; then the module fails, and names them.
extends_documentation_fragment:
  - howdah.postgresql.docker
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
options:
  hosts:
    description:
      - Names or addresses of the servers, each optionally with C(:port), as seen from where the logins are made.
    type: list
    elements: str
    required: true
  port:
    description: Port, where O(hosts) names none.
    type: int
    default: 5432
  roles:
    description: The roles.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the role.
        type: str
        required: true
      password:
        description: Its password, in clear text. Servers are not told it - they ask for a proof (SCRAM).
        type: str
        required: true
  login_db:
    description: Database to connect to.
    type: str
    default: postgres
  container:
    description:
      - Name of a container that runs an image of this collection. The logins are then made from inside of it, over the
        network, so ports need not be published. They are tried for three quarters of O(timeout).
    type: str
  timeout:
    description: Limit in seconds for the whole call.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    description: Nothing is changed.
  idempotent:
    support: full
notes:
  - With libpq before 16 each login is preceded by one with a random wrong password, which the server counts and logs as
    a failed login.
requirements:
  - psycopg2 2.9 or newer (C(python3-psycopg2) of Debian 12, or C(psycopg2-binary) of PyPI), unless O(container) is used
seealso:
  - module: howdah.postgresql.password
"""

EXAMPLES = r"""
- name: The new passwords hold at every member, and through the proxy
  howdah.postgresql.password_info:
    container: pg1
    hosts: [pg1, pg2, pg3, proxy1]
    roles:
      - name: app
        password: "{{ vault_app_password }}"
"""

RETURN = r"""
logins:
  description: One entry for each role at each server.
  returned: when servers could be asked
  type: list
  elements: dict
  contains:
    host:
      description: The server, as given.
      type: str
    name:
      description: The role.
      type: str
    accepted:
      description:
        - Whether the login was taken, because of its password.
        - V(null) where the server asks that role for a certificate, and for no password. That is no failure.
      type: bool
    problem:
      description: Why not; empty if it was.
      type: str
error:
  description: Name of the failure, for example V(inconclusive).
  returned: failure
  type: str
code:
  description: Number of the failure, for example V(1407).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils import _shell
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import options as docker
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.logins import check_logins, refusal
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.target import Target

_ROLE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}
OPTIONS: dict[str, Any] = {
    **docker.ARGUMENT_SPEC,
    "hosts": {"type": "list", "elements": "str", "required": True},
    "port": {"type": "int", "default": 5432},
    "roles": {"type": "list", "elements": "dict", "required": True, "options": _ROLE},
    "login_db": {"type": "str", "default": "postgres"},
    "container": {"type": "str"},
    "timeout": {"type": "float", "default": 30},
}
RULES: dict[str, Any] = {"required_together": docker.REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: _shell.Report) -> None:
    """Try the logins."""
    if params["container"]:
        logins = _in_container(params, deadline)
    else:
        base = Target(port=params["port"], dbname=params["login_db"])
        logins = check_logins(base, params["hosts"], params["roles"], deadline)
    report.add(logins=logins)
    failure = refusal(logins)
    if failure is not None:
        raise failure


def _in_container(params: Mapping[str, Any], deadline: Deadline) -> Any:
    """Have the agent do it."""
    # Only this door needs it.
    from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import ask_agent, raise_failure

    message = {
        "command": "logins",
        "port": params["port"],
        "dbname": params["login_db"],
        "hosts": params["hosts"],
        "roles": params["roles"],
    }
    answer = ask_agent(params, message, deadline, writes=False)
    raise_failure(answer)
    return answer["result"]["logins"]


def main() -> None:
    _shell.run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
