# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doing what a container plan says, and undoing it when it fails.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
import secrets as randomness
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Mapping

from .._core.deadline import Deadline
from .._core.errors import ContainerFailed, EngineError, HowdahError, ImageNotFound, NameConflict
from . import bodies, container_facts, fields, health, limits, observe, ports, reconcile
from .alone import alone
from .client import request
from .observe import Container
from .reconcile import ContainerPlan, on_trial
from .spec import MANAGED, SUFFIX_NEW, SUFFIX_OLD, ContainerSpec, Wish, own_labels

if TYPE_CHECKING:
    from docker import APIClient

# Seconds for each step back: what failed may have used up the deadline, and half a change is worse.
GRACE = 15.0
_ENGINES_STOP_TIMEOUT = 10
# "Bind for 127.0.0.1:5432 failed: port is already allocated", "listen tcp4 127.0.0.1:5432: bind:
# address already in use", "failed to bind host port for 127.0.0.1:5432:…: address already in use".
_PORT_TAKEN = re.compile(
    r"(?:Bind for|listen \w+|bind host port(?: for)?) \[?(?P<ip>[0-9a-fA-F.:]*?)\]?:(?P<port>\d+)"
    r"(?: failed|: bind|:\S+:\d+/|/).*already (?:allocated|in use)"
)


@dataclass(frozen=True)
class Applied:
    """What there is after a plan's execution.

    :param container: None when there is none.
    :param ready_after: seconds from the container's start until it served; None unless it was started and waited for.
    """

    container: Container | None
    ready_after: float | None = None


def apply(client: APIClient, wish: Wish, decided: ContainerPlan, deadline: Deadline) -> Applied:
    """Execute the plan's actions in order, wait for the container, and return what it is then.

    On any failure, a deadline and an interrupt included, what this call made is removed and a
    container that was being replaced comes back; this may take some seconds beyond the deadline.

    :raises HowdahError: what failed; the message tells if undoing failed as well.
    """
    run = _Run(client, wish, decided, deadline)
    return Applied(run.run(), run.ready_after)


def make_network(client: APIClient, name: str, deadline: Deadline) -> Callable[[Deadline], None]:
    """Create a network, unless somebody else does at the same time; what undoes it."""
    try:
        # Engines before 25 keep names of networks unique only if asked to, and not for two that come at the same
        # moment: then there are two, and every request for either is refused.
        with alone(f"network {name}", deadline):
            if observe.exists(client, "networks", name, deadline):
                return lambda deadline: None
            with request(client, deadline, f"creating network {name}"):
                made = client.create_network(name, driver="bridge", check_duplicate=True, labels=MANAGED)["Id"]
    except EngineError as error:
        if error.details["status"] != 409 or not observe.exists(client, "networks", name, deadline):
            raise
        return lambda deadline: None

    def undo(deadline: Deadline) -> None:
        if not observe.users(client, "network", name, deadline):  # such as came second
            _delete(client, f"/networks/{made}", f"removing network {name}", deadline)

    return undo


def make_volume(client: APIClient, name: str, deadline: Deadline) -> Callable[[Deadline], None]:
    """Create a volume; what undoes it."""
    with request(client, deadline, f"creating volume {name}"):
        client.create_volume(name, labels=MANAGED)
    return lambda deadline: remove_volume(client, name, deadline)


MAKERS = {reconcile.CREATE_NETWORK: make_network, reconcile.CREATE_VOLUME: make_volume}


def remove_volume(client: APIClient, name: str, deadline: Deadline) -> None:
    """Remove a volume."""
    _delete(client, f"/volumes/{name}", f"removing volume {name}", deadline)


def remove_network(client: APIClient, name: str, deadline: Deadline) -> None:
    """Remove a network, unless somebody is on it now: of those who leave at the same time, the last does it."""
    if not observe.users(client, "network", name, deadline):
        _delete(client, f"/networks/{name}", f"removing network {name}", deadline)


REMOVERS = {reconcile.REMOVE_VOLUME: remove_volume, reconcile.REMOVE_NETWORK: remove_network}


def _delete(client: APIClient, path: str, doing: str, deadline: Deadline) -> None:
    """Remove something; that it is gone already is as good."""
    try:
        with request(client, deadline, doing):
            client._raise_for_status(client._delete(client._url(path)))
    except EngineError as error:
        if error.details["status"] != 404:
            raise


