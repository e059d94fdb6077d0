# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done to a container: decided here, from the wish and what there is, and nowhere else.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Any, Mapping

from .._core.errors import ContainerNotFound, DriftRefused, InvalidInput, VolumeInUse
from .._core.plan import Action, Plan
from . import fields
from .observe import Container, Observed, Surroundings
from .spec import ContainerSpec, Wish, asked_differently

# Where a secret is, or how long its change may take, is none.
_SECRET_NAME = re.compile(
    r"(?!TIMEOUT_|.*_FILE$|.*_TIMEOUT$).*(?:PASS|SECRET|TOKEN|KEY|CREDENTIAL|VERIFIER)", re.IGNORECASE | re.DOTALL
)
_HIDDEN = "<hidden>"
_LONGEST_SHOWN = 100  # characters

# The verbs of actions: what container_apply.py knows to do.
CREATE_NETWORK = "create network"
CREATE_VOLUME = "create volume"
REMOVE_VOLUME = "remove volume"
REMOVE_NETWORK = "remove network"
CREATE = "create container"
RECREATE = "recreate container"
UPDATE = "update container"
CONNECT = "connect network"
DISCONNECT = "disconnect network"
START = "start container"
STOP = "stop container"
RESTART = "restart container"
UNPAUSE = "unpause container"
REMOVE = "remove container"
RESTORE = "restore container"
# What containers of one call may have in common.
REMOVALS = frozenset({REMOVE_VOLUME, REMOVE_NETWORK})
SHARED = frozenset({CREATE_NETWORK, CREATE_VOLUME}) | REMOVALS


@dataclass(frozen=True)
class ContainerPlan:
    """A plan, and what its execution needs to know besides.

    :param current: the container that the plan is about, once leftovers are dealt with; if any.
    :param update: fields to change in place, with their new values.
    :param runs: whether the container is to run in the end.
    :param warnings: differences that the options say to leave.
    :param done_elsewhere: actions that are done once for several containers, and not with this one.
    """

    plan: Plan
    current: Container | None = None
    update: Mapping[str, Any] = field(default_factory=dict)
    runs: bool = False
    warnings: tuple[str, ...] = ()
    done_elsewhere: frozenset[Action] = frozenset()


def on_trial(policy: str) -> str:
    """The restart policy of both containers while one replaces the other; never equal to ``policy``.

    With it the engine brings back neither of them by itself (both use the same data!), and the next
    run sees from the container alone, without another request, that a replacement was interrupted.
    """
    return "on-failure:1" if policy == "no" else "no"


def secret_name(variable: str) -> bool:
    """Whether an environment variable's name tells that its value is a secret."""
    return bool(_SECRET_NAME.match(variable))


def needs_surroundings(wish: Wish, observed: Observed) -> bool:
    """Whether anything is to be done at all, so that the surroundings matter."""
    if observed.container is None or wish.state == "absent":
        return True
    return plan(wish, observed).plan.changed


def must_wait(wish: Wish, decided: ContainerPlan) -> bool:
    """Whether an unchanged container is still to become what the options wait for."""
    current = decided.current
    if not (wish.wait and decided.runs and current is not None):
        return False
    if current.status == "paused":  # by somebody, and state=present leaves it so
        return False
    return current.status != "running" or current.health not in ("", "healthy")


