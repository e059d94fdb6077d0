#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""
from __future__ import annotations

DOCUMENTATION = r"""
module: authority_renewal
short_description: Replace the certificate authority of a cluster, in steps
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Puts another authority in the place of the one that M(howdah.postgresql.certificates) issues with. Between the steps
    nodes are given what the folder has, by that module, so that at any time all of them trust whoever has issued the
    certificates that are in use.
  - How far a renewal is, is seen from the folder. A step that was taken is not taken again.
extends_documentation_fragment:
  - howdah.postgresql.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: C(announce) after C(finish) begins another renewal.
options:
  authority:
    description: Folder, on the controller, of the authority; as O(howdah.postgresql.certificates#module:authority).
    type: path
    required: true
  authority_name:
    description: Common name of the new authority.
    type: str
    default: howdah
  step:
    description:
      - V(announce) makes a new authority, and lists it in C(ca.crt) as the second one, so that nodes trust it; its key
        is in C(next.key).
      - V(switch) makes it the first one, which issues.
      - V(finish) takes the former one away.
    type: str
    required: true
    choices: [announce, switch, finish]
requirements:
  - cryptography 42 or newer on the controller
seealso:
  - module: howdah.postgresql.certificates
"""

EXAMPLES = r"""
- name: Begin with a new authority
  howdah.postgresql.authority_renewal:
    authority: ~/.local/state/howdah/main/authority
    step: announce
  run_once: true
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["announce another authority: nodes are to trust it, before it issues"]
renewal:
  description: How far it is afterwards - V(idle), V(announced) or V(switched).
  returned: success
  type: str
error:
  description: Name of the kind of failure, for example V(authority_failed).
  returned: failure
  type: str
code:
  description: Number of the kind of failure.
  returned: failure
  type: int
"""
