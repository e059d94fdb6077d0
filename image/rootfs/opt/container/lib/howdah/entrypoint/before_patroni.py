# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before Patroni starts again on an empty volume: nobody must wait for a cluster that nobody makes.

Whoever is to make a cluster writes an empty key ``initialize`` first. If it is killed then, the key stays, and all
members wait for it, itself included. So a member whose first start was interrupted takes the key away, if it stays
empty and no other member is at work for longer than it takes a live one to say so. For etcd's third interface only.
"""
from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Any, Iterable, NoReturn

from patroni.config import Config
from patroni.dcs import get_dcs
from patroni.dcs.etcd3 import Etcd3, etcd
from patroni.exceptions import DCSError

from .logs import Log

# Patroni itself waits for etcd, and for others, without end; and says so.
_LONGEST = 90
_PAUSE = 1.0
# Rounds in which a live member would have said what it does; and seconds more.
_ROUNDS, _MORE = 2, 2.0
_IDLE = "stopped"
# Of a single question, and of what Patroni itself has tried for some time.
_FAILURES = (etcd.EtcdException, DCSError)


def main(arguments: list[str]) -> int:
    """``before-patroni LEVEL NAME FOLDER PROGRAM…``: look, and become Patroni."""
    level, name, folder, *command = arguments
    environ = dict(os.environ)  # Patroni takes its variables out of it

    def go_on(_number: int, _frame: FrameType | None) -> NoReturn:
        os.execve(command[0], command, environ)

    signal.signal(signal.SIGALRM, go_on)
    signal.alarm(_LONGEST)
    log = Log(level, "patroni")
    try:
        config = Config(folder)
        store = get_dcs(config)
        if isinstance(store, Etcd3):
            # There is no dynamic configuration before there is a cluster.
            first = (config.get("bootstrap") or {}).get("dcs") or {}
            _settle(store, name, first.get("loop_wait", config["loop_wait"]) * _ROUNDS + _MORE, log)
    except _FAILURES as error:
        _complain(log, error)
    signal.alarm(0)
    os.execve(command[0], command, environ)


def _settle(store: Etcd3, name: str, patience: float, log: Log) -> None:
    """Take the key away if it stays as it is, and nobody is at work; return once that is clear.

    A question that fails is asked again, of the next of etcd's members: the client goes on to it by itself.

    :param patience: seconds.
    """
    since, seen, complained = time.monotonic(), None, False
    while True:
        try:
            revision, others = _look(store, name)
            if revision is None:
                return
            if seen != revision or others:
                since, seen = time.monotonic(), revision
            elif time.monotonic() - since >= patience:
                _abandon(store, revision, log)
                return
        except _FAILURES as error:
            seen = None  # others may have been unable to say what they do for as long
            if not complained:
                _complain(log, error)
            complained = True
        time.sleep(_PAUSE)


def _look(store: Etcd3, name: str) -> tuple[str | None, bool]:
    """The revision of the key, None when it is no reason to wait; and whether any other member is at work."""
    key = _key(store)
    if key is None or key[1]:
        return None, False  # there is no cluster yet, or there is one
    cluster = store.get_cluster()
    if cluster.leader is not None and cluster.leader.name:
        return None, False
    return key[0], busy(((member.name, member.data.get("state")) for member in cluster.members), name)


def _abandon(store: Etcd3, revision: str, log: Log) -> None:
    """Take the key away, but only if it is still the same one: somebody else may just have begun."""
    store._client.deleterange(store.initialize_path, mod_revision=revision)  # no public way knows of revisions
    log.warn("bootstrap_abandoned", "Nobody finishes the cluster that was begun: it is begun anew.")


def _complain(log: Log, error: Exception) -> None:
    log.warn("store_unreachable", f"etcd does not answer: {error}")


def _key(store: Etcd3) -> tuple[str, str] | None:
    """Revision and value of the key ``initialize``."""
    found: list[dict[str, Any]] = store._client.range(store.initialize_path, serializable=False).get("kvs", [])
    return (found[0]["mod_revision"], found[0].get("value", "")) if found else None


def busy(states: Iterable[tuple[str, Any]], name: str) -> bool:
    """Whether any member but this one does anything but wait. Pure."""
    return any(state != _IDLE for member, state in states if member != name)