def plan(wish: Wish, observed: Observed) -> ContainerPlan:
    """The steps from what there is to what is wished for. Pure: reads nothing, changes nothing.

    :raises ContainerNotFound: when there is no container, and no image to make one of.
    :raises DriftRefused: when the container cannot be replaced safely.
    :raises InvalidInput: when the options cannot work with what there is.
    :raises VolumeInUse: when a volume to be removed has other users.
    """
    if wish.state == "absent":
        return _absence(wish, observed)
    steps, current = _recovery(wish, observed)
    if wish.spec is None or observed.image is None:
        return _state_only(wish, current, steps)
    want = fields.expected(wish.spec, observed.image, fields.given_once(current.labels) if current else ())
    if current is None:
        return _creation(wish, wish.spec, observed, steps, want)

    have = current.fields
    drifted = fields.differing(want, have)
    asked = asked_differently(fields.asked(wish.spec), current.labels)
    warnings: tuple[str, ...] = ()
    if wish.drift != "recreate":
        left = drifted - asked - {"image"} - fields.IN_PLACE
        drifted -= left
        if left and wish.drift == "warn":
            warnings = (f"Container {wish.name} differs from what is declared, and is left so: {_list(left)}.",)
    # An engine takes 0 in an update for "leave it": a limit can be changed, not lifted.
    lifted = {name for name in drifted & {"memory", "cpus"} if not want[name]}
    replaces = drifted - fields.IN_PLACE | asked | lifted
    if "networks" in drifted and have["primary_network"] not in want["networks"]:
        replaces |= {"networks"}
    if current.status == "dead":
        replaces |= {"state"}
    changed = drifted | asked
    before, after = _difference(changed, have, want)
    runs = _runs(wish, current)
    before["state"], after["state"] = current.status, "running" if runs else _still(current)
    missing = _missing(wish.spec, observed)
    if replaces:
        if current.auto_remove:
            raise DriftRefused(
                f"Container {wish.name} must be replaced ({_list(replaces)}), but was started with --rm: it would be"
                " gone if the new one failed. Remove it first (state=absent).",
                differences=sorted(replaces),
            )
        why = _list(replaces | drifted)
        before["container"], after["container"] = current.id[:12], f"another one, for its {why}"
        steps += [*missing, Action(RECREATE, wish.name, why)]
        return ContainerPlan(Plan(tuple(steps), before, after), current, {}, runs, warnings)

    update = {name: want[name] for name in sorted(drifted - {"networks"})}
    if update:
        steps.append(Action(UPDATE, wish.name, ", ".join(f"{name} {have[name]} → {update[name]}" for name in update)))
    if "networks" in drifted:
        steps += [step for step in missing if step.verb == CREATE_NETWORK]
        steps += _reconnections(want["networks"], have["networks"])
    steps += _state_steps(wish, current)
    return ContainerPlan(Plan(tuple(steps), before, after) if steps else Plan(), current, update, runs, warnings)


def _absence(wish: Wish, observed: Observed) -> ContainerPlan:
    around = observed.around or Surroundings()
    steps = []
    for found in (observed.container, around.unused, around.parked):
        if found is not None:
            if found.running:
                steps.append(Action(STOP, found.name))
            steps.append(Action(REMOVE, found.name))
    for volume in wish.remove_volumes:
        if around.users.get(volume):
            raise VolumeInUse(
                f"Volume {volume} cannot be removed: {_list(around.users[volume])} has it. Nothing was changed; remove"
                " that container first, or leave the volume out of remove_volumes.",
                volume=volume,
                containers=list(around.users[volume]),
            )
        if volume in around.volumes:
            steps.append(Action(REMOVE_VOLUME, volume))
    for network, others in around.attached.items():
        if not others:
            steps.append(Action(REMOVE_NETWORK, network))
        elif steps:  # the others may be on their way out as well
            steps.append(Action(REMOVE_NETWORK, network, "unless others are attached to it"))
    if not steps:
        return ContainerPlan(Plan())
    before: dict[str, Any] = {"state": observed.container.status if observed.container else "absent"}
    after: dict[str, Any] = {"state": "absent"}
    if wish.remove_volumes:
        before["volumes"], after["volumes"] = sorted(around.volumes), []
    if not all(around.attached.values()):
        before["networks"], after["networks"] = [name for name, others in around.attached.items() if not others], []
    return ContainerPlan(Plan(tuple(steps), before, after), observed.container)


def _recovery(wish: Wish, observed: Observed) -> tuple[list[Action], Container | None]:
    """Steps that undo what an interrupted run left, and the container that there is afterwards.

    The new container stays if it has proved to work; else the former one, which had, comes back.
    """
    steps: list[Action] = []
    current, around = observed.container, observed.around or Surroundings()
    left = "left by an interrupted run"
    if around.unused is not None:
        steps.append(Action(REMOVE, around.unused.name, left))
    if around.parked is not None:
        if current is not None and current.status == "running" and current.health in ("", "healthy"):
            steps.append(Action(REMOVE, around.parked.name, left))
        else:
            if current is not None:
                steps.append(Action(REMOVE, current.name, "its start was interrupted"))
            steps.append(Action(RESTORE, wish.name, left))
            current = replace(around.parked, name=wish.name)
    return steps, current


