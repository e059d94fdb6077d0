# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the agent of the password engine for whoever may exec into the container.

An exec gets the container's environment; the agent itself gets only what it needs.
"""
from __future__ import annotations

import os
import sys

from . import question, run_state

# Where its driver is. It runs in the interpreter that has started here: another one would take as long again.
_PACKAGES = f"/opt/container/venv/lib/python3.{sys.version_info.minor}/site-packages"


def main(_arguments: list[str]) -> int:
    """Be the agent; it answers an error of its own when there is no server."""
    environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    told = run_state.read()
    if told is not None:
        environ.update(POSTGRES_USER=told.user, PATRONI_REST=told.rest, PATRONI_TLS=told.tls)
        server = question.running(told.pgdata)
        if server is not None:
            environ.update(PGHOST=server.socket_dir, PGPORT=str(server.port))
    # Of the process itself, too: libpq and OpenSSL look there.
    os.environ.clear()
    os.environ.update(environ)
    sys.path.append(_PACKAGES)

    from .._postgres.agent import main as answer

    return answer()
