# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the attributes that every module states."""
from __future__ import annotations


class ModuleDocFragment:
    """Attributes, and the options that every module has."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  action_group:
    description: Use C(group/howdah.postgresql.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - howdah.postgresql.all
"""

    # For modules that talk to a container engine; adds to the membership above.
    DOCKER = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/howdah.postgresql.all) or C(group/howdah.postgresql.docker) in C(module_defaults)
        to set defaults for this module.
    support: full
    membership:
      - howdah.postgresql.all
      - howdah.postgresql.docker
"""

    # For modules that talk to a PostgreSQL server, directly or through its container's engine.
    POSTGRES = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/howdah.postgresql.all), C(group/howdah.postgresql.docker) or C(group/howdah.postgresql.postgres)
        in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - howdah.postgresql.all
      - howdah.postgresql.docker
      - howdah.postgresql.postgres
"""

    # For modules that steer a Patroni cluster through its members' containers.
    PATRONI = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/howdah.postgresql.all), C(group/howdah.postgresql.docker) or C(group/howdah.postgresql.patroni)
        in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - howdah.postgresql.all
      - howdah.postgresql.docker
      - howdah.postgresql.patroni
"""

    # For modules that have pgBackRest work in the repository's container.
    PGBACKREST = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/howdah.postgresql.all), C(group/howdah.postgresql.docker) or C(group/howdah.postgresql.pgbackrest)
        in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - howdah.postgresql.all
      - howdah.postgresql.docker
      - howdah.postgresql.pgbackrest
"""
