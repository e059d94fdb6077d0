# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How module and agent talk: lines of JSON, and errors that keep their class.

A request: ``command`` (``password``, ``info``, ``logins`` or ``rest``), ``timeout`` in seconds. For the first three
optionally ``port``, ``user`` and ``dbname``. For ``password`` also ``roles``, ``iterations`` and ``check``; for
``info`` also ``settings``; for ``logins`` also ``hosts`` (as the container reaches them) and ``roles`` (``name`` and
``password`` of each), its result: ``logins``. For ``rest``: ``method``, ``path``, ``body`` (JSON, or null) and
``url_host`` (host:port of another node's Patroni; null for the container's own); its result: ``status`` and ``body``
(parsed where it is JSON, else text). For ``several``: ``messages``, requests without their time limits; its result:
``answers``, of which the first request's is the first. A request that fails ends them only if it is the first.
An answer: ``result``, and ``error`` when it failed.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
from typing import Any, Iterator, Mapping

from .._core.errors import HowdahError

# The agent's own time limit is this much later than the request's: enough to answer with an error.
GRACE_SECONDS = 0.25
# A request that has not arrived by then never will.
ARRIVAL_SECONDS = 10.0


def failure(error: HowdahError) -> dict[str, Any]:
    """The error as JSON."""
    return {"number": error.number, "message": error.message, "details": error.details}


def error_of(spelled: Mapping[str, Any]) -> HowdahError:
    """The error that JSON spells; of a class with its number where there is one."""
    for kind in _kinds(HowdahError):
        if kind.number == spelled["number"]:
            return kind(spelled["message"], **spelled["details"])
    return HowdahError(spelled["message"], **spelled["details"])


def line_of(message: Mapping[str, Any]) -> bytes:
    """A request as it is sent."""
    return json.dumps(message).encode("ascii") + b"\n"


def _kinds(kind: type[HowdahError]) -> Iterator[type[HowdahError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from _kinds(sub)
