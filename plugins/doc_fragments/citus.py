# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which Citus formation to talk to."""
from __future__ import annotations


class ModuleDocFragment:
    """Options of C(module_utils/_citus/observe.py)."""

    DOCUMENTATION = r"""
options:
  container:
    description:
      - Name of the container that leads the coordinator's group, on this engine. Citus is asked from inside of it, over
        the server's own socket, so no credential is needed.
      - One that does not lead that group any more is refused with the number V(1801); ask then who leads, and try
        again.
    type: str
    required: true
  database:
    description: Name of the database that has Citus.
    type: str
    default: citus
  superuser:
    description: Role to work as. The default is the one of the container's environment.
    type: str
  groups:
    description:
      - The formation's groups by their numbers, C(0) for the coordinator's, each with the addresses, C(host:port), of
        its members' Patroni. With them, what Citus knows is compared with who lives.
    type: dict
"""
