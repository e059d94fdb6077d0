# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does, step by step.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Callable, Mapping

from .._core.deadline import Deadline
from .._core.errors import InvalidInput, NoSpaceToKeep, RestoreFailed
from .._core.plan import Action, Plan
from .._core.room import needed as room_needed
from .._docker import client as docker_client
from .._docker.exec import ask, raise_failure
from .info import Wish, complete, moment, position
from .one_off import OneOff, Place

_DO = {"restore": "restore", "drill": "restore", "set_aside": "aside", "finish": "finish", "forget": "forget"}
_NOTHING: Mapping[str, Any] = {"cluster": False, "incomplete": False, "kept": [], "bytes": 0}


def check(params: Mapping[str, Any]) -> None:
    """Whether the target can be understood, before anything is stopped or moved. Pure.

    :raises InvalidInput: when not.
    """
    wish = Wish(params["type"], params["target"])
    complete(wish)
    if wish.kind == "time":
        moment(wish.target or "")
    elif wish.kind == "lsn":
        position(wish.target or "")
    elif wish.kind == "xid" and not (wish.target or "").isdigit():
        raise InvalidInput(f"The transaction {wish.target!r} is no number.")
    if params["step"] == "restore" and not (params["config_volume"] or params["repository_container"]):
        raise InvalidInput("Where the backups are must be said: config_volume, or repository_container.")


def until(params: Mapping[str, Any]) -> str:
    """How far, in words. Pure."""
    words = {"default": "to the end of the archived log", "immediate": "until it is consistent"}
    kind = params["type"]
    side = "just before" if params["exclusive"] else "up to"
    return words.get(kind) or f"{side} the {'position' if kind == 'lsn' else kind} {params['target']}"


def room(params: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
    """Whether the backup fits beside what is there, before anything is stopped. Pure.

    :param seen: what is in the volume; ``free`` and ``bytes`` are bytes.
    :raises NoSpaceToKeep: when not.
    """
    if params["step"] != "restore" or "free" not in seen:
        return
    needed = room_needed(params["size"])
    free = seen["free"] + (seen["bytes"] if params["discard"] or seen["incomplete"] else 0)
    if needed > free:
        advice = "" if params["discard"] else (
            ", or agree to the loss of the present data: discard, or for the playbook restore_discard=<name of cluster>"
        )
        raise NoSpaceToKeep(
            f"The restore needs {needed >> 20} MiB in volume {params['volume']}, where {free >> 20} MiB are free; the"
            f" present data are kept until the restored cluster is well. Nothing was changed. Make room{advice}.",
            needed=needed, free=free,
        )


def plan(params: Mapping[str, Any], seen: Mapping[str, Any]) -> Plan:
    """What is to be done. Pure.

    :param seen: what is in the volume.
    """
    step, volume = params["step"], params["volume"]
    start = f"from {params['set']}" if params["set"] else "from the newest backup"
    if step == "drill":
        return Plan((Action("restore", f"stanza {params['stanza']}", f"{start}, {until(params)}, and throw it away"),))
    if step == "forget":
        return Plan((Action("remove", "the cluster from etcd", "its positions are of the future now"),))
    actions = []
    if step == "finish":
        actions = [Action("remove", f"{path} of volume {volume}") for path in seen["kept"]]
    else:
        if seen["incomplete"]:
            actions.append(Action("remove", f"the data folder of volume {volume}", "a restore of before was cut off"))
        elif seen["cluster"] and params["discard"]:
            actions.append(Action("remove", f"the data folder of volume {volume}", "as agreed"))
        elif seen["cluster"]:
            actions.append(Action("keep", f"the data folder of volume {volume}", "aside, until the cluster is well"))
        if step == "restore":
            why = f"stanza {params['stanza']}, {start}, {until(params)}"
            actions.append(Action("restore", f"volume {volume}", why))
    before = {"cluster": seen["cluster"], "kept": len(seen["kept"])}
    after = {"cluster": until(params) if step == "restore" else seen["cluster"] and step == "finish", "kept": None}
    if step == "finish" or seen["incomplete"] or params["discard"]:
        after["kept"] = 0 if step == "finish" else before["kept"]
    else:
        after["kept"] = before["kept"] + int(bool(seen["cluster"]))
    return Plan(tuple(actions), before, after)


def mark(params: Mapping[str, Any], deadline: Deadline) -> bool:
    """Have the server in a container commit something, so that the present time can be restored to; whether it has."""
    client = docker_client.connect(params, deadline)
    try:
        answer = ask(client, params["name"], {"command": "mark"}, deadline)
    finally:
        client.close()
    raise_failure(answer)
    return bool(answer["result"]["marked"])


class Work:
    """The restore of one volume.

    :param params: module parameters.
    :param warn: takes a sentence for the person who asked for it.
    """

    def __init__(self, params: Mapping[str, Any], deadline: Deadline, warn: Callable[[str], None]) -> None:
        self._params = params
        self._warn = warn
        self._place = Place(
            name=params["name"],
            image=params["image"],
            volume=params["volume"] if params["step"] not in ("drill", "forget") else None,
            config=params["config_volume"],
            repository=params["repository_container"],
            network=params["network"],
        )
        self._client = docker_client.connect(params, deadline)
        self._deadline = deadline

    def look(self) -> dict[str, Any]:
        """What is in the volume; nothing is changed, and no volume is made."""
        place = Place(self._place.name, self._place.image, self._place.volume, network="none")
        looking = OneOff(self._client, place, self._deadline, self._warn)
        if not looking.volume_exists():
            return dict(_NOTHING)
        return looking.ask({"do": "look", "pgdata": self._params["pgdata"]})

    def do(self, seen: Mapping[str, Any]) -> dict[str, Any]:
        """Do it; what came of it.

        :param seen: what was in the volume before.
        """
        params = self._params
        wanted = (
            "pgdata", "stanza", "type", "target", "exclusive", "timeline", "set", "repository", "archived", "size",
            "discard", "superuser", "settings",
        )
        message: dict[str, Any] = {name: params[name] for name in wanted}
        message["do"] = _DO[params["step"]]
        message["source"] = "repository" if params["repository_container"] else "node"
        message["clustered"] = params["clustered"]
        if params["step"] == "drill":
            checks = {name: params[name] for name in ("amcheck", "checksums", "assertions")}
            message.update(throw_away=True, checks=checks)
        try:
            return OneOff(self._client, self._place, self._deadline, self._warn).ask(message)
        except RestoreFailed as error:
            if params["step"] == "restore":
                error.message = f"{error.message.rstrip('. ')}. {_after_a_failure(params, seen)}"
                error.args = (error.message,)
            raise


def _after_a_failure(params: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """What has become of the data, and what to do."""
    again = "Restore again, to another target or from another backup (for the playbook: restore_set)"
    if (seen["cluster"] and not params["discard"]) or seen["kept"]:
        return (
            f"The server stays stopped; its data of before are in .howdah-kept/ of volume {params['volume']}, those of"
            f" replicas in their volumes. {again}, or take them back (docs/backup.md, When a restore has failed)."
        )
    return f"The server stays stopped. {again}."
