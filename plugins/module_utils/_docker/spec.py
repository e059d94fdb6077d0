# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is asked to be: the module's options as one checked, immutable value.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from .._core.canonical import canonical_json
from .._core.errors import InvalidInput
from . import values

# Labels of ours. Image labels are inherited by containers, hence the own sub-domain.
LABEL_SPEC = "io.howdah.container.spec"
LABEL_SALT = "io.howdah.container.salt"
LABEL_BOOTSTRAP = "io.howdah.container.bootstrap"
OWN_LABELS = frozenset({LABEL_SPEC, LABEL_SALT, LABEL_BOOTSTRAP})
# On networks and volumes that this module made.
MANAGED = {"io.howdah.managed-by": "howdah.postgresql.container"}

# Written in front of the digests: a change of their meaning gets another one, and containers with
# the former are then compared by what the engine reports alone, never recreated for it.
_SCHEMA = "1:"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
# Names used while a container is being replaced.
SUFFIX_NEW = ".howdah-new"
SUFFIX_OLD = ".howdah-old"

# Options that describe the container, not what is done with it.
OPTIONS = (
    "command", "env", "bootstrap_env", "user", "hostname", "ports", "volumes", "tmpfs", "networks", "network_mode",
    "shm_size", "memory", "cpus", "ulimits", "sysctls", "read_only", "cap_drop", "cap_add", "devices", "security_opt",
    "init", "stop_signal", "stop_timeout", "restart_policy", "healthcheck", "log_driver", "log_options", "labels",
    "hosts",
)  # fmt: skip


@dataclass(frozen=True)
class Network:
    """A user network that the container is attached to."""

    name: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""


@dataclass(frozen=True)
class ContainerSpec:
    """A container as asked for. None stands for the image's or the engine's own default.

    Sizes are bytes, ``cpus`` thousand-millionths of a CPU, durations in ``healthcheck`` nanoseconds.
    """

    image: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    bootstrap_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None
    hostname: str | None = None
    ports: frozenset[values.Port] = frozenset()
    volumes: frozenset[values.Mount] = frozenset()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    network_mode: str = "bridge"
    shm_size: int | None = None
    memory: int = 0
    cpus: int = 0
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    cap_drop: frozenset[str] = frozenset()
    cap_add: frozenset[str] = frozenset()
    devices: frozenset[values.Device] = frozenset()
    security_opt: frozenset[str] = frozenset()
    init: bool | None = None
    stop_signal: str | None = None
    stop_timeout: int | None = None
    restart_policy: str = "no"
    healthcheck: Mapping[str, Any] = field(default_factory=dict)
    log_driver: str | None = None
    log_options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wish:
    """What is asked of one container: its description, and what is done with it.

    :param spec: None when only the state of an existing container is asked for.
    :param state: ``present``, ``started``, ``stopped``, ``restarted`` or ``absent``.
    :param stable_for: seconds that a container without a health check must run to count as well.
    :param stop_timeout: seconds from the stop signal to the kill; None: as the container has it.
    :param image_pending: plan as if the image had just been built anew.
    :param leaving: containers that the same call removes, so that their use of a volume or a network does not
        count.
    """

    name: str
    spec: ContainerSpec | None
    state: str = "started"
    drift: str = "recreate"
    wait: bool = True
    stable_for: float = 1.0
    stop_timeout: int | None = None
    remove_volumes: tuple[str, ...] = ()
    remove_networks: tuple[str, ...] = ()
    keep_on_failure: bool = False
    image_pending: bool = False
    leaving: frozenset[str] = frozenset()


