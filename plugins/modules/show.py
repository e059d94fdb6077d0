#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""
from __future__ import annotations

DOCUMENTATION = r"""
module: show
version_added: 1.0.0
short_description: Print text, a table, or what a query selects, on the controller's screen
description:
  - Prints as it is, whatever output format the user has configured; the playbooks of this collection print their
    summaries and tables with it.
  - Nothing runs on the host.
author: ["howdah.postgresql authors (@howdah)"]
extends_documentation_fragment:
  - howdah.postgresql.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  text:
    description: Text to print first.
    type: str
  rows:
    description:
      - Rows of a table; the keys of the first are its columns. In their titles, an underscore is printed as a blank,
        and C(_utc) as C( (UTC\)).
      - Not printed when O(query) is given.
    type: list
    elements: dict
  data:
    description: Data to print as JSON. When O(rows) is given, it is printed only through O(query).
    type: dict
  query:
    description: A L(JMESPath,https://jmespath.org/) expression; what it selects from O(data) is printed as JSON.
    type: str
  warning:
    description: Whether it is printed as Ansible prints its warnings.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show a table
  howdah.postgresql.show:
    rows:
      - {node: pg1, state: running}
      - {node: pg2, state: running}

- name: Show what the user asked for
  howdah.postgresql.show:
    data: "{{ status }}"
    query: "nodes[?state != 'running'].node"
"""

RETURN = r"""
text:
  description: What was printed.
  type: str
  returned: success
"""
