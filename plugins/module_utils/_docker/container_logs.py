# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's last log lines, fit for a person and without secrets.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from .._core.deadline import Deadline
from .._core.errors import EngineError
from .client import request

if TYPE_CHECKING:
    from docker import APIClient

_MASK = "********"
_ERRORS = frozenset({"ERROR", "FATAL", "PANIC", "CRITICAL"})
# Of whoever listens on the machine's own network: HAProxy, PostgreSQL, Patroni and etcd all have these words.
IN_USE = "ddress already in use"
# The severity is called differently by PostgreSQL, Patroni and our entrypoint.
_SEVERITY = ("error_severity", "severity", "levelname", "level")


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, be they plain or escaped as in JSON."""
    forms = {form for secret in secrets if secret for form in (secret, json.dumps(secret)[1:-1])}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _MASK)
    return text


def read(
    client: APIClient,
    container: str,
    secrets: Iterable[str],
    deadline: Deadline,
    lines: int = 20,
    since: int | None = None,
) -> list[str]:
    """The last lines of a container, oldest first; a JSON line as its severity, message and detail.

    :param lines: at most so many.
    :param since: only those from this second of the epoch on.
    """
    try:
        with request(client, deadline, "reading the container's log"):
            raw = client.logs(container, stdout=True, stderr=True, tail=lines, since=since)
    except EngineError as error:  # not every log driver can be read from
        return [f"(the log cannot be read: {error.message})"]
    text = redact(raw.decode("utf-8", "replace"), secrets)
    return [redact(_readable(line), secrets) for line in text.splitlines() if line.strip()]


def headline(lines: list[str]) -> str:
    """The line that most likely tells the cause: a taken port, the last error, or the last line; may be empty."""
    return ([line for line in lines if IN_USE in line] or errors(lines) or [""])[-1]


def errors(lines: list[str], most: int = 20) -> list[str]:
    """The last errors among lines; the last lines when there are none."""
    found = [line for line in lines if line.partition(":")[0] in _ERRORS]
    return (found or lines)[-most:]


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or not isinstance(entry.get("message"), str):
        return line
    parts = [entry["message"]] + [entry[name] for name in ("detail", "hint") if isinstance(entry.get(name), str)]
    severity = _severity(entry)
    return (f"{severity}: " if severity else "") + " ".join(parts)


def _severity(entry: Mapping[str, Any]) -> str:
    return next((entry[name].upper() for name in _SEVERITY if isinstance(entry.get(name), str)), "")
