# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that tell Patroni how to behave. Pure.

Patroni merges the files of one folder in the order of their names: our defaults, what the node's own
file says, what the image decides. Patroni's own environment variables are stronger than all of them.
All are rendered as data: JSON is YAML.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from . import config
from .environment import Settings

REPLICATOR = "replicator"
REWINDER = "rewinder"
MEMBERS = "members"
# Map of pg_ident.conf for the container itself, which is a member without any password or certificate.
OWN = "own"
REST_PORT = 8008
SERVER_PORT = 5432

# LOG_LEVEL → Python's name of it.
_LEVELS = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "ERROR": "ERROR"}

# As short as Patroni's rules allow (a lease of at least 20 s, loop_wait + 2 * retry_timeout within it): a leader that
# vanished is replaced when its lease ends.
TIMINGS = {"ttl": 20, "loop_wait": 5, "retry_timeout": 7}

# Only the cluster's dynamic configuration may set these: they must be the same on all members.
SHARED_SETTINGS = frozenset(
    "max_connections max_locks_per_transaction max_worker_processes max_prepared_transactions wal_level "
    "track_commit_timestamp max_wal_senders max_replication_slots wal_keep_segments wal_keep_size wal_log_hints "
    "hot_standby cluster_name".split()
)


@dataclass(frozen=True)
class Node:
    """What the files are made from.

    :param settings: the environment, understood.
    :param pgdata: the cluster's directory.
    :param major: of the server.
    :param libraries: names of the libraries that may be loaded unasked.
    :param name: of the member.
    :param tls: the folder of ca.crt, node.crt and node.key; None without certificates.
    :param etcd3: whether the members meet in etcd.
    :param run: the folder for files of this run.
    :param sockets: the folder of the server's Unix socket.
    """

    settings: Settings
    pgdata: str
    major: str
    libraries: tuple[str, ...]
    name: str
    tls: str | None
    etcd3: bool
    run: str
    sockets: str


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two files as Patroni merges them: mappings by their keys, null removes, all else replaces."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(known, Mapping):
            merged[key] = merge(known, value)
        else:
            merged[key] = value
    return merged


def text(content: Mapping[str, Any]) -> str:
    """A file, as it is written."""
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def defaults(node: Node) -> dict[str, Any]:
    """The first file: what holds unless the node's own file says otherwise."""
    content: dict[str, Any] = {
        "name": node.name,
        "restapi": {"listen": f"*:{REST_PORT}", "connect_address": f"{node.name}:{REST_PORT}"},
        "log": {"level": _LEVELS[node.settings.log_level], "deduplicate_heartbeat_logs": True},
        "bootstrap": {"dcs": _dynamic(node), "initdb": _initdb(node)},
        "postgresql": {
            "listen": f"*:{SERVER_PORT}",
            "connect_address": f"{node.name}:{SERVER_PORT}",
            "use_pg_rewind": True,
            # Its rows that nobody else has are lost either way, and without this it waits for a person.
            "remove_data_directory_on_rewind_failure": True,
            "basebackup": [{"checkpoint": "fast"}],  # not after minutes, when the next one is due
            "authentication": {
                "superuser": {"username": node.settings.user},
                "replication": {"username": REPLICATOR},
                "rewind": {"username": REWINDER},
            },
            "pg_hba": pg_hba(node),
            "pg_ident": pg_ident(node),
            "parameters": {"log_min_messages": config.MIN_MESSAGES[node.settings.log_level]},
        },
    }
    if "pg_stat_monitor" in node.libraries:
        # By default it keeps the text of ALTER ROLE … PASSWORD, and literals, for all to read.
        content["postgresql"]["parameters"].update(
            {"pg_stat_monitor.pgsm_track_utility": "off", "pg_stat_monitor.pgsm_normalized_query": "on"}
        )
    return merge(content, _certificates(node)) if node.tls else content


def decisions(node: Node) -> dict[str, Any]:
    """The last file: what the image insists on."""
    settings = node.settings
    parameters = {
        name: config.preload(node.libraries, value) if name == "shared_preload_libraries" else value
        for name, value in settings.config.items()
    }
    parameters.update(config.logging_settings(f"{node.run}/log"))
    return {
        "bootstrap": {"post_bootstrap": "/opt/container/bin/post-bootstrap"},
        "log": {
            "type": "json",
            # The log pump makes lines of our own form of these.
            "format": ["created", "levelname", "module", "message"],
            "dateformat": None,
            "static_fields": None,
            "dir": None,
        },
        "postgresql": {
            "data_dir": node.pgdata,
            "config_dir": None,
            "bin_dir": f"/usr/lib/postgresql/{node.major}/bin",
            # initdb and pg_basebackup run under the journal: what is half made at a kill is made anew.
            "bin_name": {
                "postgres": "/opt/container/bin/server",
                **{name: f"/opt/container/bin/{name}" for name in ("initdb", "pg_basebackup")},
            },
            "pgpass": f"{node.run}/pgpass",
            "use_unix_socket": True,
            # What has been restored, and is alone, may know another password of this role than Patroni has by now; and
            # it has to ask its own server for the timeline before it can lead, and be told the password.
            "use_unix_socket_repl": True,
            "parameters": {**parameters, "unix_socket_directories": node.sockets},
        },
    }


