# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni's dynamic configuration: what is to be patched, and whether the server has taken it. Pure.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
from typing import Any, Collection, Iterable, Mapping

from .._core.errors import InvalidInput
from .._core.plan import Action, Plan
from .._postgres.settings import FALSE, TRUE

PARAMETERS = ("postgresql", "parameters")
# Where a configuration tells which of its settings were declared: a list, which Patroni replaces as a whole. It keeps
# what it does not know, and does nothing with it.
DECLARED = ("howdah", "declared")
_SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)
_HIDDEN = "<hidden>"
_QUANTITY = re.compile(r"(-?[0-9.]+)\s*([A-Za-z]*)")
UNKNOWN = "the server does not know it"
# In units of a byte and of a microsecond. What a number without a unit means depends on the setting.
_BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_BARE_BYTES = (1, 1024, 8192, 1024**2, 16 * 1024**2)
_BARE_TIMES = (1, 1000, 10**6, 60 * 10**6)


def check(config: Mapping[str, Any]) -> None:
    """Refuse what Patroni would silently change.

    :raises InvalidInput: when the times cannot work together.
    """
    ttl, loop_wait, retry = (config.get(name, default) for name, default in _TIMES)
    for name, least in (("ttl", 20), ("loop_wait", 1), ("retry_timeout", 3)):
        value = config.get(name)
        if value is not None and (not isinstance(value, int) or value < least):
            raise InvalidInput(f"{name} must be a number of seconds from {least} on; got {value!r}.")
    named = {name for name, _default in _TIMES} & config.keys()
    if named and all(isinstance(value, int) for value in (ttl, loop_wait, retry)) and loop_wait + 2 * retry > ttl:
        raise InvalidInput(
            "loop_wait + 2 * retry_timeout must not be more than ttl, or the leader may lose its lock while it retries;"
            f" got {loop_wait} + 2 * {retry} > {ttl}."
        )


_TIMES = (("ttl", 30), ("loop_wait", 10), ("retry_timeout", 10))


def patch(wanted: Mapping[str, Any], have: Mapping[str, Any], exact: bool, tracked: bool = False) -> dict[str, Any]:
    """The body of one PATCH that brings the configuration about; empty when there is nothing to do.

    :param wanted: the part that is to be as declared; None for what is not to be there.
    :param exact: whether settings of the server that are not named are to go.
    :param tracked: whether what was declared before, and is not any more, is to go.
    """
    difference = _difference(wanted, have, ())
    if tracked:
        declared = sorted("/".join(path) for path, value in _leaves(wanted, ()) if value is not None)
        before = _at(have, DECLARED) or []
        if before != declared:
            _put(difference, DECLARED, declared)
        for path in _forgotten(before, wanted, have):
            _put(difference, path, None)
    if exact:
        named = _section(wanted, PARAMETERS)
        extra = {name: None for name in _section(have, PARAMETERS) if name not in named}
        if extra:
            parameters = difference.setdefault(PARAMETERS[0], {}).setdefault(PARAMETERS[1], {})
            parameters.update(extra)
    return difference


def _forgotten(
    before: Iterable[str], wanted: Mapping[str, Any], have: Mapping[str, Any]
) -> Iterable[tuple[str, ...]]:
    """Where something is to go: what was declared before and is not any more; sections that it leaves empty as a whole.

    :param before: what was declared.
    """
    now = {path for path, _value in _leaves(wanted, ())}
    prefixes = {path[:length] for path in now for length in range(1, len(path) + 1)}
    there = {path for path, _value in _leaves(have, ())}
    gone = {
        path
        for path in (tuple(name.split("/")) for name in before)
        # What has become a section, or a part of what is one value now, is declared.
        if path in there and path not in prefixes and not any(path[:length] in now for length in range(1, len(path)))
    }
    whole: set[tuple[str, ...]] = set()
    for path in gone:
        for length in range(1, len(path) + 1):
            section = path[:length]
            if section not in prefixes and {other for other in there if other[:length] == section} <= gone:
                whole.add(section)
                break
    return sorted(whole)


