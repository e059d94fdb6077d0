# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode patroni: the server belongs to Patroni, which belongs to the log pump, which belongs to the init."""
from __future__ import annotations

import json
import os
from typing import Any, Mapping, Sequence

from . import config, patroni_files, patroni_node, run_state, runtime
from .environment import Settings
from .layout import Layout
from .logs import Log

DIRECTORY = f"{run_state.DIRECTORY}/patroni"


def prepare(
    settings: Settings, member: patroni_node.Member, place: Layout, major: str, again: bool, log: Log
) -> list[str]:
    """Write what Patroni reads; its command, under the pump.

    :param again: whether a start with an empty volume was interrupted before.
    """
    node = patroni_files.Node(
        settings=settings,
        pgdata=place.pgdata,
        major=major,
        libraries=patroni_files.preloadable(runtime.libraries(major), member.citus),
        name=member.name,
        tls=member.tls,
        etcd3=member.store == "etcd3",
        run=run_state.DIRECTORY,
        sockets=run_state.SOCKETS,
    )
    os.mkdir(DIRECTORY, 0o700)
    _write(f"{DIRECTORY}/10-image.yml", patroni_files.text(patroni_files.defaults(node)))
    os.symlink(patroni_node.FILE, f"{DIRECTORY}/50-node.yml")
    # Patroni passes it over as long as there is none, and reads it when it is told to reload.
    os.symlink(patroni_node.MEMBERS_FILE, f"{DIRECTORY}/60-members.yml")
    _write(f"{DIRECTORY}/90-image.yml", patroni_files.text(patroni_files.decisions(node)))
    _write(runtime.ARGUMENTS, "".join(f"{word}\n" for word in config.words(config.logging_settings(runtime.LOGS))))
    _write(runtime.BOOTSTRAP, json.dumps(bootstrap_request(settings, member.roles)))
    run_state.write(
        run_state.State("patroni", place.pgdata, settings.user, rest=member.rest, tls=member.tls or "")
    )
    log.info("start", f"Starting Patroni as {member.name!r} of the cluster {member.scope!r}.")
    sieve = f"{runtime.LOGS}/{config.JSON_LOG}" if config.hides_news(settings.log_level) else ""
    before = [f"{runtime.BIN}/before-patroni", settings.log_level, member.name, DIRECTORY]
    return [
        *(f"{runtime.BIN}/log-pump", settings.log_level, "patroni", f"{runtime.LOGS}/{config.RAW_LOG}", sieve),
        *(before if again and member.store == "etcd3" else ()),
        *(f"{runtime.BIN}/patroni-daemon", DIRECTORY),
    ]


def bootstrap_request(settings: Settings, roles: Sequence[patroni_node.Role] = ()) -> Mapping[str, Any]:
    """What is left to do by whoever makes the cluster, once its server runs. Pure.

    :param roles: of the members.
    """

    def verifier(password: str | None) -> str | None:
        if password is None:
            return None
        from .._postgres.scram import Verifier

        return str(Verifier.derive(password))

    return {
        "role": settings.user,
        "verifier": settings.password if settings.password_is_verifier else verifier(settings.password),
        "members": [
            {"role": role.name, "verifier": verifier(role.password), "options": role.options}
            for role in roles
            if role.name != settings.user
        ],
        "database": settings.database,
        "timeout": settings.timeout_change_password,
        "level": settings.log_level,
    }


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
