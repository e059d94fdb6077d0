# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which container engine to work on, shared by all modules that may need one.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import env_fallback

# The options of the doc fragment `docker`.
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "docker_host": {
        "type": "str",
        "default": "unix:///var/run/docker.sock",
        "fallback": (env_fallback, ["DOCKER_HOST"]),
    },
    "docker_ca_cert": {"type": "path"},
    "docker_client_cert": {"type": "path"},
    "docker_client_key": {"type": "path", "no_log": False},  # a path, not a key
}
REQUIRED_TOGETHER = [("docker_client_cert", "docker_client_key")]
