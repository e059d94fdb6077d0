# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option by itself on a real engine: given, it arrives; changed, it is seen and mended; taken away, likewise."""
from __future__ import annotations

from typing import Any, Callable

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import NameConflict
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_apply, container_decide, spec
from container_options import params, run

BOX = "howdah-container-box"


def wish(**given: Any) -> dict[str, Any]:
    """A container that is made and not started: what an option does, other tests look at."""
    return params(name=BOX, image="debian:bookworm", timeout=30.0, state="present", wait=False, **given)


# Option, two values of it, where the engine tells of it, and what it tells of the second; None for what it has without.
CASES: list[tuple[str, Any, Any, Callable[[dict[str, Any]], Any], Any]] = [
    ("command", ["true"], ["sleep", "1"], lambda i: i["Config"]["Cmd"], ["sleep", "1"]),
    ("env", {"A": "1", "B": "2"}, {"A": "1"}, lambda i: "B=2" in i["Config"]["Env"], False),
    ("user", "1:1", "2:2", lambda i: i["Config"]["User"], "2:2"),
    ("hostname", "one", "two", lambda i: i["Config"]["Hostname"], "two"),
    ("volumes", ["howdah-container-v:/v", "/tmp:/t"], ["/tmp:/t:ro"],
     lambda i: {m["Destination"]: m["RW"] for m in i["Mounts"]}, {"/t": False}),
    ("tmpfs", ["/a", "/b:size=1m"], ["/a:size=2m"], lambda i: i["HostConfig"]["Tmpfs"], {"/a": "size=2m"}),
    ("ports", ["127.0.0.1:54999:1"], ["[::1]:54999:1"],
     lambda i: [b["HostIp"] for b in i["HostConfig"]["PortBindings"]["1/tcp"]], ["::1"]),
    ("shm_size", "64m", "65m", lambda i: i["HostConfig"]["ShmSize"], 65 << 20),
    ("memory", "64m", "65m", lambda i: i["HostConfig"]["Memory"], 65 << 20),
    ("cpus", 0.5, 0.25, lambda i: i["HostConfig"]["NanoCpus"], 250_000_000),
    ("ulimits", ["nofile=10:20"], ["nofile=10:21"], lambda i: i["HostConfig"]["Ulimits"][0]["Hard"], 21),
    ("sysctls", {"net.core.somaxconn": "10"}, {"net.core.somaxconn": "11"}, lambda i: i["HostConfig"]["Sysctls"],
     {"net.core.somaxconn": "11"}),
    ("read_only", True, False, lambda i: i["HostConfig"]["ReadonlyRootfs"], False),
    ("cap_drop", ["KILL", "CHOWN"], ["KILL"], lambda i: len(i["HostConfig"]["CapDrop"]), 1),
    ("cap_add", ["SYS_NICE", "CHOWN"], ["CHOWN"], lambda i: len(i["HostConfig"]["CapAdd"]), 1),
    ("devices", ["/dev/null:/dev/other"], ["/dev/null:/dev/other:r"],
     lambda i: [d["CgroupPermissions"] for d in i["HostConfig"]["Devices"]], ["r"]),
    ("security_opt", ["no-new-privileges"], [], lambda i: i["HostConfig"]["SecurityOpt"] or [], []),
    ("init", True, False, lambda i: i["HostConfig"]["Init"], False),
    ("stop_signal", "SIGINT", "SIGQUIT", lambda i: i["Config"]["StopSignal"], "SIGQUIT"),
    ("stop_timeout", 3, 4, lambda i: i["Config"]["StopTimeout"], 4),
    ("restart_policy", "always", "on-failure:3",
     lambda i: (i["HostConfig"]["RestartPolicy"]["Name"], i["HostConfig"]["RestartPolicy"]["MaximumRetryCount"]),
     ("on-failure", 3)),
    ("healthcheck", {"test": "true", "interval": "5s"}, {"test": "true", "interval": "6s"},
     lambda i: i["Config"]["Healthcheck"]["Interval"], 6 * 10**9),
    ("log_driver", "json-file", "local", lambda i: i["HostConfig"]["LogConfig"]["Type"], "local"),
    ("log_options", {"max-size": "1m"}, {"max-size": "2m"}, lambda i: i["HostConfig"]["LogConfig"]["Config"],
     {"max-size": "2m"}),
    ("labels", {"a": "1", "b": "2"}, {"a": "1"}, lambda i: "b" in i["Config"]["Labels"], False),
    ("hosts", {"x": "127.0.0.2"}, {"x": "127.0.0.3"}, lambda i: i["HostConfig"]["ExtraHosts"], ["x:127.0.0.3"]),
    ("network_mode", "none", "host", lambda i: i["HostConfig"]["NetworkMode"], "host"),
    ("networks", [{"name": "howdah-container-n1"}, {"name": "howdah-container-n2"}], [{"name": "howdah-container-n1"}],
     lambda i: set(i["NetworkSettings"]["Networks"]), {"howdah-container-n1"}),
]  # fmt: skip
IN_PLACE = {"memory", "cpus", "restart_policy", "networks"}


