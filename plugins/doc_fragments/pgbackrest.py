# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which repository to work with."""
from __future__ import annotations


class ModuleDocFragment:
    """Options of C(module_utils/_pgbackrest/repository.py)."""

    DOCUMENTATION = r"""
options:
  container:
    description:
      - Name of the container that has the repository, as the role P(howdah.postgresql.backup#role) makes
        it. pgBackRest runs in it as the container's own user, and looks for the leader among the servers
        itself, each time.
    type: str
    required: true
  stanza:
    description: Name of the stanza; there is one for each cluster.
    type: str
    required: true
"""
