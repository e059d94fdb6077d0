# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules return about a container: everything but the values of its environment.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any

from . import fields, image_marks
from .observe import Container
from .reconcile import secret_name

# Shorter values of variables that may be secrets occur in log lines by chance.
_SHORTEST_SECRET = 6
_NEVER = "0001-01-01T00:00:00Z"


def facts(name: str, container: Container | None) -> dict[str, Any]:
    """A container as modules return it."""
    if container is None:
        return {"name": name, "exists": False}
    inspected = container.inspected
    attached = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    return {
        "name": container.name,
        "exists": True,
        "id": container.id,
        "state": container.status,
        "health": container.health,
        "image": inspected["Config"]["Image"],
        "image_id": inspected["Image"],
        "created": inspected["Created"],
        "started_at": "" if container.started_at == _NEVER else container.started_at,
        "restart_count": container.restart_count,
        "exit_code": container.exit_code,
        "ports": list(container.fields["ports"]),
        "mounts": list(container.fields["volumes"]),
        "labels": image_marks.without(container.fields["labels"]),
        "env_names": sorted(fields.environment(inspected["Config"].get("Env"))),
        "addresses": {
            network: endpoint.get("IPAddress") or endpoint.get("GlobalIPv6Address")
            for network, endpoint in attached.items()
            if endpoint.get("IPAddress") or endpoint.get("GlobalIPv6Address")
        },
    }


def secret_values(container: Container) -> list[str]:
    """Values of its environment that must not show up in its log lines."""
    bootstrap = fields.given_once(container.labels)
    variables = fields.environment(container.inspected["Config"].get("Env"))
    return [
        value
        for name, value in variables.items()
        if name in bootstrap or (secret_name(name) and len(value) >= _SHORTEST_SECRET)
    ]
