# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module ``container``, whose list of containers takes nearly all of them again.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping

from .client import ARGUMENT_SPEC as DOCKER_SPEC

_NETWORK: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "aliases": {"type": "list", "elements": "str"},
    "ipv4_address": {"type": "str"},
    "ipv6_address": {"type": "str"},
}
_HEALTHCHECK: dict[str, Any] = {
    "test": {"type": "raw"},
    "interval": {"type": "str"},
    "timeout": {"type": "str"},
    "retries": {"type": "int"},
    "start_period": {"type": "str"},
    "disabled": {"type": "bool", "default": False},
}
# What each container of a list can be given, too. Without defaults: there the task's options are the defaults.
_EACH: dict[str, dict[str, Any]] = {
    "image": {"type": "str"},
    "image_pending": {"type": "bool"},
    "state": {"type": "str", "choices": ["present", "started", "stopped", "restarted", "absent"]},
    "command": {"type": "list", "elements": "str"},
    "env": {"type": "dict"},
    "bootstrap_env": {"type": "dict", "no_log": True},
    "user": {"type": "str"},
    "hostname": {"type": "str"},
    "ports": {"type": "list", "elements": "str"},
    "volumes": {"type": "list", "elements": "str"},
    "tmpfs": {"type": "list", "elements": "str"},
    "networks": {"type": "list", "elements": "dict", "options": _NETWORK},
    "network_mode": {"type": "str", "choices": ["host", "none"]},
    "shm_size": {"type": "str"},
    "memory": {"type": "str"},
    "cpus": {"type": "float"},
    "ulimits": {"type": "list", "elements": "str"},
    "sysctls": {"type": "dict"},
    "read_only": {"type": "bool"},
    "cap_drop": {"type": "list", "elements": "str"},
    "cap_add": {"type": "list", "elements": "str"},
    "devices": {"type": "list", "elements": "str"},
    "security_opt": {"type": "list", "elements": "str"},
    "init": {"type": "bool"},
    "stop_signal": {"type": "str"},
    "stop_timeout": {"type": "int"},
    "restart_policy": {"type": "str"},
    "healthcheck": {"type": "dict", "options": _HEALTHCHECK},
    "log_driver": {"type": "str"},
    "log_options": {"type": "dict"},
    "labels": {"type": "dict"},
    "hosts": {"type": "dict"},
    "drift": {"type": "str", "choices": ["recreate", "warn", "ignore"]},
    "wait": {"type": "bool"},
    "stable_for": {"type": "float"},
    "remove_volumes": {"type": "list", "elements": "str"},
    "remove_networks": {"type": "list", "elements": "str"},
    "keep_on_failure": {"type": "bool"},
}
_DEFAULTS: dict[str, Any] = {
    "image_pending": False,
    "state": "started",
    "drift": "recreate",
    "wait": True,
    "stable_for": 1,
    "keep_on_failure": False,
}

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **DOCKER_SPEC,
    "name": {"type": "str"},
    **{name: {**entry, "default": _DEFAULTS[name]} if name in _DEFAULTS else entry for name, entry in _EACH.items()},
    "containers": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, **_EACH},
    },
    "timeout": {"type": "float", "default": 60},
}
REQUIRED_ONE_OF = [("name", "containers")]
MUTUALLY_EXCLUSIVE = [("name", "containers")]


def each(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of every container that the task is about, those of the task standing in for missing ones."""
    if params["containers"] is None:
        return [dict(params)]
    return [
        {**params, **{name: value for name, value in container.items() if value is not None}}
        for container in params["containers"]
    ]
