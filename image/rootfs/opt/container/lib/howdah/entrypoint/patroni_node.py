# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user says of a member of a cluster: Patroni's own variables, and the node's file."""
from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import dataclass, field
from glob import glob
from typing import Any, Mapping

from .environment import Settings
from .faults import Fault
from .patroni_files import REPLICATOR, REST_PORT, REWINDER, SHARED_SETTINGS, merge

FOLDER = "/etc/howdah"
FILE = f"{FOLDER}/patroni.yml"
# Passwords that members log in to each other with, where they do: apart, so that the other file can be shown.
MEMBERS_FILE = f"{FOLDER}/members.yml"
TLS = f"{FOLDER}/tls"
_PACKAGES = "/opt/container/venv/lib/python3*/site-packages"

# Variables of Patroni's that would get in the way of what the image decides → what to do.
_REFUSED = {
    "PATRONI_CONFIGURATION": f"Use other variables of Patroni's, or the file {FILE}.",
    "PATRONI_POSTGRESQL_DATA_DIR": "Set PGDATA.",
    "PATRONI_POSTGRESQL_CONFIG_DIR": "Remove it.",
    "PATRONI_POSTGRESQL_BIN_DIR": "Remove it.",
    "PATRONI_POSTGRESQL_PGPASS": "Remove it.",
    "PATRONI_LOGLEVEL": "Set LOG_LEVEL.",
    "PATRONI_LOGFORMAT": "Remove it.",
    "PATRONI_LOG_DATEFMT": "Remove it.",
    "PATRONI_LOG_LEVEL": "Set LOG_LEVEL.",
    "PATRONI_LOG_TYPE": "Remove it.",
    "PATRONI_LOG_FORMAT": "Remove it.",
    "PATRONI_LOG_DATEFORMAT": "Remove it.",
    "PATRONI_LOG_STATIC_FIELDS": "Remove it.",
    "PATRONI_LOG_DIR": "Remove it.",
}
_STORES = ("etcd3", "consul", "kubernetes", "zookeeper", "exhibitor", "raft")
_WHERE = ("HOST", "HOSTS", "URL", "PROXY", "SRV")


@dataclass(frozen=True)
class Role:
    """What members log in to each other as.

    :param options: of CREATE ROLE.
    """

    name: str
    password: str | None
    options: str


@dataclass(frozen=True)
class Member:
    """What was found.

    :param scope: the cluster's name; empty when it is missing.
    :param name: the member's name; empty when it is missing.
    :param store: where members meet, by Patroni's name of the section; empty when it is missing.
    :param rest: host:port under which this very node reaches its REST interface.
    :param tls: the folder with the certificate; None without one.
    :param roles: that a new cluster needs for its members.
    :param citus: whether it is a node of a Citus formation.
    """

    scope: str
    name: str
    store: str
    rest: str
    tls: str | None
    roles: tuple[Role, ...] = ()
    citus: bool = False
    faults: tuple[Fault, ...] = field(default=())
    warnings: tuple[Fault, ...] = field(default=())


def read(
    environ: Mapping[str, str], settings: Settings, file: str = FILE, tls: str = TLS, members: str = MEMBERS_FILE
) -> Member:
    """Look at all of it, and collect what is wrong."""
    content, faults = _load(file)
    passwords, members_faults = _load(members)
    found_tls, tls_faults = _certificate(tls)
    return understand(
        environ, settings, merge(content, passwords), found_tls, [*faults, *members_faults, *tls_faults]
    )


def understand(
    environ: Mapping[str, str], settings: Settings, content: Mapping[str, Any], tls: str | None, faults: list[Fault]
) -> Member:
    """The member, from what was read. Pure.

    :param content: of the node's file.
    :param tls: the folder with the certificate, if there is one.
    :param faults: what was wrong already.
    """
    faults = [*faults, *_refused(environ), *_unusable(settings)]
    effective = merge(content, _from_environment(environ))
    # With faults in the file it would be wrong to say that something is missing.
    complete = not faults
    scope, name = (str(effective.get(key) or "") for key in ("scope", "name"))
    store = next((one for one in _STORES if effective.get(one)), "")
    if "etcd" in effective:
        faults.append(
            _fault("etcd's first interface is gone since etcd 3.4. Use PATRONI_ETCD3_… or the section `etcd3`.")
        )
    elif complete:
        for word, value, example in (
            ("the cluster's name", scope, "PATRONI_SCOPE or `scope`"),
            ("this member's name", name, "PATRONI_NAME or `name`"),
            ("where etcd is", store, "PATRONI_ETCD3_HOSTS or `etcd3`"),
        ):
            if not value:
                faults.append(_fault(f"Patroni must know {word}: set {example} (a variable, or in {FILE})."))
    faults += _citus(effective)
    rest = _section(effective, "restapi").get("listen") or f"*:{REST_PORT}"
    doubts = tuple(_doubts(effective, settings, tls))
    citus = "citus" in effective
    return Member(scope, name, store, _own(str(rest)), tls, _roles(effective), citus, tuple(faults), doubts)


def _citus(effective: Mapping[str, Any]) -> list[Fault]:
    """What Patroni would take for no Citus at all, without a word."""
    if "citus" not in effective:
        return []
    section = _section(effective, "citus")
    group, database = section.get("group"), section.get("database")
    if isinstance(group, int) and not isinstance(group, bool) and group >= 0 and database and isinstance(database, str):
        return []
    return [
        _fault(
            "The section `citus` (or PATRONI_CITUS_GROUP and PATRONI_CITUS_DATABASE) must have a `group`, a number from"
            " 0 on, and a `database`, its name. Correct it."
        )
    ]