class _Run:
    def __init__(self, client: APIClient, wish: Wish, decided: ContainerPlan, deadline: Deadline) -> None:
        self.client = client
        self.wish = wish
        self.decided = decided
        self.deadline = deadline
        self.id = decided.current.id if decided.current else ""
        self.replaced = ""  # the ID of the container that waits to be removed, once the new one serves
        self.started_at: float | None = None  # on the monotonic clock
        self.ready_after: float | None = None
        self.interrupts = False  # whether a running container makes room, which comes back on failure
        self.arrived = False  # whether all steps are done, so that changes in place stay whatever comes of them
        self.kept = False
        self.undo = ExitStack()
        self.not_undone: list[str] = []

    def run(self) -> Container | None:
        do: dict[str, Callable[[str], None]] = {
            reconcile.CREATE_NETWORK: lambda name: self.provide(make_network(self.client, name, self.deadline)),
            reconcile.CREATE_VOLUME: lambda name: self.provide(make_volume(self.client, name, self.deadline)),
            reconcile.REMOVE_VOLUME: lambda name: remove_volume(self.client, name, self.deadline),
            reconcile.REMOVE_NETWORK: lambda name: remove_network(self.client, name, self.deadline),
            reconcile.CREATE: self.create,
            reconcile.RECREATE: self.recreate,
            reconcile.UPDATE: lambda _: self.update(self.id, self.decided.update, self.deadline),
            reconcile.CONNECT: self.reconnect,
            reconcile.DISCONNECT: self.disconnect,
            reconcile.START: lambda name: self.start(self.id, self.deadline),
            reconcile.STOP: lambda name: self.stop(name, self.deadline),
            reconcile.RESTART: self.restart,
            reconcile.UNPAUSE: lambda name: self.post("unpause", self.id, self.deadline, "continuing the container"),
            reconcile.REMOVE: lambda name: self.remove(name, self.deadline),
            reconcile.RESTORE: lambda name: self.rename(self.id, name, self.deadline),
        }
        try:
            with self.undo:
                for action in self.decided.plan.actions:
                    if action not in self.decided.done_elsewhere:
                        do[action.verb](action.target)
                self.arrived = True
                result = self.served()
                # From here on the new container is the proven one: nothing is undone any more.
                self.undo.pop_all()
                self.interrupts = False
            if self.replaced and self.wish.spec:
                self.remove(self.replaced, self.deadline)
                self.update(self.id, {"restart_policy": self.wish.spec.restart_policy}, self.deadline)
                result = observe.container(self.client, self.id, self.deadline)
            return result
        except HowdahError as error:
            self.tell_what_is_left(error)
            raise

    def tell_what_is_left(self, error: HowdahError) -> None:
        """Complete the error by what undoing has, or has not, achieved."""
        told = []
        if self.not_undone:
            told.append(f"Undoing it failed, too; run this task again to mend it: {' '.join(self.not_undone)}")
            error.details["not_undone"] = self.not_undone
        elif self.interrupts:
            told.append("The former container runs again.")
            error.details["rolled_back"] = True
        if self.kept:
            name = self.wish.name + (SUFFIX_NEW if self.decided.current else "")
            told.append(f"The failed container is kept for inspection as {name}.")
            error.details["kept"] = name
        if told:
            error.message = f"{error.message.rstrip('. ')}. {' '.join(told)}"
            error.args = (error.message,)

    def served(self) -> Container | None:
        """The container in the end; waits for it where asked to."""
        if not self.id or self.wish.state == "absent":
            return None
        found = observe.container(self.client, self.id, self.deadline)
        if found is None or not self.decided.runs or not self.wish.wait:
            return found
        restarts = 0 if self.started_at is not None else found.restart_count
        secrets = container_facts.secret_values(found)
        served = health.wait(self.client, found, self.wish.stable_for, secrets, self.deadline, restarts)
        if self.started_at is not None:
            self.ready_after = time.monotonic() - self.started_at
        return served

    def undoing(self, step: Callable[[Deadline], None]) -> None:
        """Have ``step`` done if a later one fails; its own failure does not keep others from being undone."""

        def attempt() -> None:
            try:
                step(Deadline(GRACE))
            except HowdahError as error:
                self.not_undone.append(error.message)

        self.undo.callback(attempt)

    # --- what a plan's actions mean --------------------------------------------------------------

    def provide(self, undo: Callable[[Deadline], None]) -> None:
        """Note how to undo that something was made for the container, which is kept with it."""
        self.undoing(lambda deadline: None if self.kept else undo(deadline))

    def create(self, name: str) -> None:
        spec = self.spec()
        self.id = self.make(name, spec.restart_policy)

    def recreate(self, name: str) -> None:
        spec, old = self.spec(), self.decided.current
        if old is None:
            raise ValueError("a plan that recreates has the container to recreate")
        restored = any(action.verb == reconcile.RESTORE for action in self.decided.plan.actions)
        policy = spec.restart_policy if restored else old.fields["restart_policy"]
        was_running = old.running or (restored and self.decided.runs)
        if was_running:  # and would be stopped in vain
            error = ports.taken_by_containers(self.client, self.wish, spec.ports, self.deadline)
            if error is not None:
                raise error

        self.undoing(lambda deadline: self.update(old.id, {"restart_policy": policy}, deadline))
        self.update(old.id, {"restart_policy": on_trial(policy)}, self.deadline)
        self.id = self.make(name + SUFFIX_NEW, on_trial(spec.restart_policy), old)
        if was_running:
            self.interrupts = True
            self.undoing(lambda deadline: self.start(old.id, deadline))
            self.stop(old.id, self.deadline)
        self.undoing(lambda deadline: self.rename_back(old.id, name, deadline))
        self.rename(old.id, name + SUFFIX_OLD, self.deadline)
        # Once more, as steps are undone last first: the name must be free for the old one.
        self.undoing(self.discard)
        self.rename(self.id, name, self.deadline)
        self.replaced = old.id
        if self.decided.runs:
            self.start(self.id, self.deadline)

    def restart(self, name: str) -> None:
        self.stop(self.id, self.deadline)
        self.start(self.id, self.deadline)

    def connect(self, container: str, name: str) -> None:
        network = next(network for network in self.spec().networks if network.name == name)
        self.attach(container, name, bodies.endpoint(network), self.deadline)

    def reconnect(self, name: str) -> None:
        """Connect the container that there is."""
        self.undoing(lambda deadline: None if self.arrived else self.off_again(name, deadline))
        self.connect(self.id, name)

    def disconnect(self, name: str) -> None:
        self.undoing(lambda deadline: None if self.arrived else self.on_again(name, deadline))
        self.detach(name, self.deadline)

    def on_again(self, name: str, deadline: Deadline) -> None:
        """Connect to a network as before; whether a request that failed was carried out is not known."""
        old = self.decided.current
        found = observe.container(self.client, self.id, deadline)
        if old is not None and found is not None and name not in fields.endpoints(found.inspected):
            again = bodies.endpoint_again(fields.endpoints(old.inspected).get(name, {}))
            self.attach(self.id, name, again, deadline)

    def off_again(self, name: str, deadline: Deadline) -> None:
        """Disconnect from a network that the container has just been connected to, or was not."""
        old = self.decided.current
        found = observe.container(self.client, self.id, deadline)
        if found is None or name not in found.inspected["NetworkSettings"]["Networks"]:
            return
        if name not in fields.endpoints(found.inspected):
            if old is not None and name in fields.endpoints(old.inspected):
                return  # it goes back there
            # The engine refused, and has it in its list all the same: the container would not start any more. It leaves
            # the list only by being attached, which it can be when it asks for nothing.
            self.attach(self.id, name, {}, deadline)
        self.detach(name, deadline)

    # --- single requests -------------------------------------------------------------------------

    def spec(self) -> ContainerSpec:
        if self.wish.spec is None:
            raise ValueError("a plan that makes or changes a container has a description of it")
        return self.wish.spec

    def make(self, name: str, restart: str, old: Container | None = None) -> str:
        """Create a container, attached to its networks; the ID."""
        spec = self.spec()
        labels = own_labels(fields.asked(spec), spec.bootstrap_env, randomness.token_hex(8))
        body = bodies.creation(spec, labels, restart, old.anonymous if old else {})
        try:
            with request(self.client, self.deadline, f"creating container {name}"):
                answer = self.client.create_container_from_config(body, name)
        except EngineError as error:
            if error.details["status"] == 409:
                raise NameConflict(
                    f"The name {name} was taken by another container in the meantime: run the task again.", name=name
                ) from error
            if error.details["status"] == 404 and "image" in error.message.lower():
                raise ImageNotFound(f"Image {spec.image!r} has vanished from the engine.", image=spec.image) from error
            raise
        self.id = made = str(answer["Id"])
        self.undoing(self.discard)
        limits.check(self.wish.name, answer)
        for network in spec.networks[1:]:
            self.connect(made, network.name)
        return made

    def discard(self, deadline: Deadline) -> None:
        """Remove the new container, or set it aside when it is to be kept."""
        if self.kept:
            return
        if self.wish.keep_on_failure and self.started_at is not None:
            self.kept = True
            if self.decided.current is not None:
                self.stop(self.id, deadline)
                self.rename(self.id, self.wish.name + SUFFIX_NEW, deadline)
            return
        self.remove(self.id, deadline, volumes=True)

    def start(self, container: str, deadline: Deadline) -> None:
        if container == self.id:
            self.started_at = time.monotonic()
        try:
            self.post("start", container, deadline, f"starting container {self.wish.name}")
        except EngineError as error:
            taken = _PORT_TAKEN.search(error.message)
            if taken:
                listed = ports.running(self.client, Deadline(GRACE))
                number = int(taken["port"])
                raise ports.taken(self.wish.name, number, ports.holder(listed, taken["ip"], number)) from error
            why = error.message.partition(": ")[2] or error.message  # without who refused what: that is told here
            raise ContainerFailed(f"Container {self.wish.name} cannot be started: {why}", logs=[]) from error

    def stop(self, container: str, deadline: Deadline) -> None:
        """Stop with the container's own patience, bounded by the deadline."""
        patience = self.wish.stop_timeout
        if patience is None and self.decided.current is not None:
            patience = self.decided.current.fields["stop_timeout"]
        patience = _ENGINES_STOP_TIMEOUT if patience is None else patience
        # A second for the kill that follows, and for the answer.
        most = max(0, int(deadline.check(f"stopping container {self.wish.name}")) - 1)
        seconds = most if patience < 0 else min(patience, most)  # others may have made it with -1, which is for ever
        self.post("stop", container, deadline, f"stopping container {self.wish.name}", t=seconds)

    def attach(self, container: str, network: str, endpoint: Mapping[str, Any], deadline: Deadline) -> None:
        with request(self.client, deadline, f"connecting the container to network {network}"):
            url = self.client._url("/networks/{0}/connect", network)
            body = {"Container": container, "EndpointConfig": endpoint}
            self.client._raise_for_status(self.client._post_json(url, data=body))

    def detach(self, network: str, deadline: Deadline) -> None:
        with request(self.client, deadline, f"disconnecting the container from network {network}"):
            self.client.disconnect_container_from_network(self.id, network)

    def rename(self, container: str, name: str, deadline: Deadline) -> None:
        self.post("rename", container, deadline, f"renaming a container to {name}", name=name)

    def rename_back(self, container: str, name: str, deadline: Deadline) -> None:
        """Rename, unless it has the name: whether a request that failed was carried out is not known."""
        found = observe.container(self.client, container, deadline)
        if found is not None and found.name != name:
            self.rename(container, name, deadline)

    def post(self, verb: str, container: str, deadline: Deadline, doing: str, **parameters: Any) -> None:
        with request(self.client, deadline, doing):
            url = self.client._url("/containers/{0}/" + verb, container)
            self.client._raise_for_status(self.client._post(url, params=parameters))

    def update(self, container: str, changes: Any, deadline: Deadline) -> None:
        with request(self.client, deadline, f"updating container {self.wish.name}"):
            url = self.client._url("/containers/{0}/update", container)
            answer = self.client._result(self.client._post_json(url, data=bodies.update(changes)), True)
        limits.check(self.wish.name, answer)

    def remove(self, container: str, deadline: Deadline, volumes: bool = False) -> None:
        path = f"/containers/{container}?force=1" + ("&v=1" if volumes else "")
        _delete(self.client, path, f"removing container {self.wish.name}", deadline)
