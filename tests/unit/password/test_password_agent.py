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