def _roles(effective: Mapping[str, Any]) -> tuple[Role, ...]:
    authentication = _section(_section(effective, "postgresql"), "authentication")
    found = []
    for section, usual, options in (("replication", REPLICATOR, "LOGIN REPLICATION"), ("rewind", REWINDER, "LOGIN")):
        given = _section(authentication, section)
        password = given.get("password")
        found.append(Role(str(given.get("username") or usual), str(password) if password else None, options))
    return tuple(found)


def _load(path: str) -> tuple[dict[str, Any], list[Fault]]:
    """The node's file; empty when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is not UTF-8"
        return {}, [_fault(f"{path} cannot be read: {reason}. Let user {os.geteuid()} read it.")]
    try:
        content = json.loads(text)
    except ValueError:
        content, mistake = _yaml(text)
        if mistake:
            return {}, [_fault(f"{path} is no valid YAML: {mistake}. Correct it.")]
    if not isinstance(content, dict):
        return {}, [_fault(f"{path} must hold a mapping of Patroni's settings. Correct it, or remove it.")]
    return content, []


def _yaml(text: str) -> tuple[Any, str]:
    """What a file says, and what is wrong with it."""
    sys.path.extend(glob(_PACKAGES))
    import yaml

    try:
        return yaml.safe_load(text), ""
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be understood"
        return None, f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else str(problem)


def _certificate(folder: str) -> tuple[str | None, list[Fault]]:
    """The folder, if it holds a certificate, and what is wrong with it."""
    if not os.path.exists(f"{folder}/node.crt"):
        return None, []
    faults = []
    try:
        status = os.stat(f"{folder}/node.key")
        if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            faults.append(
                _fault(
                    f"{folder}/node.key has mode {mode:04o} and belongs to user {status.st_uid}; PostgreSQL wants it "
                    f"closed to all others. Run chown {os.geteuid()} and chmod 0600 on it."
                )
            )
        import ssl

        ssl.create_default_context(cafile=f"{folder}/ca.crt").load_cert_chain(
            f"{folder}/node.crt", f"{folder}/node.key"
        )
    except OSError as error:  # those of TLS are of this kind, too
        if isinstance(error, FileNotFoundError):
            reason = "ca.crt, node.crt and node.key must all be there"
        else:
            reason = (error.strerror or str(error)).strip("[]")
        faults.append(_fault(f"The certificate in {folder} cannot be used: {reason}. Correct it, or remove node.crt."))
    return folder, faults


def _refused(environ: Mapping[str, str]) -> list[Fault]:
    return [
        _fault(f"{name} is set, which this image decides. {advice}")
        for name, advice in _REFUSED.items()
        if name in environ
    ]


def _unusable(settings: Settings) -> list[Fault]:
    """What works in the mode postgres, and cannot here."""
    faults = []
    if settings.waldir:
        faults.append(
            _fault("POSTGRES_INITDB_WALDIR does not work in the mode patroni: every new member copies the leader.")
        )
    if '"' in settings.user:
        faults.append(_fault("POSTGRES_USER holds a double quote, which does not work in the mode patroni. Change it."))
    for argument in settings.initdb_args:
        if not argument.startswith("--"):
            faults.append(
                _fault(f"POSTGRES_INITDB_ARGS has {argument!r}: the mode patroni takes long forms only (--name=value).")
            )
    return faults


def _doubts(effective: Mapping[str, Any], settings: Settings, tls: str | None) -> list[Fault]:
    warnings = [
        Fault(
            "shared_setting",
            f"POSTGRESQL_CONFIG_{name.upper()} has no effect: all members of a cluster must agree on {name}. "
            "Set it in the cluster's dynamic configuration.",
        )
        for name in sorted(SHARED_SETTINGS.intersection(settings.config))
    ]
    authentication = _section(_section(effective, "postgresql"), "authentication")
    if tls is None and not _section(authentication, "replication").get("password"):
        warnings.append(
            Fault(
                "no_replication",
                f"There is no certificate in {TLS}, and no PATRONI_REPLICATION_PASSWORD: nobody can copy the leader.",
            )
        )
    return warnings


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """What matters here of Patroni's variables, in the form of the file."""
    content: dict[str, Any] = {}
    for key, variable in (("scope", "PATRONI_SCOPE"), ("name", "PATRONI_NAME")):
        if environ.get(variable):
            content[key] = environ[variable]
    if environ.get("PATRONI_RESTAPI_LISTEN"):
        content["restapi"] = {"listen": environ["PATRONI_RESTAPI_LISTEN"]}
    group, database = environ.get("PATRONI_CITUS_GROUP"), environ.get("PATRONI_CITUS_DATABASE")
    if group or database:
        content["citus"] = {
            **({"group": int(group) if group.isdecimal() else group} if group else {}),
            **({"database": database} if database else {}),
        }
    authentication = {
        section: {
            key: environ[f"PATRONI_{section.upper()}_{key.upper()}"]
            for key in ("username", "password")
            if environ.get(f"PATRONI_{section.upper()}_{key.upper()}")
        }
        for section in ("replication", "rewind")
    }
    content["postgresql"] = {"authentication": authentication}
    for store in (*_STORES, "etcd"):
        if any(environ.get(f"PATRONI_{store.upper()}_{suffix}") for suffix in _WHERE):
            content[store] = {"environment": True}
    return content


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def _own(listen: str) -> str:
    """Where a listener can be reached from within."""
    host, _colon, port = listen.rpartition(":")
    return f"{'127.0.0.1' if host in ('', '*', '0.0.0.0', '[::]', '::') else host}:{port}"


def _fault(message: str) -> Fault:
    return Fault("patroni", message)
