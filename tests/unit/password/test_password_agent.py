# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent ends by itself, for nobody can kill an exec from outside; and what it says where no Patroni answers."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import DeadlineExceeded, RestUnreachable
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import agent
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.agent import answer

AGENT = "ansible_collections.howdah.postgresql.plugins.module_utils._postgres.agent"
# What it does never ends, as when the server, or the machine below it, hangs.
PROGRAM = f"import time, {AGENT} as agent; agent.answer = lambda _request: time.sleep(60); agent.main()"
SLACK_SECONDS = 2  # most of it for Python to start


def test_the_kernel_ends_an_agent_that_hangs():
    started = time.monotonic()
    request = json.dumps({"command": "password", "timeout": 0.5}) + "\n"
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=request, text=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGALRM
    assert 0.5 <= time.monotonic() - started < 0.5 + SLACK_SECONDS


@pytest.mark.parametrize("text", ["", '{"command": "password", "timeout": 1}'], ids=["nothing", "half a line"])
def test_a_request_that_does_not_arrive_as_a_whole_is_not_carried_out(text):
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0 and "did not arrive" in done.stderr  # main returns 2, which PROGRAM leaves aside


@pytest.mark.parametrize(
    ("rest", "number"), [(None, 1500), ("", 1001)], ids=["the container is starting", "it is no member of a cluster"]
)
def test_a_container_that_starts_is_none_without_patroni(monkeypatch, rest, number):
    monkeypatch.delenv("PATRONI_REST", raising=False)
    if rest is not None:
        monkeypatch.setenv("PATRONI_REST", rest)
    told = answer({"command": "rest", "method": "GET", "path": "/cluster", "timeout": 5})
    assert told["error"]["number"] == number  # waits go on for the first, and end with the second


class Groups:
    """Patroni of some members: what each answers, or that it is silent for as long as it is waited for."""

    def __init__(self, monkeypatch, answers):
        self.answers = answers
        self.asked = []
        monkeypatch.setattr(agent, "_rest", self.rest)

    def rest(self, question, deadline):
        address = question["url_host"]
        self.asked.append(address)
        if address not in self.answers:
            time.sleep(deadline.seconds)
            raise DeadlineExceeded("no answer")
        if isinstance(self.answers[address], Exception):
            raise self.answers[address]
        return self.answers[address]


def answered(name):
    return {"status": 200, "body": {"members": [name]}}


def test_a_group_is_asked_at_its_first_member_that_answers(monkeypatch):
    groups = Groups(
        monkeypatch,
        {
            "a:1": RestUnreachable("refused"),
            "b:1": {"status": 503, "body": ""},
            "c:1": answered("c"),
            "e:1": answered("e"),
        },
    )
    asked = {"0": ["a:1", "b:1", "c:1", "d:1"], "1": ["e:1", "f:1"], "2": []}
    found = agent._Clusters(asked, Deadline(15)).found()
    assert found == {"0": {"members": ["c"]}, "1": {"members": ["e"]}, "2": None}
    assert sorted(groups.asked) == ["a:1", "b:1", "c:1", "e:1"]


def test_members_that_are_silent_leave_time_for_all_others(monkeypatch):
    """As when machines are gone without a word: no group waits for another one, and the last member is still asked."""
    Groups(monkeypatch, {"c:1": answered("c"), "h:1": answered("h")})
    asked = {"0": ["a:1", "b:1", "c:1"], "1": ["d:1", "e:1"], "2": ["f:1", "g:1", "h:1"]}
    deadline = Deadline(2)
    found = agent._Clusters(asked, deadline).found()
    assert found == {"0": {"members": ["c"]}, "1": None, "2": {"members": ["h"]}}
    assert deadline.left() > 0


def test_several_requests_are_answered_by_one_process(monkeypatch):
    Groups(monkeypatch, {"a:1": answered("a"), "b:1": RestUnreachable("refused")})
    first, other = ({"command": "rest", "method": "GET", "path": "/cluster", "url_host": f"{host}:1"} for host in "ab")
    unknown = {"command": "no such"}
    told = answer({"command": "several", "messages": [first, other, unknown, first], "timeout": 5})["result"]["answers"]
    assert [one.get("error", {}).get("number") for one in told] == [None, 1500, 1001, None]
    assert told[0]["result"] == told[3]["result"] == answered("a")
    # Where the first one fails, nobody waits for the others.
    assert len(answer({"command": "several", "messages": [other, first], "timeout": 5})["result"]["answers"]) == 1


def test_what_is_asked_along_delays_the_first_answer_by_little(monkeypatch):
    Groups(monkeypatch, {"a:1": answered("a")})
    first, silent = ({"command": "rest", "method": "GET", "path": "/cluster", "url_host": f"{host}:1"} for host in "as")
    began = time.monotonic()
    answer({"command": "several", "messages": [first, silent], "timeout": 30})
    assert time.monotonic() - began < 5
