# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One form for what a container should be and for what it is, so that the two compare with ``==``.

Both sides are a mapping of field names to JSON values. :func:`expected` makes it from options and
image, :func:`observed` from the engine's answer; the answers of different engine versions, and of
other tools that made the container, are evened out here and nowhere else.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping

from .._core.errors import InvalidInput
from . import values
from .spec import LABEL_BOOTSTRAP, OWN_LABELS, ContainerSpec

# What the engine can change without replacing the container.
IN_PLACE = frozenset({"memory", "cpus", "restart_policy", "networks"})
# Facts of the engine and the image: there is nothing that was asked, to be remembered in a label.
_NOT_ASKED = frozenset({"image", "entrypoint", "privileged"})

_ANONYMOUS_VOLUME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Image:
    """What an image gives its containers."""

    id: str = ""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Mapping[str, Any] = field(default_factory=dict)
    stop_signal: str = ""


def image(inspected: Mapping[str, Any]) -> Image:
    """An image from ``GET /images/{name}/json``."""
    config = inspected.get("Config") or {}
    return Image(
        id=inspected["Id"],
        command=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        env=environment(config.get("Env")),
        user=config.get("User") or "",
        labels=config.get("Labels") or {},
        healthcheck=_healthcheck(config.get("Healthcheck")),
        stop_signal=config.get("StopSignal") or "",
    )


def asked(spec: ContainerSpec) -> dict[str, Any]:
    """The fields that options alone decide and only a new container can have: what a label remembers."""
    fields = expected(spec, Image())
    return {name: value for name, value in fields.items() if name not in IN_PLACE | _NOT_ASKED}