def parse(params: Mapping[str, Any]) -> Wish:
    """The module's options, checked.

    :raises InvalidInput: for the first option that cannot work, naming it.
    """
    name, state = params["name"], params["state"]
    if not _NAME.fullmatch(name) or name.endswith((SUFFIX_NEW, SUFFIX_OLD)):
        raise InvalidInput(
            f"name must have two or more letters, digits, '_', '.', '-', begin with a letter or digit and not end in"
            f" {SUFFIX_NEW} or {SUFFIX_OLD}; got {name!r}."
        )
    if (params["stop_timeout"] or 0) < 0:  # "for ever" in Docker, and no loop here waits without a limit
        raise InvalidInput(f"stop_timeout must be a number of seconds, 0 or more; got {params['stop_timeout']}.")
    for option in ("remove_volumes", "remove_networks"):
        if params[option] and state != "absent":
            raise InvalidInput(f"{option} works with state=absent only.")
    if params["image"] is None and state != "absent":
        given = [option for option in OPTIONS if params[option] is not None and option != "stop_timeout"]
        if given:
            raise InvalidInput(f"image is missing: without it only the state can be changed, but {given[0]} is given.")
    spec = _spec(params) if params["image"] is not None and state != "absent" else None
    return Wish(
        name=name,
        spec=spec,
        state=state,
        drift=params["drift"],
        wait=params["wait"],
        stable_for=params["stable_for"],
        stop_timeout=params["stop_timeout"],
        remove_volumes=tuple(params["remove_volumes"] or ()),
        remove_networks=tuple(params["remove_networks"] or ()),
        keep_on_failure=params["keep_on_failure"],
        image_pending=params["image_pending"],
    )


def _spec(params: Mapping[str, Any]) -> ContainerSpec:
    given = {option: params[option] for option in OPTIONS if params[option] is not None}
    env = values.strings("env", given.get("env", {}))
    bootstrap = values.strings("bootstrap_env", given.get("bootstrap_env", {}))
    for variable in (*env, *bootstrap):
        if "=" in variable or len(variable.split()) != 1:
            raise InvalidInput(f"The name of an environment variable cannot have a '=' or a blank; got {variable!r}.")
    twice = sorted(env.keys() & bootstrap.keys())
    if twice:
        raise InvalidInput(f"{twice[0]} is given in both env and bootstrap_env: decide on one.")
    labels = values.strings("labels", given.get("labels", {}))
    if OWN_LABELS & labels.keys():
        raise InvalidInput(f"The labels {', '.join(sorted(OWN_LABELS))} belong to this module.")
    # By these names the container is known in its networks anyway; engines add them as aliases or not.
    implied = {params["name"], given.get("hostname")}
    networks = tuple(_network(network, implied) for network in given.get("networks", ()))
    mode = given.get("network_mode")
    if networks and mode:
        raise InvalidInput("networks and network_mode exclude each other.")
    if mode and given.get("ports"):
        raise InvalidInput(f"ports cannot be published with network_mode={mode}.")
    mounts = [values.mount(text) for text in given.get("volumes", ())]
    tmpfs = [values.tmpfs(text) for text in given.get("tmpfs", ())]
    ports = [values.port(text) for text in given.get("ports", ())]
    devices = [values.device(text) for text in given.get("devices", ())]
    targets = [entry.target for entry in mounts] + [path for path, _options in tmpfs]
    _unique("volumes and tmpfs have two entries for", targets)
    _unique("devices has two entries for", [device.inside for device in devices])
    _unique("networks has two entries for", [network.name for network in networks])
    _unique("ports publishes twice", [f"{port.host_ip} port {port.host_port}/{port.proto}" for port in ports])
    hosts = values.strings("hosts", given.get("hosts", {}))
    return ContainerSpec(
        image=params["image"],
        command=tuple(given.get("command", ())),
        env=env,
        bootstrap_env=bootstrap,
        user=given.get("user"),
        hostname=given.get("hostname"),
        ports=frozenset(ports),
        volumes=frozenset(mounts),
        tmpfs=dict(tmpfs),
        networks=networks,
        network_mode=mode or ("networks" if networks else "bridge"),
        shm_size=values.size("shm_size", given["shm_size"]) if "shm_size" in given else None,
        memory=values.size("memory", given["memory"]) if "memory" in given else 0,
        cpus=round(given.get("cpus", 0) * 10**9),
        ulimits=dict(values.ulimit(text) for text in given.get("ulimits", ())),
        sysctls=values.strings("sysctls", given.get("sysctls", {})),
        read_only=given.get("read_only", False),
        cap_drop=frozenset(map(values.capability, given.get("cap_drop", ()))),
        cap_add=frozenset(map(values.capability, given.get("cap_add", ()))),
        devices=frozenset(devices),
        security_opt=frozenset(map(values.security_option, given.get("security_opt", ()))),
        init=given.get("init"),
        stop_signal=values.stop_signal(given["stop_signal"]) if "stop_signal" in given else None,
        stop_timeout=given.get("stop_timeout"),
        restart_policy=values.restart_policy(given.get("restart_policy", "no")),
        healthcheck=_healthcheck(given.get("healthcheck", {})),
        log_driver=given.get("log_driver"),
        log_options=values.strings("log_options", given.get("log_options", {})),
        labels=labels,
        # host-gateway is a word of the engine's, not an address.
        hosts={host: ip if ip == "host-gateway" else values.address("hosts", ip) for host, ip in hosts.items()},
    )


