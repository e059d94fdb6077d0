#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set passwords of PostgreSQL roles."""
from __future__ import annotations

DOCUMENTATION = r"""
module: password
short_description: Set passwords of PostgreSQL roles
version_added: 1.0.0
author:
  - howdah.postgresql authors (@howdah)
description:
  - Sets the passwords of one or many roles. A password that a role already has is left alone, and no write statement is
    sent then; nor in check mode.
  - The server never gets a password in clear text, only its SCRAM-SHA-256 verifier, which is computed by the module.
    Whether a password is the stored one is told from C(pg_authid), with PostgreSQL's own rules for Unicode; where the
    login may not read that, by logging in as the role.
  - Each role is changed in a transaction of its own that does not wait for synchronous standbys; a missing standby
    cannot block it. See RV(roles[].replicated).
  - The call ends within O(timeout), whatever the network and the server do.
extends_documentation_fragment:
  - howdah.postgresql.postgres
  - howdah.postgresql.docker
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.postgres
options:
  name:
    description: The role. It must exist. Use O(roles) for several.
    type: str
  password:
    description:
      - Its password, always in clear text, even if it looks like a verifier.
    type: str
  verifier:
    description:
      - A finished SCRAM-SHA-256 verifier, as the filter P(howdah.postgresql.scram_verifier#filter) makes it.
      - It counts as set only if exactly this one is stored. Verifiers of the same password with different salts differ.
    type: str
  roles:
    description: Several roles, in one call and one connection. All must exist, else none is changed.
    type: list
    elements: dict
    suboptions:
      name:
        description: As O(name).
        type: str
        required: true
      password:
        description: As O(password).
        type: str
      verifier:
        description: As O(verifier).
        type: str
  iterations:
    description:
      - The fewest iterations that a stored verifier of O(password) may have. One with fewer is replaced, and so is an
        MD5 hash.
      - New verifiers have exactly so many. They make guessing slower, and each login too.
    type: int
    default: 4096
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Failures have a name in RV(error) and a number in RV(code). Playbooks should branch on the number, because Ansible
    masks every occurrence of a password in results, and a short one may be a part of a name.
  - The numbers are V(1002) timeout, V(1400) unreachable, V(1401) auth_failed, V(1402) forbidden, V(1403) read_only,
    V(1404) role_missing, V(1405) concurrent, V(1406) invalid_password, V(1407) inconclusive, V(1408) outcome_unknown,
    V(1409) sql_failed, V(1410) timeout_connect, V(1411) timeout_lock.
  - With libpq before 16 and no right to read C(pg_authid), the module first tries a random wrong password, which the
    server counts and logs as a failed login.
  - Statements are kept out of logs and of C(pg_stat_statements) when O(login_user) is a superuser. For others,
    the verifier may be in them; the password never is.
seealso:
  - module: howdah.postgresql.server_info
"""

EXAMPLES = r"""
- name: The password of one role, over TCP
  howdah.postgresql.password:
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ vault_postgres_password }}"
    ssl_mode: verify-full
    ssl_root_cert: /etc/ssl/certs/our-ca.pem
    name: app
    password: "{{ vault_app_password }}"

- name: Several roles at once, on whichever server leads
  howdah.postgresql.password:
    login_host: [pg1.example.com, pg2.example.com, pg3.example.com]
    login_password: "{{ vault_postgres_password }}"
    roles:
      - name: app
        password: "{{ vault_app_password }}"
      - name: reports
        password: "{{ vault_reports_password }}"

- name: The superuser's own password, from inside the container
  howdah.postgresql.password:
    container: pg1
    name: postgres
    password: "{{ vault_postgres_password }}"
  register: rotation
  failed_when:
    - rotation is failed
    - rotation.code != 1403  # a standby: its leader gets the password
"""

