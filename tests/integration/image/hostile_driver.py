# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a container that serves: the entrypoint's own functions, once for each value of POSTGRES_PASSWORD.

A start of a container for each would take a minute, and so would an interpreter for each process that a start leaves
its work to. What is left out has no part in passwords.
Reads /tmp/passwords.json, prints a list with one object a password.
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, "/opt/container/lib")

import psycopg2
from howdah._postgres.scram import Verifier
from howdah.entrypoint import command, environment, follow_up, layout, record, run_state, runtime
from howdah.entrypoint import main as entrypoint
from howdah.entrypoint.initialise import Initialiser
from howdah.entrypoint.logs import Log


def fork(_program: str, _arguments: list[str], files: dict[int, int]) -> int:
    """What runtime.spawn does for the follow-up, without a new interpreter: the request comes through its pipe."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(files[0], 0)
            status = follow_up.main([])
        finally:
            os._exit(status)
    return child


runtime.spawn = fork


def start(password: str) -> bool:
    """A start on a cluster that exists, as far as passwords go; whether it changed anything."""
    os.environ["POSTGRES_PASSWORD"] = password
    environ = dict(os.environ)
    reading = environment.read(environ)
    assert reading.faults == (), reading.faults
    place = layout.place(run_state.read().pgdata)
    started = entrypoint._Start(environ, command.parse([]), Log())
    started._settings, started._layout = reading.settings, place
    before = record.read(place.pgdata)
    started._follow_up()
    _pid, status = os.wait()
    assert status == 0
    return record.read(place.pgdata) != before


def lets_in(password: str) -> bool:
    try:
        psycopg2.connect(host="127.0.0.1", user="postgres", password=password).close()
    except psycopg2.OperationalError as error:
        assert "password authentication failed" in str(error)
        return False
    return True


def at_initialisation(password: str) -> bool:
    """Whether a new cluster would be given a verifier of the password."""
    settings = environment.read({"POSTGRES_PASSWORD": password}).settings
    maker = Initialiser(settings, layout.place("/nowhere"), "15", {}, Log(), 0)
    verifier = Verifier.parse(maker._verifier(settings.password))
    return verifier is not None and verifier.matches(password) and not verifier.matches(password + "x")


def main() -> None:
    with open("/tmp/passwords.json", encoding="ascii") as file:
        passwords = json.load(file)
    answers = []
    for password in passwords:
        answer = {"changed": start(password), "lets_in": lets_in(password)}
        answer["keeps_out"] = not lets_in(password + "x") and not lets_in("x" + password)
        answer["changed_again"] = start(password)
        answer["recorded"] = record.read(run_state.read().pgdata).role == "postgres"
        answer["initialised"] = at_initialisation(password)
        answers.append(answer)
    with open("/tmp/answers.json", "w", encoding="ascii") as file:
        json.dump(answers, file)


main()
