# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module password: none, see plugin_utils/_quick.py."""
from __future__ import annotations

# What the work loads late: here it is loaded once, and not in the process of each task and host.
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import exec as _exec  # noqa: F401
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import engine as _engine  # noqa: F401
from ansible_collections.howdah.postgresql.plugins.modules import password
from ansible_collections.howdah.postgresql.plugins.plugin_utils._quick import QuickAction


class ActionModule(QuickAction):
    """Action plugin of howdah.postgresql.password."""

    module = password
    libraries = ("docker", "psycopg2")
