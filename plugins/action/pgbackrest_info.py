# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module pgbackrest_info: none, see plugin_utils/_quick.py."""
from __future__ import annotations

from ansible_collections.howdah.postgresql.plugins.modules import pgbackrest_info
from ansible_collections.howdah.postgresql.plugins.plugin_utils._quick import QuickAction


class ActionModule(QuickAction):
    """Action plugin of howdah.postgresql.pgbackrest_info."""

    module = pgbackrest_info
