# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container engine in memory: as much of it as the container module uses, with faults on demand.

It answers in the form of Engine 20.10 and is itself checked against the real one, in that the
integration tests run the same specs there.
"""
from __future__ import annotations

import itertools
import posixpath
import re
from copy import deepcopy
from typing import Any

from docker.errors import APIError

IMAGE = {
    "Id": "sha256:aaaa",
    "Config": {
        "Cmd": ["serve"],
        "Entrypoint": ["/entry"],
        "Env": ["PATH=/bin", "LANG=C"],
        "User": "postgres",
        "Labels": {"of": "image"},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
    },
}


class Killed(BaseException):
    """The module was killed: nothing of it runs any more."""


class Response:
    def __init__(self, value: Any = None, status: int = 200) -> None:
        self.value = value
        self.status_code = status
        self.reason = "fake"


class FakeEngine:
    """Stands in for ``docker.APIClient``, and for a connection to look at things.

    :ivar requests: each request made, as ``VERB path``.
    :ivar fail_at: number of the changing request that is refused, once, counted from 0.
    :ivar kill_at: number of the changing request from which on nothing is done any more.
    :ivar limits: whether its kernel can limit memory.
    :ivar taken: addresses that something else has in its networks.
    """

    def __init__(self) -> None:
        self.boxes: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.images: dict[str, dict[str, Any]] = {"img": deepcopy(IMAGE)}
        self.requests: list[str] = []
        self.changes = 0
        self.fail_at: int | None = None
        self.kill_at: int | None = None
        self.start_fault: str | None = None
        self.limits = True
        self.taken: set[str] = set()
        self.timeout = 0.0
        self._ids = itertools.count(1)

    # --- what tests look at ----------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All there is, without IDs, which a restored container keeps anyway."""
        return deepcopy({"containers": self.boxes, "networks": self.networks, "volumes": self.volumes})

    def names(self) -> list[str]:
        return sorted(container["Name"].lstrip("/") for container in self.boxes.values())

    def by_name(self, name: str) -> dict[str, Any]:
        return next(entry for entry in self.boxes.values() if entry["Name"] == f"/{name}")

    # --- the SDK's low-level client --------------------------------------------------------------

    def close(self) -> None:
        """Nothing: it is here."""

    def _url(self, path: str, *parts: str) -> str:
        return path.format(*parts)

    def _result(self, response: Response, json: bool = False) -> Any:
        self._raise_for_status(response)
        return deepcopy(response.value)

    def _raise_for_status(self, response: Response) -> None:
        if response.status_code >= 400:
            raise APIError("refused", response=response, explanation=str(response.value))

    def _get(self, url: str, **_: Any) -> Response:
        self.requests.append(f"GET {url}")
        if url == "/info":
            return Response({"MemoryLimit": self.limits})
        kind, name = re.fullmatch(r"/(\w+)/([^/]+)(?:/json)?", url).groups()  # type: ignore[union-attr]
        found = self._find(name) if kind == "containers" else getattr(self, kind).get(name)
        return Response(found) if found is not None else Response("no such thing", 404)

    def _post(self, url: str, params: dict[str, Any]) -> Response:
        if not self._change(f"POST {url}"):
            return Response("a fault of the test's", 500)
        _root, kind, name, verb = url.split("/")
        container = self._find(name)
        if container is None:
            return Response("no such container", 404)
        if verb == "start":
            return self._start(container)
        if verb == "stop":
            self._status(container, "exited")
        elif verb == "unpause":
            self._status(container, "running")
        elif verb == "rename":
            if params["name"] in self.names():
                return Response("name in use", 409)
            container["Name"] = "/" + params["name"]
        return Response()

    def _post_json(self, url: str, data: dict[str, Any]) -> Response:
        if not self._change(f"POST {url}"):
            return Response("a fault of the test's", 500)
        _root, kind, name, verb = url.split("/")
        if verb == "update":
            container = self._find(name)
            if container is None:
                return Response("no such container", 404)
            warnings = self._discarded(data)
            container["HostConfig"].update({key: value for key, value in data.items() if value})
            return Response({"Warnings": warnings})
        assert verb == "connect"
        return self._connect(self.boxes[data["Container"]], name, data["EndpointConfig"])

    def _delete(self, url: str) -> Response:
        if not self._change(f"DELETE {url}"):
            return Response("a fault of the test's", 500)
        path, _mark, query = url.partition("?")
        _root, kind, name = path.split("/")
        if kind == "containers":
            container = self._find(name)
            if container is None:
                return Response("no such container", 404)
            del self.boxes[container["Id"]]
            if "v=1" in query:
                for mount in container["Mounts"]:
                    if mount["anonymous"]:
                        self.volumes.pop(mount["Name"], None)
            return Response()
        things = getattr(self, kind)
        key = next((key for key, thing in things.items() if name in (key, thing.get("Id"))), None)
        if key is None:
            return Response("no such thing", 404)
        if kind == "networks" and any(
            key in box["NetworkSettings"]["Networks"] and box["State"]["Status"] == "running"
            for box in self.boxes.values()
        ):
            return Response("network has active endpoints", 403)
        if kind == "volumes" and any(mount["Name"] == key for box in self.boxes.values() for mount in box["Mounts"]):
            return Response("volume is in use", 409)
        del things[key]
        return Response()

    def create_container_from_config(self, config: dict[str, Any], name: str) -> dict[str, Any]:
        self._or_refuse(f"POST create {name}")
        if name in self.names():
            raise APIError("refused", response=Response(status=409), explanation="name in use")
        identity = f"{next(self._ids):064x}"
        config = deepcopy(config)
        warnings = self._discarded(config["HostConfig"])
        self.boxes[identity] = self._inspection(identity, name, config)
        return {"Id": identity, "Warnings": warnings}

    def create_network(self, name: str, labels: dict[str, str], **_: Any) -> dict[str, Any]:
        self._or_refuse(f"POST network {name}")
        if name in self.networks:
            raise APIError("refused", response=Response(status=409), explanation="network exists")
        self.networks[name] = {"Name": name, "Id": f"net-{name}", "Labels": labels}
        return {"Id": f"net-{name}"}

    def create_volume(self, name: str, **_: Any) -> None:
        self._or_refuse(f"POST volume {name}")
        self.volumes[name] = {"Name": name}

    def disconnect_container_from_network(self, container: str, name: str) -> None:
        self._or_refuse(f"POST disconnect {name}")
        box = self.boxes[container]
        listed = box["NetworkSettings"]["Networks"]
        if name not in listed or (box["State"]["Status"] == "running" and not listed[name]["EndpointID"]):
            raise APIError("refused", response=Response(status=500), explanation="is not connected to network")
        del listed[name]

    def containers(self, filters: dict[str, str] | None = None, **_: Any) -> list[dict[str, Any]]:
        self.requests.append("GET /containers")
        return [
            {"Names": [entry["Name"]], "Id": entry["Id"], "Ports": entry["Ports"]}
            for entry in self.boxes.values()
            if not filters or self._uses(entry, **filters)
        ]

    def _uses(self, box: dict[str, Any], volume: str = "", network: str = "", status: str = "") -> bool:
        return (
            volume in [mount["Name"] for mount in box["Mounts"]]
            or network in box["NetworkSettings"]["Networks"]
            or status == box["State"]["Status"]
        )

    def logs(self, container: str, **_: Any) -> bytes:
        return b'{"level": "fatal", "message": "it died"}\n'

    # --- inside ----------------------------------------------------------------------------------

    def _change(self, what: str) -> bool:
        number, self.changes = self.changes, self.changes + 1
        if self.kill_at is not None and number >= self.kill_at:
            raise Killed(what)
        self.requests.append(what)
        return number != self.fail_at

    def _or_refuse(self, what: str) -> None:
        if not self._change(what):
            raise APIError("refused", response=Response(status=500), explanation="a fault of the test's")

    def _discarded(self, wanted: dict[str, Any]) -> list[str]:
        if self.limits or not wanted.get("Memory"):
            return []
        wanted["Memory"] = 0
        return [
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded."
        ]

    def _find(self, name: str) -> dict[str, Any] | None:
        return next((c for c in self.boxes.values() if name in (c["Id"], c["Name"].lstrip("/"))), None)

    def _status(self, container: dict[str, Any], status: str, exit_code: int = 0) -> None:
        container["State"].update(Status=status, ExitCode=exit_code)
        for name, endpoint in container["NetworkSettings"]["Networks"].items():
            endpoint["EndpointID"] = f"endpoint-{name}" if status == "running" else ""

    def _start(self, container: dict[str, Any]) -> Response:
        # Only what the module made in this test has the fault, not what it replaces.
        if self.start_fault and container["Config"]["Labels"].get("faulty"):
            return Response(self.start_fault, 500)
        if container["Config"]["Cmd"] == ["false"]:
            self._status(container, "exited", 1)
        elif container["State"]["Status"] != "running":
            running = [entry for entry in self.boxes.values() if entry["State"]["Status"] == "running"]
            in_use = {mount["Name"] for entry in running for mount in entry["Mounts"]}
            shared = in_use & {mount["Name"] for mount in container["Mounts"]}
            assert not shared, f"two running containers have the volumes {shared}"
            self._status(container, "running")
        return Response()

    def _connect(self, container: dict[str, Any], name: str, endpoint: dict[str, Any]) -> Response:
        listed = container["NetworkSettings"]["Networks"]
        running = container["State"]["Status"] == "running"
        if running and listed.get(name, {}).get("EndpointID"):
            return Response("endpoint already exists in network", 403)
        if running and (endpoint.get("IPAMConfig") or {}).get("IPv4Address") in self.taken:
            # What the container asks for, it has in its list from then on, as Docker does it.
            listed.setdefault(name, {**endpoint, "NetworkID": "", "EndpointID": ""})
            return Response("Address already in use", 403)
        self._attach(container, name, endpoint)
        if running:
            listed[name]["EndpointID"] = f"endpoint-{name}"
        return Response({})

    def _attach(self, container: dict[str, Any], name: str, endpoint: dict[str, Any]) -> None:
        container["NetworkSettings"]["Networks"][name] = {
            "Aliases": [*dict.fromkeys([*endpoint.get("Aliases", []), container["Id"][:12]])],
            "IPAMConfig": endpoint.get("IPAMConfig"),
            "Links": endpoint.get("Links"),
            "NetworkID": f"net-{name}",
            "EndpointID": "",
        }

    @staticmethod
    def _merged(asked: dict[str, Any] | None, images: dict[str, Any] | None) -> dict[str, Any] | None:
        """A health check: 0 counts as not asked for."""
        if not asked or not images:
            return asked or images
        return {name: asked.get(name) or images.get(name) for name in {*asked, *images}}

    def _inspection(self, identity: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        image = self.images[body["Image"]]
        base, host = image["Config"], body["HostConfig"]
        environment = dict(text.split("=", 1) for text in [*base["Env"], *body["Env"]])
        mounts = [
            {
                "Type": mount["Type"],
                "Name": mount["Source"],
                "Source": mount["Source"],
                "Destination": mount["Target"],
                "RW": not mount["ReadOnly"],
                "anonymous": False,
            }
            for mount in host["Mounts"]
        ]
        declared = {posixpath.normpath(path) for path in base["Volumes"]}
        for target in declared - {mount["Destination"] for mount in mounts} - set(host["Tmpfs"]):
            made = f"{next(self._ids):064x}"
            self.volumes[made] = {"Name": made}
            mounts.append(
                {"Type": "volume", "Name": made, "Source": "x", "Destination": target, "RW": True, "anonymous": True}
            )
        container: dict[str, Any] = {
            "Id": identity,
            "Name": f"/{name}",
            "Image": image["Id"],
            "Created": "2026-01-01T00:00:00Z",
            "RestartCount": 0,
            "State": {"Status": "created", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00.5Z"},
            "Mounts": mounts,
            "Ports": [],
            "NetworkSettings": {"Networks": {}},
            "HostConfig": {"ShmSize": 67108864, **host, "LogConfig": host["LogConfig"]},
            "Config": {
                "Image": body["Image"],
                "Cmd": body.get("Cmd") or base["Cmd"],
                "Entrypoint": base["Entrypoint"],
                "Env": [f"{key}={value}" for key, value in environment.items()],
                "User": body.get("User", base["User"]),
                "Hostname": body.get("Hostname", identity[:12]),
                "Labels": {**base["Labels"], **body["Labels"]},
                "Volumes": base["Volumes"],
                "StopSignal": body.get("StopSignal", base["StopSignal"]),
                "StopTimeout": body.get("StopTimeout"),
                "Healthcheck": self._merged(body.get("Healthcheck"), base.get("Healthcheck")),
            },
        }
        endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
        for network, endpoint in endpoints.items():
            self._attach(container, network, endpoint)
        if not endpoints:
            container["NetworkSettings"]["Networks"]["bridge"] = {"Aliases": None, "IPAMConfig": None, "EndpointID": ""}
        return container
