# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Engine API's request bodies for containers.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping

from .spec import ContainerSpec, Network


def creation(
    spec: ContainerSpec, labels: Mapping[str, str], restart: str, anonymous: Mapping[str, str]
) -> dict[str, Any]:
    """The body of ``POST /containers/create``.

    Only the first network can be named here (engines before API 1.44 refuse more); the others are
    connected before the start.

    :param labels: labels of ours, in addition to those asked for.
    :param restart: the restart policy to begin with.
    :param anonymous: volumes to keep using (path → name), unless the options mount something there.
    """
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in {**spec.env, **spec.bootstrap_env}.items()],
        "Labels": {**spec.labels, **labels},
        "ExposedPorts": {f"{port.container_port}/{port.proto}": {} for port in spec.ports},
        "HostConfig": _host(spec, restart, anonymous),
    }
    optional = {
        "Cmd": list(spec.command) or None,
        "User": spec.user,
        "Hostname": spec.hostname,
        "StopSignal": spec.stop_signal,
        "StopTimeout": spec.stop_timeout,
        "Healthcheck": _healthcheck(spec.healthcheck) or None,
    }
    body.update({name: value for name, value in optional.items() if value is not None})
    if spec.networks:
        first = spec.networks[0]
        body["NetworkingConfig"] = {"EndpointsConfig": {first.name: endpoint(first)}}
    return body


def _host(spec: ContainerSpec, restart: str, anonymous: Mapping[str, str]) -> dict[str, Any]:
    mounts = [
        {
            "Type": "volume" if mount.is_volume else "bind",
            "Source": mount.source,
            "Target": mount.target,
            "ReadOnly": mount.read_only,
        }
        for mount in sorted(spec.volumes)
    ]
    taken = {mount.target for mount in spec.volumes} | spec.tmpfs.keys()
    mounts += [
        {"Type": "volume", "Source": name, "Target": target, "ReadOnly": False}
        for target, name in sorted(anonymous.items())
        if target not in taken
    ]
    published: dict[str, list[dict[str, str]]] = {}
    for port in sorted(spec.ports):
        binding = {"HostIp": port.host_ip, "HostPort": str(port.host_port)}
        published.setdefault(f"{port.container_port}/{port.proto}", []).append(binding)
    host: dict[str, Any] = {
        # "default" is what engines of all versions read as the bridge.
        "NetworkMode": spec.networks[0].name if spec.networks else spec.network_mode.replace("bridge", "default"),
        "Mounts": mounts,
        "PortBindings": published,
        "Tmpfs": dict(spec.tmpfs),
        "Memory": spec.memory,
        "NanoCpus": spec.cpus,
        "Sysctls": dict(spec.sysctls),
        "ReadonlyRootfs": spec.read_only,
        "CapDrop": sorted(spec.cap_drop),
        "CapAdd": sorted(spec.cap_add),
        "Devices": [
            {"PathOnHost": one.source, "PathInContainer": one.inside, "CgroupPermissions": one.permissions}
            for one in sorted(spec.devices)
        ],
        "SecurityOpt": sorted(spec.security_opt),
        "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in sorted(spec.ulimits.items())],
        "ExtraHosts": [f"{name}:{ip}" for name, ip in spec.hosts.items()],
        "RestartPolicy": restart_policy(restart),
        "LogConfig": {"Type": spec.log_driver or "", "Config": dict(spec.log_options)},
    }
    if spec.shm_size is not None:
        host["ShmSize"] = spec.shm_size
    if spec.init is not None:
        host["Init"] = spec.init
    return host


def endpoint(network: Network) -> dict[str, Any]:
    """How a container is attached to a network."""
    ipam = {
        name: ip
        for name, ip in (("IPv4Address", network.ipv4_address), ("IPv6Address", network.ipv6_address))
        if ip
    }
    return {"Aliases": list(network.aliases), "IPAMConfig": ipam or None}


def endpoint_again(former: Mapping[str, Any]) -> dict[str, Any]:
    """How a container is attached to a network once more as it was.

    Without the MAC address: engines do not tell whether it was asked for or made up.

    :param former: the endpoint, as the engine reported it.
    """
    names = ("Aliases", "IPAMConfig", "Links", "DriverOpts", "GwPriority")
    return {name: former[name] for name in names if former.get(name)}


def update(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of ``POST /containers/{id}/update`` for fields that it can change."""
    body: dict[str, Any] = {}
    if "restart_policy" in fields:
        body["RestartPolicy"] = restart_policy(fields["restart_policy"])
    if "cpus" in fields:
        body["NanoCpus"] = fields["cpus"]
    if "memory" in fields:
        # Twice as much with swap is the engine's own default; it refuses memory beyond the old sum.
        body.update(Memory=fields["memory"], MemorySwap=2 * fields["memory"])
    return body


def restart_policy(text: str) -> dict[str, Any]:
    """A restart policy such as ``on-failure:3`` in the API's form."""
    name, _colon, retries = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(retries or 0)}


def _healthcheck(check: Mapping[str, Any]) -> dict[str, Any]:
    # test → Test, start_period → StartPeriod
    return {name.title().replace("_", ""): value for name, value in check.items()}
