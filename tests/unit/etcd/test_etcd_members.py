# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member of etcd more, or one less."""
from __future__ import annotations

import json

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import EtcdRefused, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._etcd import members

LISTED = json.dumps(
    {
        "header": {"cluster_id": 17237436991929493444},
        "members": [
            {"ID": 10501334649042878790, "name": "e1", "peerURLs": ["https://e1:2380"], "clientURLs": ["https://e1:2379"]},
            {"ID": 2, "name": "e2", "peerURLs": ["https://e2:2380"]},
            {"ID": 3, "peerURLs": ["https://e3:2380"]},
        ],
    }
)
FOUND = members.parse(LISTED)


def test_members_are_read_with_the_numbers_that_commands_take() -> None:
    assert [member.identity for member in FOUND] == ["91bc3c398fb3c146", "2", "3"]
    with pytest.raises(EtcdRefused, match="no list of members"):
        members.parse("Error: context deadline exceeded")


def test_a_new_member_is_announced_and_one_that_was_announced_is_not_again() -> None:
    plan = members.addition(FOUND, "e4", "https://e4:2380")
    assert plan.result()["actions"] == ["announce the member e4: at https://e4:2380"]
    assert plan.result()["diff"]["after"] == {"members": ["3", "e1", "e2", "e4"]}
    assert not members.addition(FOUND, "e1", "https://e1:2380").changed
    assert not members.addition(FOUND, "e3", "https://e3:2380").changed, "it was announced, and has not started yet"
    with pytest.raises(InvalidInput, match="at https://e1:2380, and not at https://elsewhere:2380"):
        members.addition(FOUND, "e1", "https://elsewhere:2380")


def test_a_member_that_joins_is_told_of_everybody() -> None:
    told = members.initial_cluster(FOUND, "e3", "https://e3:2380")
    assert told == "e1=https://e1:2380,e2=https://e2:2380,e3=https://e3:2380"


def test_who_is_removed() -> None:
    plan, member = members.removal(FOUND, "e2")
    assert plan.result()["actions"] == ["remove the member e2: 2 stay"] and member == FOUND[1]
    assert members.removal(FOUND, "e3", "https://e3:2380")[1] == FOUND[2], "one that never started"
    assert members.removal(FOUND, "pg1") == (members.Plan(), None)
    with pytest.raises(InvalidInput, match="the only member"):
        members.removal(FOUND[:1], "e1")