def expected(spec: ContainerSpec, base: Image, given_once: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a container made of these options and this image.

    :param given_once: names of variables that the container got as bootstrap_env.

    Options that are not given, and whose default is the engine's configuration, have no field:
    what they are is none of our business.
    """
    # Like the engine: the image's health check fills in what the options leave out.
    check = spec.healthcheck if spec.healthcheck.get("test") == ["NONE"] else {**base.healthcheck, **spec.healthcheck}
    ignored = {*spec.bootstrap_env, *given_once} - spec.env.keys()
    fields: dict[str, Any] = {
        "image": base.id,
        "command": list(spec.command or base.command),
        "entrypoint": list(base.entrypoint),
        "env": {name: value for name, value in {**base.env, **spec.env}.items() if name not in ignored},
        "user": base.user if spec.user is None else spec.user,
        "ports": sorted(map(str, spec.ports)),
        "volumes": sorted(map(str, spec.volumes)),
        "tmpfs": dict(spec.tmpfs),
        "network_mode": spec.network_mode,
        "networks": {
            network.name: {
                "aliases": list(network.aliases),
                "ipv4_address": network.ipv4_address,
                "ipv6_address": network.ipv6_address,
            }
            for network in spec.networks
        },
        "memory": spec.memory,
        "cpus": spec.cpus,
        "sysctls": dict(spec.sysctls),
        "read_only": spec.read_only,
        "privileged": False,
        "cap_drop": sorted(spec.cap_drop),
        "cap_add": sorted(spec.cap_add),
        "devices": sorted(map(str, spec.devices)),
        "security_opt": sorted(spec.security_opt),
        "stop_signal": spec.stop_signal or _signal(base.stop_signal),
        "restart_policy": spec.restart_policy,
        "healthcheck": check if check.get("test") else {},
        "labels": {**base.labels, **spec.labels},
        "hosts": sorted(f"{host}:{ip}" for host, ip in spec.hosts.items()),
    }
    optional: dict[str, Any] = {
        "hostname": spec.hostname,
        "shm_size": spec.shm_size,
        "ulimits": {name: list(limits) for name, limits in spec.ulimits.items()} or None,
        "init": spec.init,
        "stop_timeout": spec.stop_timeout,
        "log_driver": spec.log_driver,
        "log_options": dict(spec.log_options) or None,
    }
    fields.update({name: value for name, value in optional.items() if value is not None})
    return fields


def observed(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a container from ``GET /containers/{name}/json``."""
    config, host = inspected["Config"], inspected["HostConfig"]
    labels = config.get("Labels") or {}
    bootstrap = given_once(labels)
    attached = endpoints(inspected)
    mode = _network_mode(host.get("NetworkMode") or "", attached)
    log = host.get("LogConfig") or {}
    return {
        "image": inspected["Image"],
        "command": config.get("Cmd") or [],
        "entrypoint": config.get("Entrypoint") or [],
        "env": {name: value for name, value in environment(config.get("Env")).items() if name not in bootstrap},
        "user": config.get("User") or "",
        "hostname": config.get("Hostname") or "",
        "ports": sorted(map(_port, _bindings(host.get("PortBindings") or {}))),
        "volumes": sorted(_mounts(inspected)),
        "tmpfs": {
            values.clean_path(path): values.tmpfs_options(options)
            for path, options in (host.get("Tmpfs") or {}).items()
        },
        "network_mode": mode,
        "networks": _networks(attached, inspected) if mode == "networks" else {},
        # Not compared: the network that the engine will look for at each start.
        "primary_network": _primary(host.get("NetworkMode") or "", attached),
        "shm_size": host.get("ShmSize") or 0,
        "memory": host.get("Memory") or 0,
        "cpus": _cpus(host),
        "ulimits": {limit["Name"]: [limit["Soft"], limit["Hard"]] for limit in host.get("Ulimits") or ()},
        "sysctls": host.get("Sysctls") or {},
        "read_only": bool(host.get("ReadonlyRootfs")),
        "privileged": bool(host.get("Privileged")),
        "cap_drop": sorted(map(values.capability, host.get("CapDrop") or ())),
        "cap_add": sorted(map(values.capability, host.get("CapAdd") or ())),
        "devices": sorted(map(_device, host.get("Devices") or ())),
        "security_opt": sorted(map(values.security_option, host.get("SecurityOpt") or ())),
        "init": bool(host.get("Init")),
        "stop_signal": _signal(config.get("StopSignal")),
        "stop_timeout": config.get("StopTimeout"),
        "restart_policy": _restart_policy(host.get("RestartPolicy") or {}),
        "healthcheck": _healthcheck(config.get("Healthcheck")),
        "log_driver": log.get("Type") or "",
        "log_options": log.get("Config") or {},
        "labels": {name: value for name, value in labels.items() if name not in OWN_LABELS},
        "hosts": sorted(host.get("ExtraHosts") or ()),
    }


def endpoints(inspected: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """How a container is attached to its networks: name of the network → endpoint in the engine's form.

    The list of a running one also has networks that the engine refused to attach it to (a fixed address was taken);
    those are left out.
    """
    listed: Mapping[str, Any] = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    runs = (inspected.get("State") or {}).get("Status") in ("running", "paused")
    return {
        name: endpoint
        for name, endpoint in listed.items()
        if not runs or endpoint.get("EndpointID") or endpoint.get("NetworkID")
    }


def given_once(labels: Mapping[str, str]) -> list[str]:
    """Names of the variables that a container with these labels got as bootstrap_env."""
    return labels.get(LABEL_BOOTSTRAP, "").split()


def differing(want: Mapping[str, Any], have: Mapping[str, Any]) -> frozenset[str]:
    """The names of fields that are not as expected."""
    return frozenset(name for name, value in want.items() if not _same(name, value, have[name]))


def _same(name: str, want: Any, have: Any) -> bool:
    if name == "log_options":  # the engine adds the options of its own configuration
        return all(have.get(option) == value for option, value in want.items())
    if name == "ulimits":  # likewise
        return all(have.get(limit) == value for limit, value in want.items())
    return bool(want == have)


def environment(assignments: list[str] | None) -> dict[str, str]:
    """The environment from a list of ``NAME=value``; a name alone has no value to compare."""
    return {name: value for name, _sign, value in (text.partition("=") for text in assignments or ())}


def anonymous_volumes(inspected: Mapping[str, Any]) -> dict[str, str]:
    """Volumes that the engine made for the image's VOLUME instructions: path in the container → name."""
    declared = set(map(values.clean_path, inspected["Config"].get("Volumes") or ()))  # as the image spells them
    return {
        mount["Destination"]: mount["Name"]
        for mount in inspected.get("Mounts") or ()
        if mount["Type"] == "volume" and mount["Destination"] in declared and _ANONYMOUS_VOLUME.fullmatch(mount["Name"])
    }


def _mounts(inspected: Mapping[str, Any]) -> list[str]:
    anonymous = anonymous_volumes(inspected)
    result = []
    for mount in inspected.get("Mounts") or ():
        if mount["Destination"] in anonymous:
            continue
        source = mount["Name"] if mount["Type"] == "volume" else mount.get("Source", "")
        result.append(str(values.Mount(mount["Destination"], source, not mount["RW"])))
    return result


def _bindings(published: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (inside, binding.get("HostIp") or "", binding.get("HostPort") or "")
        for inside, bindings in published.items()
        for binding in bindings or ()
    ]


def _device(given: Mapping[str, str]) -> str:
    permissions = values.permissions(given.get("CgroupPermissions") or "")
    return str(values.Device(given["PathInContainer"], given["PathOnHost"], permissions))


def _port(binding: tuple[str, str, str]) -> str:
    inside, ip, outside = binding
    number, _slash, proto = inside.partition("/")
    if not outside.isdigit():  # a random port or a range of another tool's: never what we publish
        return f"{ip}:{outside}:{inside}"
    return str(values.Port(values.address("HostIp", ip) if ip else "", int(outside), int(number), proto or "tcp"))


def _network_mode(mode: str, attached: Mapping[str, Any]) -> str:
    if mode in ("host", "none"):
        return mode
    if mode in ("", "default", "bridge"):  # engines before and since 26.1
        return "bridge" if set(attached) <= {"bridge"} else "networks"
    return "networks" if _primary(mode, attached) in attached else mode  # container:…, or a network that it has left


def _primary(mode: str, attached: Mapping[str, Any]) -> str:
    """The name of the network that the container was made with; another tool may have given the ID."""
    return next((name for name, network in attached.items() if mode == network.get("NetworkID")), mode)


def _networks(attached: Mapping[str, Any], inspected: Mapping[str, Any]) -> dict[str, Any]:
    implied = {inspected["Id"][:12], inspected["Name"].lstrip("/"), inspected["Config"].get("Hostname")}
    result = {}
    for name, endpoint in attached.items():
        ipam = endpoint.get("IPAMConfig") or {}
        result[name] = {
            "aliases": sorted(set(endpoint.get("Aliases") or ()) - implied),
            "ipv4_address": ipam.get("IPv4Address") or "",
            "ipv6_address": ipam.get("IPv6Address") or "",
        }
    return result


def _cpus(host: Mapping[str, Any]) -> int:
    if host.get("NanoCpus"):
        return int(host["NanoCpus"])
    return int(host["CpuQuota"]) * 10**9 // int(host.get("CpuPeriod") or 100_000) if host.get("CpuQuota") else 0


def _restart_policy(policy: Mapping[str, Any]) -> str:
    name, retries = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{retries}" if retries else name


def _healthcheck(check: Mapping[str, Any] | None) -> dict[str, Any]:
    test = (check or {}).get("Test") or []
    if not check or not test:
        return {}
    if test == ["NONE"]:
        return {"test": test}
    names = {"Interval": "interval", "Timeout": "timeout", "Retries": "retries", "StartPeriod": "start_period"}
    return {"test": test, **{ours: check[theirs] for theirs, ours in names.items() if check.get(theirs)}}


def _signal(text: str | None) -> str:
    try:
        return values.stop_signal(text or "SIGTERM")
    except InvalidInput:  # an engine on another kernel may know more signals: compare as it stands
        return str(text)