def _creation(
    wish: Wish, spec: ContainerSpec, observed: Observed, steps: list[Action], want: Mapping[str, Any]
) -> ContainerPlan:
    steps += [*_missing(spec, observed), Action(CREATE, wish.name)]
    runs = wish.state in ("started", "restarted")
    if runs:
        steps.append(Action(START, wish.name))
    _before, after = _difference(frozenset(name for name, value in want.items() if value), {}, want)
    after["state"] = "running" if runs else "created"
    return ContainerPlan(Plan(tuple(steps), {"state": "absent"}, after), None, {}, runs)


def _state_only(wish: Wish, current: Container | None, steps: list[Action]) -> ContainerPlan:
    if current is None:
        raise ContainerNotFound(
            f"There is no container {wish.name}; give image, and what else it needs, to have it created.",
            name=wish.name,
        )
    runs = _runs(wish, current)
    steps += _state_steps(wish, current)
    before, after = {"state": current.status}, {"state": "running" if runs else _still(current)}
    return ContainerPlan(Plan(tuple(steps), before, after) if steps else Plan(), current, {}, runs)


def _runs(wish: Wish, current: Container) -> bool:
    return wish.state in ("started", "restarted") or (wish.state == "present" and current.running)


def _still(current: Container) -> str:
    return "exited" if current.running else current.status


def _state_steps(wish: Wish, current: Container) -> list[Action]:
    if wish.state == "stopped":
        return [Action(STOP, wish.name)] if current.running else []
    if wish.state == "present":
        return []
    if not current.running:
        return [Action(START, wish.name)]
    if wish.state == "restarted":
        return [Action(RESTART, wish.name)]
    return [Action(UNPAUSE, wish.name)] if current.status == "paused" else []


def _missing(spec: ContainerSpec, observed: Observed) -> list[Action]:
    steps: list[Action] = []
    if observed.around is None:
        return steps
    for network in spec.networks:
        if network.name in observed.around.networks:
            continue
        if network.ipv4_address or network.ipv6_address:
            raise InvalidInput(
                f"Network {network.name} does not exist, and a network made without an address plan takes no fixed"
                " addresses: create it with a subnet first, or leave the address out."
            )
        steps.append(Action(CREATE_NETWORK, network.name))
    volumes = sorted({mount.source for mount in spec.volumes if mount.is_volume} - observed.around.volumes)
    return steps + [Action(CREATE_VOLUME, volume) for volume in volumes]


def _reconnections(want: Mapping[str, Any], have: Mapping[str, Any]) -> list[Action]:
    off = [name for name in sorted(have) if want.get(name) != have[name]]
    on = [name for name in want if want[name] != have.get(name)]
    return [Action(DISCONNECT, name) for name in off] + [Action(CONNECT, name) for name in on]


def _difference(
    names: frozenset[str], have: Mapping[str, Any], want: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Before and after for ``--diff``, without the values of variables whose names tell of secrets."""
    before = {name: have.get(name) for name in sorted(names)}
    after = {name: want.get(name, "<the engine's default>") for name in sorted(names)}
    if "env" in names:
        old, new = have.get("env") or {}, want["env"]
        before["env"] = {name: _HIDDEN if secret_name(name) else old[name] for name in old}
        after["env"] = {
            name: value
            if not secret_name(name)
            else (_HIDDEN if old.get(name, value) == value else "<hidden, another value>")
            for name, value in new.items()
        }
    if "labels" in names:
        before["labels"], after["labels"] = (
            {name: _short(value) for name, value in side["labels"].items()} for side in (have or {"labels": {}}, want)
        )
    return before, after


def _short(label: str) -> str:
    """A label as a diff shows it: those that hold what an image was built from fill pages."""
    if len(label) <= _LONGEST_SHOWN:
        return label
    return f"<{len(label)} characters, SHA-256 {hashlib.sha256(label.encode()).hexdigest()[:12]}…>"


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