def _network(given: Mapping[str, Any], implied: set[str | None]) -> Network:
    return Network(
        name=given["name"],
        aliases=tuple(sorted(set(given.get("aliases") or ()) - implied)),
        ipv4_address=values.address("ipv4_address", given["ipv4_address"]) if given.get("ipv4_address") else "",
        ipv6_address=values.address("ipv6_address", given["ipv6_address"]) if given.get("ipv6_address") else "",
    )


def _healthcheck(given: Mapping[str, Any]) -> Mapping[str, Any]:
    check = {name: value for name, value in given.items() if value is not None}
    if check.pop("disabled", False):
        return {"test": ["NONE"]}
    result: dict[str, Any] = {}
    for name, value in check.items():
        if name == "test":
            if not isinstance(value, (str, list)) or not value:
                raise InvalidInput("healthcheck.test must be a command line, or a list of a program and its arguments.")
            words = ["CMD-SHELL", value] if isinstance(value, str) else [str(word) for word in value]
            result["test"] = words if words[0] in ("CMD", "CMD-SHELL") else ["CMD", *words]
        else:
            number = value if name == "retries" else values.duration(f"healthcheck.{name}", value)
            if number:  # engines keep no 0: it stands for the image's value, else for their own
                result[name] = number
    return result


def _unique(problem: str, items: list[str]) -> None:
    twice = sorted({item for item in items if items.count(item) > 1})
    if twice:
        raise InvalidInput(f"{problem} {twice[0]}.")


def digests(asked: Mapping[str, Any], salt: str) -> dict[str, str]:
    """A short salted digest of each field that was asked for.

    Salted, since labels travel further (listings, metrics) than the environment values inside.
    Fields without a value are left out, so that a later version may have more fields.
    """
    return {
        name: hmac.new(salt.encode(), f"{name}={canonical_json(value)}".encode(), hashlib.sha256).hexdigest()[:16]
        for name, value in asked.items()
        if value
    }


def own_labels(asked: Mapping[str, Any], bootstrap: Mapping[str, str], salt: str) -> dict[str, str]:
    """The labels that a new container gets: what was asked for, and names given at creation only."""
    return {
        LABEL_SPEC: _SCHEMA + canonical_json(digests(asked, salt)),
        LABEL_SALT: salt,
        LABEL_BOOTSTRAP: " ".join(sorted(bootstrap)),
    }


def asked_differently(asked: Mapping[str, Any], labels: Mapping[str, str]) -> frozenset[str]:
    """The fields that are asked for otherwise than when the container with these labels was made.

    None for a container that this module did not make: only what the engine reports counts there.
    """
    text, salt = labels.get(LABEL_SPEC, ""), labels.get(LABEL_SALT, "")
    if not text.startswith(_SCHEMA):
        return frozenset()
    try:
        then = json.loads(text[len(_SCHEMA):])
    except ValueError:
        return frozenset()
    now = digests(asked, salt)
    return frozenset(name for name in {*then, *now} if then.get(name) != now.get(name))