RETURN = r"""
roles:
  description: One entry for each role, in the order given. On failure, the roles that were done before it.
  returned: when the server could be asked
  type: list
  elements: dict
  contains:
    name:
      description: The role.
      type: str
    changed:
      description: Whether its password was set, or would be in check mode.
      type: bool
    reason:
      description: Why. Empty if it was not.
      type: str
      sample: another password is stored
    previous:
      description: What was stored.
      type: dict
      contains:
        scheme:
          description: V(scram-sha-256), V(md5), V(none) or V(unknown).
          type: str
        iterations:
          description: Iterations of a verifier.
          type: int
        salt_id:
          description: Tells two salts apart. It says nothing about the password.
          type: str
    current:
      description:
        - What is stored now, in the same form. In check mode, the salt of a verifier to be made is V(null).
      type: dict
    verified_by:
      description: Whether the comparison was made with the V(catalog), or by a V(login).
      type: str
    replicated:
      description:
        - Whether the synchronous standbys confirmed the change within O(timeout). Before that, a failover can lose it.
        - V(null) if there was no change, no standby is to be waited for, or the login may not see them.
      type: bool
    elapsed_ms:
      description: Milliseconds that comparing and setting took.
      type: int
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["set password of role app: another password is stored"]
elapsed_ms:
  description: Milliseconds that the whole call took.
  returned: when the server could be asked
  type: int
error:
  description: Name of the failure.
  returned: failure
  type: str
  sample: role_missing
code:
  description: Number of the failure.
  returned: failure
  type: int
  sample: 1404
outcome:
  description: V(unknown) if the time limit was reached while the server was committing, and nothing could be read then.
  returned: failure with code 1408
  type: str
standby:
  description: Whether the server is a standby. If not, the setting C(default_transaction_read_only) is on.
  returned: failure with code 1403
  type: bool
leader:
  description: The leader, if the standby knows it.
  returned: failure with code 1403, on a standby
  type: str
"""

from typing import TYPE_CHECKING, Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils import _shell
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import options as docker
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import options

if TYPE_CHECKING:
    from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.engine import Outcome

SECRET = {"type": "str", "no_log": True}
ROLE = {"name": {"type": "str"}, "password": SECRET, "verifier": SECRET}
ROLES_ENTRY = {**ROLE, "name": {"type": "str", "required": True}}

OPTIONS: dict[str, Any] = {
    **options.ARGUMENT_SPEC,
    **docker.ARGUMENT_SPEC,
    **ROLE,
    "roles": {"type": "list", "elements": "dict", "options": ROLES_ENTRY},
    "iterations": {"type": "int", "default": 4096},
}
RULES: dict[str, Any] = {
    "mutually_exclusive": [*options.MUTUALLY_EXCLUSIVE, *[("roles", option) for option in ROLE]],
    "required_one_of": [("name", "roles")],
    "required_together": [*options.REQUIRED_TOGETHER, *docker.REQUIRED_TOGETHER],
}


def work(params: Mapping[str, Any], deadline: Deadline, report: _shell.Report) -> None:
    """Set the passwords that the options ask for."""
    # After the arguments were checked, and where no garbage is collected: see _shell.run.
    from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.engine import Outcome, set_passwords
    from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.password import plan_of, wishes

    entries = params["roles"] if params["roles"] is not None else [{name: params[name] for name in ROLE}]
    wished = wishes(entries, params["iterations"])
    outcome = Outcome()
    try:
        if params["container"]:
            _in_container(params, entries, deadline, report.check_mode, outcome)
        else:
            set_passwords(options.target_of(params), wished, deadline, report.check_mode, outcome)
    finally:
        report.plan(plan_of(outcome.roles))
        report.add(roles=outcome.roles, elapsed_ms=round(deadline.elapsed() * 1000))
        for warning in outcome.warnings:
            report.warn(warning)


def _in_container(
    params: Mapping[str, Any], entries: list[dict[str, Any]], deadline: Deadline, check: bool, outcome: Outcome
) -> None:
    """Have the agent do it."""
    # Only this door needs it.
    from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import (
        ask_agent,
        raise_failure,
    )

    message = options.request_of(params, "password", roles=entries, iterations=params["iterations"], check=check)
    answer = ask_agent(params, message, deadline, writes=not check)
    outcome.roles = answer["result"]["roles"]
    outcome.warnings = answer["result"]["warnings"]
    raise_failure(answer)


def main() -> None:
    _shell.run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