def preloadable(installed: Iterable[str], formation: bool) -> tuple[str, ...]:
    """The libraries that may be loaded unasked.

    Citus raises ``max_prepared_transactions`` by itself when it is loaded. Patroni expects that in a formation only;
    elsewhere it would take it for a setting that waits for a restart, after every restart again.

    :param formation: whether it is a node of a Citus formation.
    """
    return tuple(name for name in installed if formation or name != "citus")


def _dynamic(node: Node) -> dict[str, Any]:
    """The first dynamic configuration of a new cluster."""
    return {
        **TIMINGS,
        "failsafe_mode": True,
        # Any one of the standbys confirms each commit; a member that is alone goes on without.
        "synchronous_mode": "quorum",
        "postgresql": {
            "use_slots": True,
            "use_pg_rewind": True,
            "parameters": {
                "shared_preload_libraries": config.preload(node.libraries, None),
                # A standby that finds its new leader not ready yet: after 5 s, the default, commits would still hang.
                "wal_retrieve_retry_interval": "500ms",
            },
        },
    }


def _initdb(node: Node) -> list[Any]:
    """Arguments of initdb, as Patroni wants them: a later one of the same name wins."""
    locale: list[Any] = [{"locale": "C.UTF-8"}]
    if int(node.major) >= 17:
        locale = [{"locale-provider": "builtin"}, {"builtin-locale": "C.UTF-8"}, *locale]
    words = [argument[2:] for argument in node.settings.initdb_args]
    if any(argument.startswith(config.LOCALE_ARGUMENTS) for argument in node.settings.initdb_args):
        locale = []
    given = [{word.partition("=")[0]: word.partition("=")[2]} if "=" in word else word for word in words]
    ours = [{"encoding": "UTF8"}, *locale, "data-checksums", {"auth-host": "scram-sha-256"}, {"auth-local": "peer"}]
    return [*ours, *given]


def pg_hba(node: Node) -> list[str]:
    """Who may log in, and how: members by certificate where there are any, else by the password that they have."""
    user_map = "" if node.settings.user == config.OS_USER else f" map={config.IDENT_MAP}"
    local = [
        f"local all all peer{user_map}",
        f"local replication {REPLICATOR} peer map={OWN}",
        f"local replication all peer{user_map}",
    ]
    if node.tls:
        by_certificate = f"cert map={MEMBERS}"
        return [
            *local,
            f"hostssl replication {REPLICATOR} all {by_certificate}",
            f"hostssl all {REWINDER} all {by_certificate}",
            f"hostssl all all all {node.settings.host_auth_method}",
        ]
    return [
        *local,
        f"host replication {REPLICATOR} all scram-sha-256",
        f"host all {REWINDER} all scram-sha-256",
        f"host all all all {node.settings.host_auth_method}",
    ]


def pg_ident(node: Node) -> list[str]:
    """Which names may be which roles. The node's own file names the members one by one."""
    role = node.settings.user.replace('"', '""')
    lines = [f'{config.IDENT_MAP} {config.OS_USER} "{role}"', f"{OWN} {config.OS_USER} {REPLICATOR}"]
    if node.tls:
        lines += [f"{MEMBERS} /^(.+)$ {role}" for role in (REPLICATOR, REWINDER)]
    return lines


def _certificates(node: Node) -> dict[str, Any]:
    """All by certificate: REST, etcd, replication, rewind; clients of the server get TLS."""
    ca, certificate, key = (f"{node.tls}/{name}" for name in ("ca.crt", "node.crt", "node.key"))
    member = {"sslmode": "verify-ca", "sslrootcert": ca, "sslcert": certificate, "sslkey": key}
    content: dict[str, Any] = {
        "restapi": {"certfile": certificate, "keyfile": key, "cafile": ca, "verify_client": "required"},
        "ctl": {"cacert": ca, "certfile": certificate, "keyfile": key},
        "postgresql": {
            "authentication": {"replication": member, "rewind": member},
            "parameters": {"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key, "ssl_ca_file": ca},
        },
    }
    if node.etcd3:
        content["etcd3"] = {"protocol": "https", "cacert": ca, "cert": certificate, "key": key}
    return content