def _put(changes: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        changes = changes.setdefault(name, {})
    changes[path[-1]] = value


def _difference(wanted: Mapping[str, Any], have: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, value in wanted.items():
        current = have.get(name)
        if isinstance(value, Mapping):
            inner = _difference(value, current if isinstance(current, Mapping) else {}, (*path, name))
            if inner or (not isinstance(current, Mapping) and value):
                changes[name] = inner
        elif value is None:
            if name in have:
                changes[name] = None
        elif name not in have or not _equal(value, current, path):
            changes[name] = value
    return changes


def _equal(wanted: Any, have: Any, path: tuple[str, ...]) -> bool:
    if path == PARAMETERS:
        # Another spelling is another text: only the server knows which mean the same.
        return str(_plain(wanted)) == str(_plain(have))
    return bool(wanted == have) and isinstance(wanted, bool) == isinstance(have, bool)


def _plain(value: Any) -> Any:
    """A server's setting as text has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value


def _section(config: Mapping[str, Any], path: Iterable[str]) -> Mapping[str, Any]:
    for name in path:
        inner = config.get(name)
        config = inner if isinstance(inner, Mapping) else {}
    return config


def plan(changes: Mapping[str, Any], have: Mapping[str, Any], restart: Collection[str] = ()) -> Plan:
    """The steps of a patch, and the parts of the configuration before and after it.

    :param restart: settings of the server that change, and that it takes over only when it starts.
    """
    actions: list[Action] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for path, new in _leaves(changes, ()):
        old = _at(have, path)
        if path == DECLARED:
            # Follows from the others, unless there are none.
            if changes.keys() == {DECLARED[0]}:
                actions.append(Action("note", "which settings are declared"))
            continue
        name, secret = ".".join(path), bool(_SECRET_NAME.search(path[-1]))
        shown_old, shown_new = (_HIDDEN if secret and value is not None else value for value in (old, new))
        if new is None:
            actions.append(Action("remove setting", name, f"was {shown_old}"))
        else:
            actions.append(Action("set", name, f"{shown_new}" if old is None else f"{shown_old} becomes {shown_new}"))
        if old is not None:
            before[name] = shown_old
        if new is not None:
            after[name] = shown_new
    if restart:
        after["waits for a restart"] = sorted(restart)
    return Plan(tuple(actions), before, after)


def _leaves(changes: Mapping[str, Any], path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    for name, value in changes.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _at(config: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = config
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


# --- Whether the server has it -------------------------------------------------------------------


def parameters(wanted: Mapping[str, Any]) -> dict[str, str]:
    """The server's settings that are declared, as text."""
    return {name: str(_plain(value)) for name, value in _section(wanted, PARAMETERS).items() if value is not None}


def changed_parameters(changes: Mapping[str, Any], have: Mapping[str, Any]) -> dict[str, str | None]:
    """The server's settings that a patch changes, as text; None for what goes."""
    changed: dict[str, str | None] = {}
    for path, value in _leaves(changes, ()):
        if path[:2] == PARAMETERS and len(path) == len(PARAMETERS) + 1:
            changed[path[-1]] = None if value is None else str(_plain(value))
        elif value is None and PARAMETERS[: len(path)] == path:
            changed.update(dict.fromkeys(_section(have, PARAMETERS)))
    return changed


def unsettled(
    wanted: Mapping[str, str],
    have: Mapping[str, str | None],
    pending: Iterable[str],
    unlike: Collection[str] | None = None,
) -> dict[str, str]:
    """The settings that the server does not have as declared, each with what it has instead.

    :param have: what ``SHOW`` says, with units; None for a setting that it does not know.
    :param pending: settings that wait for a restart: they are on their way.
    :param unlike: those that the server has otherwise, as it says itself; None if it was not asked.
    """
    waiting = set(pending)
    if "archive_mode" in waiting:
        # Whatever they are set to, the server shows them so until then.
        waiting |= {name for name in ("archive_command", "archive_library") if have.get(name) == "(disabled)"}
    return {
        name: UNKNOWN if have.get(name) is None else f"it is {have[name]}"
        for name, value in wanted.items()
        if name not in waiting and differs(name, value, have.get(name), unlike)
    }


def differs(name: str, wanted: str, have: str | None, unlike: Collection[str] | None) -> bool:
    """Whether a server has a setting otherwise than wanted.

    :param unlike: as for :func:`unsettled`.
    """
    if unlike is None or have is None:  # an image that is older than this does not tell
        return not same(wanted, have)
    # What an extension makes of a value, the server learns only when it loads that.
    return name in unlike and not ("." in name and same(wanted, have))


def same(wanted: str, have: str | None) -> bool:
    """Whether two spellings of a setting mean the same: ``1024`` and ``1MB``, ``true`` and ``on``."""
    if have is None:
        return False
    if wanted == have or wanted.strip().lower() == have.strip().lower():
        return True
    one, other = wanted.strip().lower(), have.strip().lower()
    if {one, other} <= TRUE or {one, other} <= FALSE:
        return True
    if re.sub(r"\s*,\s*", ",", one) == re.sub(r"\s*,\s*", ",", other):
        return True
    return _same_quantity(one, other)


def _same_quantity(one: str, other: str) -> bool:
    first, second = _QUANTITY.fullmatch(one), _QUANTITY.fullmatch(other)
    if first is None or second is None:
        return False
    try:
        numbers = float(first[1]), float(second[1])
    except ValueError:
        return False
    units = first[2], second[2]
    if not any(units):
        return numbers[0] == numbers[1]
    for scale, bare in ((_BYTES, _BARE_BYTES), (_MICROSECONDS, _BARE_TIMES)):
        if all(unit == "" or unit in scale for unit in units):
            readings = [
                {number * scale[unit]} if unit else {number * factor for factor in bare}
                for number, unit in zip(numbers, units)
            ]
            return bool(readings[0] & readings[1])
    return False
