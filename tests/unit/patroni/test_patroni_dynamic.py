# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic configuration: what is patched, and whether the server has taken it."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import dynamic

HAVE = {
    "ttl": 20,
    "synchronous_mode": "quorum",
    "postgresql": {"use_slots": True, "parameters": {"work_mem": "4MB", "wal_log_hints": "on", "old": "1"}},
}


@pytest.mark.parametrize(
    ("wanted", "exact", "expected"),
    [
        ({"ttl": 20}, False, {}),
        ({"ttl": 30}, False, {"ttl": 30}),
        ({"postgresql": {"parameters": {"work_mem": "4MB", "wal_log_hints": True, "old": 1}}}, False, {}),
        (
            {"postgresql": {"parameters": {"work_mem": "8MB"}}},
            False,
            {"postgresql": {"parameters": {"work_mem": "8MB"}}},
        ),
        ({"postgresql": {"parameters": {"old": None}}}, False, {"postgresql": {"parameters": {"old": None}}}),
        ({"postgresql": {"parameters": {"gone": None}}}, False, {}),
        (
            {"postgresql": {"parameters": {"work_mem": "4MB", "wal_log_hints": "on"}}},
            True,
            {"postgresql": {"parameters": {"old": None}}},
        ),
        ({"slots": {"app": {"type": "physical"}}}, False, {"slots": {"app": {"type": "physical"}}}),
        ({"synchronous_mode": True}, False, {"synchronous_mode": True}),
        ({"postgresql": {"use_slots": 1}}, False, {"postgresql": {"use_slots": 1}}),
    ],
)
def test_only_the_difference_is_patched(wanted: dict[str, Any], exact: bool, expected: dict[str, Any]) -> None:
    assert dynamic.patch(wanted, HAVE, exact) == expected


def noted(config: dict[str, Any], *declared: str) -> dict[str, Any]:
    return {**config, "howdah": {"declared": list(declared)}}


@pytest.mark.parametrize(
    ("wanted", "have", "expected"),
    [
        # No note yet: nothing is removed.
        ({"ttl": 20}, HAVE, noted({}, "ttl")),
        ({"ttl": 20}, noted(HAVE, "ttl"), {}),
        # What others have set stays.
        (
            {"ttl": 20},
            noted(HAVE, "postgresql/parameters/old", "ttl"),
            noted({"postgresql": {"parameters": {"old": None}}}, "ttl"),
        ),
        # Somebody else was quicker.
        ({"ttl": 20}, noted(HAVE, "postgresql/parameters/gone", "ttl"), noted({}, "ttl")),
        # A section of which nothing is left.
        (
            {},
            noted({"slots": {"app": {"type": "logical", "plugin": "x"}, "other": {"type": "physical"}}},
                  "slots/app/plugin", "slots/app/type"),
            noted({"slots": {"app": None}}),
        ),
        (
            {},
            noted({"slots": {"app": {"type": "logical", "more": 1}}}, "slots/app/type"),
            noted({"slots": {"app": {"type": None}}}),
        ),
        # A value that becomes a section, and the other way round; and one that is to be removed in any case.
        ({"tags": {"a": 1}}, noted({"tags": 1}, "tags"), noted({"tags": {"a": 1}}, "tags/a")),
        ({"tags": 1}, noted({"tags": {"a": 1}}, "tags/a"), noted({"tags": 1}, "tags")),
        ({"tags": None}, noted({"tags": {"a": 1}}, "tags/a"), noted({"tags": None})),
    ],
)
def test_what_is_not_declared_any_more_goes(
    wanted: dict[str, Any], have: dict[str, Any], expected: dict[str, Any]
) -> None:
    changes = dynamic.patch(wanted, have, False, True)
    assert changes == expected
    after = merged(have, changes)
    assert dynamic.patch(wanted, after, False, True) == {}
    assert dynamic.patch(wanted, have, False) == dynamic.patch(wanted, {**have, "howdah": {}}, False)


def merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The configuration after a PATCH, as Patroni has it."""
    result = dict(config)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[name] = value
    return result


def test_the_note_is_told_only_where_there_is_nothing_else() -> None:
    told = dynamic.plan(noted({}, "ttl"), HAVE).result()
    assert told["actions"] == ["note which settings are declared"]
    told = dynamic.plan(noted({"ttl": 30}, "ttl"), HAVE).result()
    assert told["actions"] == ["set ttl: 20 becomes 30"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ttl": None}, {}),
        ({"postgresql": {"use_slots": None}}, {}),
        ({"postgresql": {"parameters": {"work_mem": "4MB", "jit": False}}}, {"work_mem": "4MB", "jit": "off"}),
        ({"postgresql": {"parameters": {"work_mem": None}}}, {"work_mem": None}),
        ({"postgresql": {"parameters": None}}, dict.fromkeys(HAVE["postgresql"]["parameters"])),
        ({"postgresql": None}, dict.fromkeys(HAVE["postgresql"]["parameters"])),
    ],
)
def test_changed_settings_of_the_server_are_known(changes: dict[str, Any], expected: dict[str, str | None]) -> None:
    assert dynamic.changed_parameters(changes, HAVE) == expected


def test_a_plan_tells_what_waits_for_a_restart() -> None:
    changes = {"postgresql": {"parameters": {"max_connections": 200, "work_mem": "8MB"}}}
    shown = dynamic.plan(changes, HAVE, ["max_connections"]).result()["diff"]["after"]
    assert shown == {
        "postgresql.parameters.max_connections": 200,
        "postgresql.parameters.work_mem": "8MB",
        "waits for a restart": ["max_connections"],
    }


def test_a_plan_tells_old_and_new_and_hides_what_may_be_secret() -> None:
    changes = {"ttl": 30, "postgresql": {"parameters": {"old": None, "x.api_key": "canary"}}}
    told = dynamic.plan(changes, HAVE).result()
    assert told["actions"] == [
        "set ttl: 20 becomes 30",
        "remove setting postgresql.parameters.old: was 1",
        "set postgresql.parameters.x.api_key: <hidden>",
    ]
    assert "canary" not in str(told)


@pytest.mark.parametrize(
    ("wanted", "have"),
    [("64MB", 64), ("4096kB", "4MB"), ("1s", "1"), ("app", "App"), ("cp %p /a", "cp %p /A"), ("a,b", "a, b")],
)
def test_a_text_that_reads_otherwise_is_patched(wanted: str, have: Any) -> None:
    """Only the server knows that two mean the same, and 64 is in kB or in MB."""
    inside = [{"postgresql": {"parameters": {"x": value}}} for value in (wanted, have)]
    assert dynamic.patch(inside[0], inside[1], False) == inside[0]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1024", "1MB", True),  # in kB
        ("16384", "128MB", True),  # in blocks of 8 kB
        ("1GB", "1024MB", True),
        ("30s", "30000", True),
        ("1min", "60s", True),
        ("5min", "5MB", False),
        ("true", "on", True),
        ("off", "on", False),
        ("0.5", "0.50", True),
        ("a, b", "a,b", True),
        ("4MB", "8MB", False),
        ("4MB", None, False),
    ],
)
def test_spellings_of_a_setting(one: str, other: str | None, equal: bool) -> None:
    assert dynamic.same(one, other) is equal


def test_settings_that_patroni_dropped_are_named_and_those_that_wait_are_not() -> None:
    wanted = {"work_mem": "8MB", "no_such": "1", "max_connections": "200", "ok": "on"}
    have = {"work_mem": "4MB", "no_such": None, "max_connections": "100", "ok": "on"}
    assert dynamic.unsettled(wanted, have, ["max_connections"]) == {
        "work_mem": "it is 4MB",
        "no_such": "the server does not know it",
    }


def test_what_the_server_says_of_its_settings_counts() -> None:
    wanted = {"wal_compression": "on", "work_mem": "64MB", "x.size": "1024", "x.mode": "a", "gone": "1", "late": "2"}
    have = {"wal_compression": "pglz", "work_mem": "64", "x.size": "1MB", "x.mode": "b", "gone": None, "late": "1"}
    unlike = ["work_mem", "x.size", "x.mode", "late"]
    assert dynamic.unsettled(wanted, have, ["late"], unlike) == {
        "work_mem": "it is 64",
        "x.mode": "it is b",
        "gone": "the server does not know it",
    }


def test_archiving_that_begins_with_the_next_restart_is_on_its_way() -> None:
    wanted = {"archive_mode": "on", "archive_command": "push"}
    have = {"archive_mode": "off", "archive_command": "(disabled)"}
    assert dynamic.unsettled(wanted, have, ["archive_mode"]) == {}
    assert dynamic.unsettled(wanted, have, []) == {"archive_mode": "it is off", "archive_command": "it is (disabled)"}
    assert dynamic.unsettled(wanted, {**have, "archive_command": "other"}, ["archive_mode"]) == {
        "archive_command": "it is other"
    }


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"ttl": 20, "loop_wait": 10, "retry_timeout": 10}, "10 \\+ 2 \\* 10 > 20"),
        ({"ttl": 10}, "from 20 on"),
        ({"retry_timeout": "x"}, "from 3 on"),
    ],
)
def test_times_that_cannot_work_together_are_refused(config: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        dynamic.check(config)


def test_the_times_of_the_role_can_work_together() -> None:
    dynamic.check({"ttl": 20, "loop_wait": 5, "retry_timeout": 7})
