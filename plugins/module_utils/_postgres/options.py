# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which server to log in to, shared by all modules that do.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

if TYPE_CHECKING:
    from .target import Target

_DIRECT = ("login_host", "login_password", "login_unix_socket", "ssl_mode", "ssl_root_cert", "ssl_cert", "ssl_key")

# The options of the doc fragment `postgres`.
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "login_host": {"type": "list", "elements": "str"},
    "login_port": {"type": "int"},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_unix_socket": {"type": "str"},
    "login_db": {"type": "str", "default": "postgres"},
    "ssl_mode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
    "ssl_root_cert": {"type": "path"},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path", "no_log": False},  # a path, not a key
    "container": {"type": "str"},
    "timeout": {"type": "float", "default": 5.0},
}
MUTUALLY_EXCLUSIVE = [("login_host", "login_unix_socket"), *[("container", option) for option in _DIRECT]]
REQUIRED_TOGETHER = [("ssl_cert", "ssl_key")]


def target_of(params: Mapping[str, Any]) -> Target:
    """The target that the options name; not for ``container``."""
    from .target import Target

    ssl = {
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ssl_root_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
    }
    return Target(
        hosts=tuple(params["login_host"] or ()),
        port=params["login_port"] or 5432,
        socket_dir=params["login_unix_socket"] or "/var/run/postgresql",
        user=params["login_user"] or "postgres",
        password=params["login_password"],
        dbname=params["login_db"],
        ssl=tuple((name, value) for name, value in ssl.items() if value is not None),
    )


def request_of(params: Mapping[str, Any], command: str, **further: Any) -> dict[str, Any]:
    """The agent's request for these options; see wire.py. Its ``timeout`` is set when it is sent."""
    return {
        "command": command,
        "port": params["login_port"],
        "user": params["login_user"],
        "dbname": params["login_db"],
        **further,
    }
