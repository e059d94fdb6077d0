# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is on the engine: read in as few requests as the case needs.

An unchanged container costs two: itself and its image. Only when something is to be done, its
surroundings (networks, volumes, what an interrupted run left behind) are looked at as well.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Mapping

from .._core.deadline import Deadline
from .._core.errors import ImageNotFound
from . import fields
from .direct import containers, fetch
from .spec import MANAGED, SUFFIX_NEW, SUFFIX_OLD, ContainerSpec, Wish

if TYPE_CHECKING:
    from .direct import Engine


# The ID of an image that is still to be built: equal to that of no container.
PENDING = "to be built"


@dataclass(frozen=True)
class Container:
    """A container as the engine reports it.

    :param status: ``created``, ``running``, ``paused``, ``restarting``, ``exited`` or ``dead``.
    :param health: ``starting``, ``healthy``, ``unhealthy``, or empty without a health check.
    :param fields: see :func:`.fields.observed`.
    :param anonymous: path in the container → name of the volume that the engine made for it.
    :param inspected: the engine's whole answer; holds secrets.
    """

    id: str
    name: str
    status: str
    health: str
    exit_code: int
    restart_count: int
    started_at: str
    auto_remove: bool
    labels: Mapping[str, str]
    anonymous: Mapping[str, str]
    fields: Mapping[str, Any]
    inspected: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether the engine keeps it alive, be it paused or between two starts."""
        return self.status in ("running", "paused", "restarting")


@dataclass(frozen=True)
class Surroundings:
    """What matters around a container when something is to be done.

    :param networks: those of the wanted networks that exist.
    :param volumes: those of the wanted, or to be removed, volumes that exist.
    :param users: volume to be removed → names of other containers that have it.
    :param attached: network to be removed, if this module made it → names of other containers that are attached to it.
    :param unused: a container that an interrupted run made and never put into service.
    :param parked: the container that an interrupted run was replacing.
    """

    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attached: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unused: Container | None = None
    parked: Container | None = None


@dataclass(frozen=True)
class Observed:
    """All that a plan is made from, besides the wish.

    :param around: None before it was looked at, which an unchanged container never needs.
    """

    container: Container | None
    image: fields.Image | None
    around: Surroundings | None = None


def from_inspection(inspected: Mapping[str, Any]) -> Container:
    """A container from ``GET /containers/{name}/json``."""
    state = inspected["State"]
    return Container(
        id=inspected["Id"],
        name=inspected["Name"].lstrip("/"),
        status=state["Status"],
        health=health_status(state),
        exit_code=state["ExitCode"],
        restart_count=inspected.get("RestartCount", 0),
        started_at=state["StartedAt"],
        auto_remove=bool(inspected["HostConfig"].get("AutoRemove")),
        labels=inspected["Config"].get("Labels") or {},
        anonymous=fields.anonymous_volumes(inspected),
        fields=fields.observed(inspected),
        inspected=inspected,
    )


def health_status(state: Mapping[str, Any]) -> str:
    """``starting``, ``healthy``, ``unhealthy``, or empty without a health check."""
    status = (state.get("Health") or {}).get("Status") or ""
    return "" if status == "none" else status


def container(client: Engine, name: str, deadline: Deadline) -> Container | None:
    """The container of that name or ID; None when there is none."""
    answer = fetch(client, f"/containers/{name}/json", deadline, f"inspecting container {name}")
    return from_inspection(answer) if answer is not None else None


def image(client: Engine, name: str, deadline: Deadline) -> fields.Image:
    """The image of that name.

    :raises ImageNotFound: when the engine does not have it.
    """
    answer = fetch(client, f"/images/{name}/json", deadline, f"inspecting image {name}")
    if answer is None:
        raise ImageNotFound(
            f"The engine has no image {name!r}: build it with howdah.postgresql.image, or pull it, and check the name.",
            image=name,
        )
    return fields.image(answer)


def observe(client: Engine, wish: Wish, deadline: Deadline) -> Observed:
    """The container and its image: two requests.

    :raises ImageNotFound: when there is no image to compare with, or to make the container of.
    """
    found = container(client, wish.name, deadline)
    if wish.spec is None:
        return Observed(found, None)
    if not wish.image_pending:
        return Observed(found, image(client, wish.spec.image, deadline))
    try:
        known = image(client, wish.spec.image, deadline)
    except ImageNotFound:
        known = fields.Image()
    return Observed(found, replace(known, id=PENDING))


def look_around(client: Engine, wish: Wish, observed: Observed, deadline: Deadline) -> Observed:
    """The same, with the surroundings."""
    spec = wish.spec or ContainerSpec(image="")
    wanted = [mount.source for mount in spec.volumes if mount.is_volume] + list(wish.remove_volumes)
    networks = [network.name for network in spec.networks]
    leaving = {name + suffix for name in (wish.name, *wish.leaving) for suffix in ("", SUFFIX_NEW, SUFFIX_OLD)}

    def others(kind: str, name: str) -> tuple[str, ...]:
        return tuple(sorted(users(client, kind, name, deadline) - leaving))

    volumes = frozenset(name for name in wanted if exists(client, "volumes", name, deadline))
    around = Surroundings(
        networks=frozenset(name for name in networks if exists(client, "networks", name, deadline)),
        volumes=volumes,
        users={name: others("volume", name) for name in wish.remove_volumes if name in volumes},
        attached={name: others("network", name) for name in wish.remove_networks if _is_ours(client, name, deadline)},
        unused=container(client, wish.name + SUFFIX_NEW, deadline),
        parked=container(client, wish.name + SUFFIX_OLD, deadline),
    )
    return replace(observed, around=around)


def exists(client: Engine, kind: str, name: str, deadline: Deadline) -> bool:
    """Whether there is a volume or a network of that name.

    :param kind: ``volumes`` or ``networks``.
    """
    answer = fetch(client, f"/{kind}/{name}", deadline, f"inspecting {kind[:-1]} {name}")
    # Engines find networks by ID prefixes, too; only the name counts here.
    return answer is not None and answer["Name"] == name


def _is_ours(client: Engine, network: str, deadline: Deadline) -> bool:
    """Whether there is such a network, and this module made it."""
    answer = fetch(client, f"/networks/{network}", deadline, f"inspecting network {network}") or {}
    return answer.get("Name") == network and MANAGED.items() <= (answer.get("Labels") or {}).items()


def users(client: Engine, kind: str, name: str, deadline: Deadline) -> frozenset[str]:
    """The containers, running or not, that use a volume or are attached to a network.

    :param kind: ``volume`` or ``network``.
    """
    found = containers(client, {kind: name}, deadline, f"listing the containers that use {kind} {name}")
    return frozenset(entry["Names"][0].lstrip("/") for entry in found if entry["Names"])
