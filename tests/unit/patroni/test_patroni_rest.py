# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a question goes to when somebody does not answer in time; when a setting counts as taken."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import DeadlineExceeded, RestUnreachable
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import rest
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import Cluster, parse
from ansible_collections.howdah.postgresql.plugins.modules import patroni_config


def asked(monkeypatch: pytest.MonkeyPatch, slow: set[str], seconds: float = 60) -> rest.Rest:
    """Two members, of which some do not answer in time."""

    def answer(_client: Any, container: str, _message: Any, _bound: Any) -> dict[str, Any]:
        if container in slow:
            raise DeadlineExceeded(f"The time limit was reached while asking {container}.")
        return {"result": {"status": 200, "body": container}}

    monkeypatch.setattr(client, "connect", lambda _params, _deadline: None)
    monkeypatch.setattr(rest, "ask", answer)
    return rest.Rest({"containers": ["pg1", "pg2"]}, Deadline(seconds))


def test_another_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, {"pg1"}).ask("GET", "/cluster") == (200, "pg2")


def test_nobody_answers_is_no_end_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RestUnreachable):
        asked(monkeypatch, {"pg1", "pg2"}).ask("GET", "/cluster")


def test_what_may_have_arrived_is_not_sent_to_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeadlineExceeded):
        asked(monkeypatch, {"pg1"}).ask("POST", "/switchover")


def test_an_interface_that_is_closed_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    members = asked(monkeypatch, set())
    refused = 3
    asking: list[str] = []

    def answer(_client: Any, container: str, message: Any, _bound: Any) -> dict[str, Any]:
        asking.append(container)
        if len(asking) <= refused:
            raise RestUnreachable("Connection reset by peer.")
        return {"result": {"status": 200, "body": message["path"]}}

    monkeypatch.setattr(rest, "ask", answer)
    monkeypatch.setattr(rest, "_PAUSE", 0.01)
    assert members.ask("GET", "/config") == (200, "/config")
    assert asking == ["pg1", "pg2", "pg1", "pg2"]
    asking.clear()
    with pytest.raises(RestUnreachable):  # it may have arrived
        members.ask("POST", "/switchover")
    assert asking == ["pg2"]
    refused = 10**6
    monkeypatch.setattr(rest, "_CLOSED_SECONDS", 0.05)
    with pytest.raises(RestUnreachable):  # who stays closed is not waited for
        members.ask("GET", "/config")


def test_questions_that_go_along_take_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    members = asked(monkeypatch, set())
    info = {"command": "info", "settings": ["work_mem"]}
    sent: list[tuple[str, Any]] = []

    def answer(_client: Any, container: str, message: Any, _bound: Any) -> dict[str, Any]:
        sent.append((container, message["command"]))
        if message["command"] != "several":
            return {"result": {"status": 200, "body": "asked anew", "settings": "asked anew"}}
        if container == "pg1":
            raise RestUnreachable("refused")
        answers = [{"result": {"status": 200, "body": one.get("path"), "settings": 4}} for one in message["messages"]]
        return {"result": {"answers": answers}}

    monkeypatch.setattr(rest, "ask", answer)
    members.ask_along(rest.rest_message("GET", "/config"), info)
    assert members.ask("GET", "/cluster") == (200, "/cluster")
    assert sent == [("pg1", "several"), ("pg2", "several")]
    assert members.ask("GET", "/config", "pg1:8008") == (200, "asked anew")
    assert members.ask("GET", "/config") == (200, "/config")
    assert members.command("pg1", info)["settings"] == "asked anew"
    assert members.command("pg2", info)["settings"] == 4
    assert len(sent) == 4
    # Each answer is good for one use, and not for long.
    assert members.ask("GET", "/config") == (200, "asked anew")
    members.ask_along(rest.rest_message("GET", "/config"))
    members.ask("GET", "/cluster")
    monkeypatch.setattr(members.deadline, "elapsed", lambda: 59.0)
    assert members.ask("GET", "/config") == (200, "asked anew")


def test_what_failed_along_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    members = asked(monkeypatch, set())
    info = {"command": "info", "settings": ["work_mem"]}

    def answer(_client: Any, _container: str, message: Any, _bound: Any) -> dict[str, Any]:
        told = {"result": {"status": 200, "body": message.get("path")}}
        failed = {"error": {"number": 1500, "message": "refused", "details": {}}}
        return {"result": {"answers": [told, failed, failed]}} if message["command"] == "several" else told

    monkeypatch.setattr(rest, "ask", answer)
    members.ask_along(rest.rest_message("GET", "/config"), info)
    members.ask("GET", "/cluster")
    assert members.ask("GET", "/config") == (200, "/config")
    # It had a second there, which is little on a busy machine.
    assert members.command("pg1", info)["status"] == 200


class Noticing:
    """Members that notice one after another, look by look, that they wait for a restart."""

    containers = ["pg1", "pg2"]

    def __init__(self) -> None:
        self.looks = 0

    def cluster(self) -> Cluster:
        self.looks += 1
        reason = {"max_connections": {"old_value": "100", "new_value": "157"}}
        members = [("pg1", "leader", "running"), ("pg2", "replica", "streaming")]
        waits = {"pending_restart": True, "pending_restart_reason": reason}
        pending = [waits if self.looks > at else {} for at in (0, 2)]
        told = [
            {"name": name, "role": role, "state": state, "api_url": f"https://{name}:8008/patroni"}
            for name, role, state in members
        ]
        return parse({"scope": "c", "members": [{**one, **more} for one, more in zip(told, pending)]})

    def command(self, _place: str, _message: Any) -> dict[str, Any]:
        return {"settings": {"max_connections": "100"}}


def test_a_setting_is_taken_when_all_members_have_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patroni_config, "_PAUSE", 0.0)
    config = {"postgresql": {"parameters": {"max_connections": 157}}}
    seen = patroni_config._verify(Noticing(), config, 30.0, Deadline(60))  # type: ignore[arg-type]
    assert [member.pending_restart for member in seen.members] == [True, True]
    # Somebody who never does is not waited for for ever.
    seen = patroni_config._verify(Noticing(), config, 0.0, Deadline(60))  # type: ignore[arg-type]
    assert [member.pending_restart for member in seen.members] == [True, False]


class Rounds(Noticing):
    """Members whose rounds go on by one second, every look or not at all."""

    def __init__(self, stuck: set[str]) -> None:
        super().__init__()
        self.stuck = stuck
        self.asked: list[str] = []

    def ask(self, _method: str, path: str, host: str) -> tuple[int, Any]:
        assert path == "/patroni"
        self.asked.append(host)
        # While a member starts its server, it answers so.
        return 503, {"dcs_last_seen": 100 if host in self.stuck else 100 + len(self.asked)}


def test_two_rounds_of_each_member_are_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """One may have been under way when the member was told to read its settings."""
    monkeypatch.setattr(patroni_config, "_PAUSE", 0.0)
    patroni = Rounds(set())
    patroni_config._await_rounds(patroni, ["pg1", "pg2"], 30.0, Deadline(60))  # type: ignore[arg-type]
    assert patroni.asked == ["pg1:8008", "pg2:8008"] * 3


def test_a_member_without_rounds_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patroni_config, "_PAUSE", 0.01)
    patroni = Rounds({"pg2:8008"})
    patroni_config._await_rounds(patroni, ["pg1", "pg2", "gone"], 0.2, Deadline(60))  # type: ignore[arg-type]
    assert len(patroni.asked) > 6
