# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the agent of the password engine for whoever may exec into the container.

An exec gets the container's environment; the agent itself gets only what it needs.
"""
from __future__ import annotations

import os

from . import question, runtime

_PYTHON = "/opt/container/venv/bin/python"
_PROGRAM = (
    "import sys; sys.path.insert(0, '/opt/container/lib'); from howdah._postgres.agent import main; sys.exit(main())"
)


def main(_arguments: list[str]) -> int:
    """Become the agent; it answers an error of its own when there is no server."""
    environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    state = runtime.read_state()
    if state is not None:
        environ["POSTGRES_USER"] = state.user
        environ.update(PATRONI_REST=state.rest, PATRONI_TLS=state.tls)
        server = question.running(state.pgdata)
        if server is not None:
            environ.update(PGHOST=server.socket_dir, PGPORT=str(server.port))
    os.execve(_PYTHON, [_PYTHON, "-I", "-c", _PROGRAM], environ)