@pytest.mark.parametrize(("option", "first", "second", "told", "expected"), CASES, ids=[case[0] for case in CASES])
def test_an_option_is_set_changed_and_taken_away(
    engine: Any, option: str, first: Any, second: Any, told: Callable[[dict[str, Any]], Any], expected: Any
) -> None:
    run(engine, wish(**{option: first}))
    before = engine.inspect_container(BOX)
    assert told(before) != expected
    changed = wish(**{option: second})
    checked = run(engine, changed, check_mode=True)
    assert checked["changed"] and told(engine.inspect_container(BOX)) == told(before)
    assert run(engine, changed) == checked
    after = engine.inspect_container(BOX)
    assert told(after) == expected
    assert (after["Id"] == before["Id"]) is (option in IN_PLACE), checked["actions"]
    # The diff names the option, and the step says why.
    assert option in checked["diff"]["after"]
    assert any(option in action or "network" in action for action in checked["actions"]), checked["actions"]
    assert not run(engine, changed)["changed"]
    run(engine, wish())
    assert not run(engine, wish())["changed"]


def test_what_somebody_changed_is_mended_told_or_left(engine: Any) -> None:
    options = wish(env={"A": "1"}, labels={"a": "1"})
    run(engine, options)
    engine.remove_container(BOX)
    # As another hand would make it anew: all labels as they were, another environment.
    labels = run_labels(engine, options)
    made = engine.create_container("debian:bookworm", name=BOX, environment=["A=other"], labels=labels)
    assert run(engine, {**options, "drift": "ignore"})["actions"] == []
    assert run(engine, {**options, "drift": "warn"})["actions"] == []
    assert run(engine, options, check_mode=True)["actions"] == [f"recreate container {BOX}: env"]
    assert engine.inspect_container(BOX)["Id"] == made["Id"]
    run(engine, options)
    assert "A=1" in engine.inspect_container(BOX)["Config"]["Env"]


def run_labels(engine: Any, options: dict[str, Any]) -> dict[str, str]:
    """The labels that the module gives to a container with these options."""
    run(engine, options)
    labels: dict[str, str] = engine.inspect_container(BOX)["Config"]["Labels"]
    engine.remove_container(BOX)
    return labels


def test_a_name_that_is_taken_meanwhile_leaves_everything_as_it_was(engine: Any, things: Any) -> None:
    given = wish(volumes=["howdah-container-v:/v"], networks=[{"name": "howdah-container-n1"}])
    asked = spec.parse(given)
    _observed, decided = container_decide.decide(engine, asked, Deadline(10))
    other = engine.create_container("debian:bookworm", name=BOX)
    before = things()
    with pytest.raises(NameConflict, match=f"The name {BOX} was taken by another container in the meantime"):
        container_apply.apply(engine, asked, decided, Deadline(10))
    assert things() == before
    assert engine.inspect_container(BOX)["Id"] == other["Id"]


def test_volumes_go_only_when_they_are_named(engine: Any, things: Any) -> None:
    options = wish(volumes=["howdah-container-v:/v", "howdah-container-w:/w"])
    run(engine, options)
    run(engine, params(name=BOX, state="absent", image=None))
    assert things()["volumes"] == {"howdah-container-v", "howdah-container-w"}
    run(engine, params(name=BOX, state="absent", image=None, remove_volumes=["howdah-container-v"]))
    assert things()["volumes"] == {"howdah-container-w"}
