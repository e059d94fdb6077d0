# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the container module: how they are read, and that equal wishes are equal."""
from __future__ import annotations

import random
from typing import Any, Callable

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import bodies, fields, spec, values
from container_options import given_options, params
from hypothesis import given
from hypothesis import strategies as st

IPS = st.ip_addresses().map(str)


@given(st.none() | IPS, st.integers(1, 65535), st.integers(1, 65535), st.sampled_from(["", "/tcp", "/udp", "/sctp"]))
def test_ports_read_what_they_write(ip: str | None, outside: int, inside: int, proto: str) -> None:
    prefix = "" if ip is None else f"[{ip}]:" if ":" in ip else f"{ip}:"
    read = values.port(f"{prefix}{outside}:{inside}{proto}")
    assert read == values.Port(ip or "127.0.0.1", outside, inside, proto[1:] or "tcp")
    assert values.port(str(read)) == read


@given(st.integers(0, 10**15))
def test_durations_and_sizes_read_numbers(number: int) -> None:
    assert values.duration("x", f"{number}s") == values.duration("x", str(number)) == number * 10**9
    assert values.size("x", str(number)) == values.size("x", f"{number} b") == number
    assert values.size("x", f"{number}k") == values.size("x", f"{number}KiB") == number * 1024


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1.5s", 1.5), ("0", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert values.duration("x", text) == int(seconds * 10**9)


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (values.port, "5432"), (values.port, "0:5432"), (values.port, "70000:1"), (values.port, "::1:1:1"),
        (lambda text: values.port(f"{text}:1:1"), "300.1.1.1"), (values.port, "1-2:1-2"), (values.port, "1:1/icmp"),
        (values.port, ""),
        (values.mount, "data"), (values.mount, "data:rel"), (values.mount, "./rel:/x"), (values.mount, "a:/x:z"),
        (values.mount, "/a:/b:ro:rw"), (values.mount, ":/x"), (values.tmpfs, "run"),
        (values.device, "dev"), (values.device, "/a:/b:/c"), (values.device, "/a:rx"), (values.device, "/a:rr"),
        (values.restart_policy, "on"),
        (values.restart_policy, "on-failure:0"), (values.ulimit, "nofile"), (values.ulimit, "nofile=a"),
        (values.stop_signal, "SIGNOPE"), (values.stop_signal, "999"),
        (lambda text: values.size("shm_size", text), "12x"), (lambda text: values.size("shm_size", text), ""),
        (lambda text: values.duration("interval", text), "5 s"), (lambda text: values.duration("interval", text), ""),
        (lambda text: values.duration("interval", text), "1m30"), (lambda text: values.address("hosts", text), "db"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(reader: Callable[[str], Any], text: str) -> None:
    with pytest.raises(InvalidInput) as failure:
        reader(text)
    assert repr(text) in failure.value.message


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "-x"}, "name must"),
        ({"name": "a.howdah-old"}, "name must"),
        ({"image": None, "env": {"A": "1"}}, "image is missing"),
        ({"stop_timeout": -1}, "stop_timeout must be a number of seconds, 0 or more; got -1."),
        ({"stop_timeout": -1, "image": None, "state": "absent"}, "stop_timeout must"),
        ({"remove_volumes": ["a"]}, "state=absent only"),
        ({"remove_networks": ["a"]}, "state=absent only"),
        ({"env": {"A": True}}, "value of A in env is a bool"),
        ({"env": {"A": 1.10}}, "value of A in env is a float"),
        ({"env": {"A": None}}, "value of A in env is a NoneType"),
        ({"env": {"A": ["x"]}}, "value of A in env is a list"),
        ({"bootstrap_env": {"A": "x\0y"}}, "NUL"),
        ({"env": {"": "x"}}, "empty name"),
        ({"env": {"A=B": "x"}}, "'='"),
        ({"env": {"A": "x"}, "bootstrap_env": {"A": "y"}}, "both env and bootstrap_env"),
        ({"networks": [{"name": "n"}], "network_mode": "host"}, "exclude each other"),
        ({"network_mode": "host", "ports": ["1:1"]}, "network_mode=host"),
        ({"volumes": ["a:/x"], "tmpfs": ["/x/"]}, "two entries for /x"),
        ({"ports": ["1:1", "1:2"]}, "twice 127.0.0.1 port 1/tcp"),
        ({"networks": [{"name": "n"}, {"name": "n"}]}, "two entries for n"),
        ({"labels": {spec.LABEL_SPEC: "x"}}, "belong to this module"),
        ({"healthcheck": {"test": {}}}, "healthcheck.test"),
        ({"healthcheck": {"test": "x", "interval": "soon"}}, "healthcheck.interval"),
    ],
)
def test_options_that_contradict_are_refused_without_showing_values(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as failure:
        spec.parse(params(**options))
    assert told in failure.value.message
    assert "\0" not in failure.value.message


@given(given_options("vol"), st.randoms(use_true_random=False))
def test_the_order_of_lists_and_keys_has_no_meaning(options: dict[str, Any], chance: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        items = list(value.items()) if isinstance(value, dict) else list(value)
        chance.shuffle(items)
        return dict(items) if isinstance(value, dict) else items

    unordered = (
        "env", "labels", "hosts", "sysctls", "volumes", "tmpfs", "cap_drop", "devices", "ulimits", "security_opt",
    )  # fmt: skip
    other = {name: shuffled(value) if name in unordered else value for name, value in options.items()}
    one, two = (fields.asked(spec.parse(params(**each)).spec) for each in (options, other))  # type: ignore[arg-type]
    assert spec.digests(one, "salt") == spec.digests(two, "salt")


@given(given_options("vol"), given_options("vol"))
def test_digests_tell_exactly_the_fields_that_differ(one: dict[str, Any], two: dict[str, Any]) -> None:
    first, second = (fields.asked(spec.parse(params(**each)).spec) for each in (one, two))  # type: ignore[arg-type]
    labels = spec.own_labels(first, {}, "salt")
    differing = {name for name in {*first, *second} if (first.get(name) or None) != (second.get(name) or None)}
    assert spec.asked_differently(second, labels) == differing
    assert spec.asked_differently(first, labels) == frozenset()
    assert spec.asked_differently(second, {}) == frozenset()
    assert spec.asked_differently(second, {**labels, spec.LABEL_SPEC: "1:broken"}) == frozenset()
    assert spec.asked_differently(second, {**labels, spec.LABEL_SPEC: "2:{}"}) == frozenset()


def test_digests_are_salted() -> None:
    assert spec.digests({"env": {"A": "1"}}, "one") != spec.digests({"env": {"A": "1"}}, "two")


@given(given_options("vol"))
def test_the_request_body_names_no_secret_but_in_the_environment(options: dict[str, Any]) -> None:
    parsed = spec.parse(params(**options, bootstrap_env={"ONCE": "canary55"})).spec
    assert parsed is not None
    assert "canary55" not in repr(parsed)
    labels = spec.own_labels(fields.asked(parsed), parsed.bootstrap_env, "salt")
    body = bodies.creation(parsed, labels, "no", {})
    assert "ONCE=canary55" in body.pop("Env")
    assert "canary55" not in str(body)


@pytest.mark.parametrize(
    ("inspected", "field", "value"),
    [
        ({"HostConfig": {"NetworkMode": "bridge"}}, "network_mode", "bridge"),
        ({"HostConfig": {"NetworkMode": "default"}}, "network_mode", "bridge"),
        ({"HostConfig": {"NetworkMode": "host"}}, "network_mode", "host"),
        ({"HostConfig": {"NetworkMode": "container:abc"}}, "network_mode", "container:abc"),
        ({"HostConfig": {"CapAdd": ["CAP_CHOWN", "kill"]}}, "cap_add", ["CHOWN", "KILL"]),
        ({"HostConfig": {"SecurityOpt": ["no-new-privileges=true", "seccomp:unconfined"]}}, "security_opt",
         ["no-new-privileges", "seccomp=unconfined"]),
        ({"HostConfig": {"Devices": [
            {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "mwr"}]}},
         "devices", ["/dev/a:/dev/b:rwm"]),
        ({"HostConfig": {"PortBindings": {"5/tcp": [{"HostIp": "0:0::1", "HostPort": "7"}]}}}, "ports",
         ["[::1]:7:5/tcp"]),
        ({"HostConfig": {"PortBindings": {"5/tcp": [{"HostIp": "", "HostPort": ""}]}}}, "ports", ["::5/tcp"]),
        ({"HostConfig": {"CpuQuota": 150000, "CpuPeriod": 100000}}, "cpus", 1500000000),
        ({"HostConfig": {"RestartPolicy": {"Name": "", "MaximumRetryCount": 0}}}, "restart_policy", "no"),
        ({"HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}}, "restart_policy",
         "on-failure:3"),
        ({"Config": {"StopSignal": ""}}, "stop_signal", "SIGTERM"),
        ({"Config": {"StopSignal": "2"}}, "stop_signal", "SIGINT"),
        ({"Config": {"StopSignal": "37"}}, "stop_signal", "37"),
        ({"Config": {"Env": ["A=b=c", "D="]}}, "env", {"A": "b=c", "D": ""}),
        ({"Config": {"Healthcheck": {"Test": ["NONE"], "Interval": 5}}}, "healthcheck", {"test": ["NONE"]}),
        ({"Config": {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 5, "Retries": 0}}}, "healthcheck",
         {"test": ["CMD", "x"], "interval": 5}),
        ({"Mounts": [{"Type": "bind", "Source": "/a", "Destination": "/b", "RW": False}]}, "volumes", ["/a:/b:ro"]),
    ],
)  # fmt: skip
def test_what_engines_report_is_evened_out(inspected: dict[str, Any], field: str, value: Any) -> None:
    whole = {
        "Id": "c" * 64, "Name": "/x", "Image": "sha256:a", "Mounts": inspected.get("Mounts", []),
        "Config": inspected.get("Config", {}), "HostConfig": inspected.get("HostConfig", {}),
        "NetworkSettings": {"Networks": {}},
    }  # fmt: skip
    assert fields.observed(whole)[field] == value
