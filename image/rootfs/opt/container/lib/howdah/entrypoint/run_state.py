# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the entrypoint tells other processes in the container of this run.

The agent and the health check read it. As they start often, they load nothing that they can do without; in particular
the classes of what they load are tuples, because loading `dataclasses` alone takes as long as starting Python.
"""
from __future__ import annotations

import json
import os
from typing import NamedTuple

SOCKETS = "/run/postgresql"
DIRECTORY = f"{SOCKETS}/howdah"
PASSWORD_STATE = f"{DIRECTORY}/password.json"
# Made by the first good probe. Crash recovery afterwards must not get the container killed.
WAS_READY = f"{DIRECTORY}/was-ready"
_FILE = f"{DIRECTORY}/state.json"


class State(NamedTuple):
    """What other processes in the container must know of this run.

    :param mode: the container's mode.
    :param pgdata: the cluster's directory.
    :param user: the superuser.
    :param rest: host:port of Patroni's REST interface, as it is reached from within; empty without Patroni.
    :param tls: the folder of the member's certificate; empty without one.
    """

    mode: str
    pgdata: str
    user: str
    rest: str = ""
    tls: str = ""


def write(state: State) -> None:
    """Tell them."""
    put(_FILE, state._asdict())


def put(path: str, entry: dict[str, str]) -> None:
    """Write a file of JSON that others read at any moment: they find the former one, or this one."""
    temporary = path + ".new"
    with open(temporary, "w", encoding="ascii") as file:
        json.dump(entry, file)
    os.replace(temporary, path)


def read() -> State | None:
    """What the entrypoint told; None as long as it has not."""
    try:
        with open(_FILE, encoding="ascii") as file:
            return State(**json.load(file))
    except (FileNotFoundError, PermissionError):
        return None
