# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module ``image``: its action plugin on the controller checks them too.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any

from .client import ARGUMENT_SPEC as DOCKER_SPEC

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **DOCKER_SPEC,
    "name": {"type": "str", "required": True},
    "tags": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "path": {"type": "path"},
    "dockerfile": {"type": "str", "default": "Dockerfile"},
    "target": {"type": "str"},
    "args": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
    "labels_from": {"type": "str"},
    "platform": {"type": "str"},
    "network": {"type": "str", "choices": ["default", "host", "none"], "default": "default"},
    "extra_hosts": {"type": "dict", "default": {}},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "no_log": True},
            "src": {"type": "path"},
            "mode": {"type": "str", "choices": ["0644", "0755"], "default": "0644"},
        },
        "mutually_exclusive": [("content", "src")],
        "required_one_of": [("content", "src")],
    },
    "pull": {"type": "bool", "default": False},
    "max_age": {"type": "float"},
    "rebuild": {"type": "str", "choices": ["auto", "always"], "default": "auto"},
    "progress": {"type": "str", "choices": ["auto", "plain", "quiet"], "default": "auto"},
    "timeout": {"type": "float", "default": 1800},
    # Set by the action plugin, never by users: `sources` (see build_plan.Sources), and for the second
    # call `archive` and `progress_file`, paths on the target.
    "prepared": {"type": "dict"},
}
REQUIRED_IF = [("state", "present", ("path",))]
