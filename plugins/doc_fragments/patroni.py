# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which Patroni cluster to talk to."""
from __future__ import annotations


class ModuleDocFragment:
    """Options of C(module_utils/_patroni/rest.py)."""

    DOCUMENTATION = r"""
options:
  containers:
    description:
      - Names of the cluster's members that have a container on this engine. Patroni is asked from inside of them, with
        their
        own certificates, so its port need not be reachable and no credential is needed; the first one that can ask is
        used.
      - The leader, and whoever a request is about, is looked up at the time of the request, and may be on another
        engine.
    type: list
    elements: str
    required: true
    aliases: [container]
"""
