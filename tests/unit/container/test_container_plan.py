# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container module against an engine in memory: every order of states, faults at every request."""
from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    ContainerFailed,
    ContainerNotFound,
    DriftRefused,
    EngineError,
    HowdahError,
    ImageNotFound,
    InvalidInput,
    LimitDiscarded,
    PortTaken,
    VolumeInUse,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import reconcile
from container_fake_engine import FakeEngine, Killed
from container_options import given_options, params, run
from hypothesis import given, settings
from hypothesis import strategies as st

NET = [{"name": "net1", "aliases": ["db"]}, {"name": "net2"}]
OLD = params(env={"A": "old"}, volumes=["vol:/data"], networks=NET, restart_policy="always")
NEW = params(
    env={"A": "new"}, labels={"faulty": "1"}, volumes=["vol:/data", "vol2:/more"], networks=[*NET, {"name": "net3"}],
    restart_policy="unless-stopped",
)  # fmt: skip
STATES = st.sampled_from(["present", "started", "stopped", "restarted"])


def engine_with(*options: dict[str, Any]) -> FakeEngine:
    engine = FakeEngine()
    for option in options:
        run(engine, option)
    engine.changes = 0
    engine.requests.clear()
    return engine


@settings(max_examples=300, deadline=None)
@given(given_options("vol"), STATES, given_options("vol"), STATES, st.sampled_from([[], NET, NET[::-1]]))
def test_check_tells_what_the_run_does_and_a_second_run_does_nothing(
    first: dict[str, Any], state1: str, second: dict[str, Any], state2: str, networks: list[dict[str, Any]]
) -> None:
    engine = FakeEngine()
    for options in (params(**first, state=state1), params(**second, state=state2, networks=networks)):
        before = engine.state()
        checked = run(engine, options, check_mode=True)
        assert engine.state() == before, "check mode has changed something"
        assert run(engine, options) == checked
        again = run(engine, options, check_mode=True)
        if options["state"] == "restarted":
            assert again["actions"] == ["restart container box"]
        else:
            assert not again["changed"], again
        assert engine.names() == ["box"]
    for name in ("bootstrap", "salt", "spec"):
        assert f"io.howdah.container.{name}" in engine.by_name("box")["Config"]["Labels"]


def test_an_unchanged_container_costs_two_requests_besides_the_ping() -> None:
    engine = engine_with(OLD)
    assert not run(engine, OLD)["changed"]
    assert engine.requests == ["GET /containers/box/json", "GET /images/img/json"]


@pytest.mark.parametrize("number", range(40))
def test_a_fault_at_any_request_of_a_replacement_leaves_everything_as_it_was(number: int) -> None:
    engine = engine_with(OLD)
    before = engine.state()
    engine.fail_at = number
    if number >= changes_of(OLD, NEW):
        run(engine, NEW)
        return
    try:
        run(engine, NEW)
    except HowdahError as error:
        assert "not_undone" not in error.details
        if engine.names() == ["box"] and engine.by_name("box")["Config"]["Labels"].get("faulty"):
            # The new one had proved to serve: what was left to do, the next run does.
            assert engine.by_name("box")["State"]["Status"] == "running"
        elif number < changes_of(OLD, NEW) - 2:
            assert engine.state() == before
    engine.fail_at = None
    run(engine, NEW)
    assert_converged(engine)


@pytest.mark.parametrize("number", range(40))
@pytest.mark.parametrize("then", ["the same wish", "the former wish"])
def test_killed_at_any_request_the_next_run_converges_without_leftovers(number: int, then: str) -> None:
    engine = engine_with(OLD)
    engine.kill_at = number
    if number >= changes_of(OLD, NEW):
        run(engine, NEW)
        return
    with pytest.raises(Killed):
        run(engine, NEW)
    engine.kill_at = None
    if then == "the same wish":
        run(engine, NEW)
        assert_converged(engine)
    else:
        run(engine, OLD)
        assert engine.names() == ["box"]
        assert engine.by_name("box")["State"]["Status"] == "running"
        assert engine.by_name("box")["HostConfig"]["RestartPolicy"]["Name"] == "always"
        assert not run(engine, OLD)["changed"]


@pytest.mark.parametrize("number", range(20))
def test_a_fault_at_any_request_of_a_creation_leaves_nothing(number: int) -> None:
    engine = FakeEngine()
    engine.fail_at = number
    if number >= changes_of(None, OLD):
        run(engine, OLD)
        return
    with pytest.raises(HowdahError):
        run(engine, OLD)
    assert engine.state() == FakeEngine().state()


def changes_of(old: dict[str, Any] | None, new: dict[str, Any]) -> int:
    engine = engine_with(*([old] if old else []))
    run(engine, new)
    return engine.changes


def assert_converged(engine: FakeEngine) -> None:
    assert engine.names() == ["box"]
    box = engine.by_name("box")
    assert box["State"]["Status"] == "running"
    assert "A=new" in box["Config"]["Env"]
    assert box["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert set(box["NetworkSettings"]["Networks"]) == {"net1", "net2", "net3"}
    assert not run(engine, NEW)["changed"]


def test_a_new_container_that_dies_makes_room_for_the_former_one() -> None:
    engine = engine_with(OLD)
    before = engine.state()
    with pytest.raises(ContainerFailed) as failure:
        run(engine, {**NEW, "command": ["false"]})
    assert engine.state() == before
    assert "exited with code 1" in failure.value.message
    assert failure.value.message.endswith("FATAL: it died. The former container runs again.")
    assert failure.value.details["rolled_back"] is True
    assert failure.value.details["exit_code"] == 1


def test_a_new_container_that_dies_is_kept_when_asked_for() -> None:
    engine = engine_with(OLD)
    with pytest.raises(ContainerFailed, match="runs again. The failed container is kept for .* as box.howdah-new."):
        run(engine, {**NEW, "command": ["false"], "keep_on_failure": True})
    assert engine.names() == ["box", "box.howdah-new"]
    assert engine.by_name("box")["State"]["Status"] == "running"
    assert engine.by_name("box.howdah-new")["State"]["Status"] == "exited"
    assert "net3" in engine.networks and "vol2" in engine.volumes
    run(engine, NEW)
    assert_converged(engine)
    fresh = FakeEngine()
    with pytest.raises(ContainerFailed, match="kept for inspection as box."):
        run(fresh, {**NEW, "command": ["false"], "keep_on_failure": True})
    assert (fresh.names(), sorted(fresh.networks)) == (["box"], ["net1", "net2", "net3"])


def test_data_in_the_images_own_volume_stays_with_the_container() -> None:
    bare = params(env={"A": "1"})
    engine = engine_with(bare)
    (volume,) = list(engine.volumes)
    run(engine, {**bare, "env": {"A": "2"}})
    assert [mount["Name"] for mount in engine.by_name("box")["Mounts"]] == [volume]
    run(engine, {**bare, "env": {"A": "3"}})
    assert [mount["Name"] for mount in engine.by_name("box")["Mounts"]] == [volume]
    assert list(engine.volumes) == [volume]


@pytest.mark.parametrize(
    ("message", "holder"),
    [
        ("driver failed: Bind for 127.0.0.1:5432 failed: port is already allocated", "squatter"),
        ("Error starting userland proxy: listen tcp4 127.0.0.1:5432: bind: address already in use", None),
        ("failed to bind host port for 127.0.0.1:5432:172.17.0.2:5432/tcp: address already in use", None),
        ("listen tcp6 [::1]:5432: bind: address already in use", None),
    ],
)
def test_a_taken_port_names_its_holder(message: str, holder: str | None) -> None:
    engine = FakeEngine()
    if holder:
        run(engine, params(name=holder))
        engine.by_name(holder)["Ports"] = [{"IP": "0.0.0.0", "PublicPort": 5432, "Type": "tcp"}]
    before = engine.state()
    engine.start_fault = message
    with pytest.raises(PortTaken) as failure:
        run(engine, params(ports=["5432:5432"], labels={"faulty": "1"}))
    assert failure.value.details == {"port": 5432, "holder": holder}
    assert (holder or "process on the engine's host") in failure.value.message
    assert engine.state() == before


def test_a_limit_that_the_engine_would_pass_over_is_refused() -> None:
    """It only warns, and each run would find the limit missing."""
    for there in ((), (params(),)):
        engine = engine_with(*there)
        engine.limits = False
        before = set(engine.boxes)
        for wanted in (params(memory="64m"), params(memory="64m", labels={"another": "1"})):  # in place, or by another
            with pytest.raises(LimitDiscarded, match="has no memory cgroup"):
                run(engine, wanted)
            assert set(engine.boxes) == before and engine.names() == ["box"] * len(there)
        run(engine, params())


def test_another_image_of_the_same_name_replaces_whatever_drift_says() -> None:
    for drift in ("recreate", "warn", "ignore"):
        engine = engine_with(OLD)
        engine.images["img"]["Id"] = "sha256:bbbb"
        result = run(engine, {**OLD, "drift": drift})
        assert result["actions"] == ["recreate container box: image"]
        assert result["diff"]["before"]["image"] == "sha256:aaaa"
        assert result["diff"]["after"]["image"] == "sha256:bbbb"
        assert result["diff"]["after"]["container"] == "another one, for its image"


FULL = params(
    env={"A": "1"}, labels={"a": "1"}, volumes=["vol:/more"], cap_drop=["ALL"], tmpfs=["/run"], hosts={"a": "::1"},
    sysctls={"a": "1"}, ports=["1:1"], command=["x"], user="0", hostname="h", shm_size="1m", ulimits=["core=0"],
    memory="64m", cpus=1.0, security_opt=["no-new-privileges"], read_only=True, log_options={"a": "1"}, init=True,
    healthcheck={"test": "true"}, stop_timeout=1, log_driver="local", stop_signal="SIGTERM",
)  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("env", {}), ("labels", {}), ("volumes", []), ("cap_drop", []), ("tmpfs", []), ("hosts", {}), ("sysctls", {}),
        ("ports", []), ("command", None), ("user", None), ("hostname", None), ("shm_size", None), ("ulimits", None),
        ("memory", None), ("cpus", None), ("security_opt", None), ("read_only", None), ("log_options", None),
        ("healthcheck", None), ("init", None), ("stop_timeout", None), ("log_driver", None), ("stop_signal", None),
    ],
)  # fmt: skip
def test_whatever_is_removed_from_the_options_is_seen(option: str, value: Any) -> None:
    engine = engine_with(FULL)
    result = run(engine, {**FULL, option: value})
    assert result["actions"] == [f"recreate container box: {option}"]
    assert option in result["diff"]["before"]


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        ({"memory": "128m"}, ["update container box: memory 67108864 → 134217728"]),
        ({"cpus": 1.5}, ["update container box: cpus 1000000000 → 1500000000"]),
        ({"restart_policy": "no"}, ["update container box: restart_policy always → no"]),
        ({"networks": NET[:1]}, ["disconnect network net2"]),
        ({"networks": NET[::-1]}, []),
        (
            {"networks": [NET[0], {"name": "net2", "aliases": ["x"]}, {"name": "net3"}]},
            ["create network net3", "disconnect network net2", "connect network net2", "connect network net3"],
        ),
    ],
)
def test_what_the_engine_can_change_is_changed_in_place(change: dict[str, Any], actions: list[str]) -> None:
    options = {**OLD, "memory": "64m", "cpus": 1.0}
    engine = engine_with(options)
    identity = engine.by_name("box")["Id"]
    result = run(engine, {**options, **change})
    assert result["actions"] == actions
    assert engine.by_name("box")["Id"] == identity
    assert not run(engine, {**options, **change})["changed"]


def test_the_network_that_the_engine_starts_with_is_not_left_in_place() -> None:
    engine = engine_with(OLD)
    assert run(engine, {**OLD, "networks": NET[1:]})["actions"] == ["recreate container box: networks"]
    assert not run(engine, {**OLD, "networks": NET[1:]})["changed"]


def adopted(engine: FakeEngine) -> None:
    labels = engine.by_name("box")["Config"]["Labels"]
    for label in [label for label in labels if label.startswith("io.howdah")]:
        del labels[label]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("env", {}), ("labels", {}), ("volumes", []), ("cap_drop", []), ("tmpfs", []), ("hosts", {}), ("sysctls", {}),
        ("ports", []), ("command", None), ("user", None), ("security_opt", None), ("read_only", None),
        ("healthcheck", None), ("stop_signal", None), ("cap_drop", ["NET_RAW"]), ("shm_size", "2m"),
        ("hostname", "other"), ("ulimits", ["core=1"]), ("init", False), ("log_driver", "none"), ("stop_timeout", 2),
    ],
)  # fmt: skip
def test_whatever_differs_is_seen_without_our_label(option: str, value: Any) -> None:
    """The label remembers what was asked for: here nothing but what the container has can tell."""
    engine = engine_with(FULL)
    adopted(engine)
    assert run(engine, {**FULL, option: value})["actions"] == [f"recreate container box: {option}"]


def test_a_container_of_somebody_elses_is_taken_over_as_it_is() -> None:
    engine = engine_with(OLD)
    adopted(engine)
    assert not run(engine, OLD)["changed"]
    assert run(engine, {**OLD, "env": {}})["actions"] == ["recreate container box: env"]


@pytest.mark.parametrize("drift", ["recreate", "warn", "ignore"])
def test_what_somebody_else_changed_is_mended_as_asked_for(drift: str) -> None:
    engine = engine_with(OLD)
    engine.by_name("box")["HostConfig"]["CapAdd"] = ["SYS_ADMIN"]
    engine.by_name("box")["HostConfig"]["Memory"] = 1 << 30
    result = run(engine, {**OLD, "drift": drift, "memory": "64m"})
    if drift == "recreate":
        assert result["actions"] == ["recreate container box: cap_add, memory"]
    else:
        assert result["actions"] == ["update container box: memory 1073741824 → 67108864"]
        assert engine.by_name("box")["HostConfig"]["CapAdd"] == ["SYS_ADMIN"]


def test_bootstrap_variables_are_given_once_and_never_compared() -> None:
    engine = engine_with({**OLD, "bootstrap_env": {"PW": "one", "LANG": "x"}})
    assert "PW=one" in engine.by_name("box")["Config"]["Env"]
    for bootstrap in ({"PW": "two", "LANG": "y"}, {}, None):
        assert not run(engine, {**OLD, "bootstrap_env": bootstrap})["changed"]
    run(engine, {**NEW, "bootstrap_env": {"PW": "two"}})
    assert "PW=two" in engine.by_name("box")["Config"]["Env"]


def test_secret_looking_values_are_hidden_in_the_diff_but_not_that_they_changed() -> None:
    engine = engine_with(params(env={"PGPASSWORD": "canary1", "A": "1"}))
    result = run(engine, params(env={"PGPASSWORD": "canary2", "A": "1"}))
    assert result["changed"]
    assert "canary" not in str(result)
    assert result["diff"]["before"]["env"] != result["diff"]["after"]["env"]
    assert "canary" not in str(engine.by_name("box")["Config"]["Labels"])


@pytest.mark.parametrize("name", ["TIMEOUT_CHANGE_PASSWORD", "ETCD_KEY_FILE", "LANG"])
def test_what_only_names_a_secret_is_shown(name: str) -> None:
    result = run(FakeEngine(), params(env={name: "a value"}))
    assert result["diff"]["after"]["env"][name] == "a value"


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "api_key", "MY_TOKEN", "KEY_FILES", "LAST_TIMEOUT_SECRET"])
def test_what_may_be_a_secret_is_not(name: str) -> None:
    assert "a value" not in str(run(FakeEngine(), params(env={name: "a value"})))


def test_a_long_label_is_told_apart_in_the_diff_and_not_shown() -> None:
    engine = engine_with(params(labels={"files": "a" * 500, "kind": "db"}))
    diff = run(engine, params(labels={"files": "b" * 500, "kind": "db"}))["diff"]
    before, after = (diff[side]["labels"] for side in ("before", "after"))
    assert before["files"].startswith("<500 characters, SHA-256 ") and before["files"] != after["files"]
    assert before["kind"] == after["kind"] == "db"


def test_absent_removes_the_container_and_named_volumes_only() -> None:
    engine = engine_with(NEW)
    gone = params(image=None, state="absent", remove_volumes=["vol", "never-was"])
    assert run(engine, gone)["actions"] == ["stop container box", "remove container box", "remove volume vol"]
    assert (engine.names(), sorted(engine.volumes), sorted(engine.networks)) == ([], ["vol2"], ["net1", "net2", "net3"])
    assert not run(engine, gone)["changed"]


def test_absent_keeps_volumes_that_the_engine_made() -> None:
    engine = engine_with(params())
    (volume,) = list(engine.volumes)
    run(engine, params(image=None, state="absent"))
    assert (engine.names(), list(engine.volumes)) == ([], [volume])


def test_a_volume_with_other_users_is_refused_before_anything_is_done() -> None:
    engine = engine_with(OLD, params(name="other", volumes=["vol:/x"], state="present"))
    before = engine.state()
    with pytest.raises(VolumeInUse, match="other"):
        run(engine, params(image=None, state="absent", remove_volumes=["vol"]))
    assert engine.state() == before


def test_absent_removes_networks_that_the_module_made_and_nobody_else_is_on() -> None:
    engine = engine_with(OLD, params(name="other", networks=[{"name": "net2"}], state="present"))
    engine.networks["theirs"] = {"Name": "theirs", "Id": "net-theirs", "Labels": None}
    gone = params(image=None, state="absent", remove_networks=["net1", "net2", "theirs", "never-was"])
    first = run(engine, gone)
    assert first["actions"][2:] == ["remove network net1", "remove network net2: unless others are attached to it"]
    assert (first["diff"]["before"]["networks"], first["diff"]["after"]["networks"]) == (["net1"], [])
    assert sorted(engine.networks) == ["net2", "theirs"] and not run(engine, gone)["changed"]
    last = {**gone, "name": "other"}
    assert run(engine, last)["actions"] == ["remove container other", "remove network net2"]
    assert list(engine.networks) == ["theirs"]


def test_a_network_that_was_left_goes_with_a_container_that_is_gone_already() -> None:
    engine = engine_with(params(networks=NET))
    run(engine, params(image=None, state="absent"))
    gone = params(image=None, state="absent", remove_networks=["net1"])
    assert run(engine, gone)["actions"] == ["remove network net1"] and list(engine.networks) == ["net2"]


def test_refusals() -> None:
    engine = engine_with(OLD)
    with pytest.raises(ImageNotFound, match="nope"):
        run(engine, {**OLD, "image": "nope"})
    with pytest.raises(ContainerNotFound):
        run(engine, params(name="nobody", image=None))
    with pytest.raises(InvalidInput, match="subnet"):
        run(engine, {**OLD, "networks": [{"name": "net9", "ipv4_address": "10.0.0.2"}]})
    engine.by_name("box")["HostConfig"]["AutoRemove"] = True
    with pytest.raises(DriftRefused, match="--rm"):
        run(engine, NEW)


def test_undoing_that_fails_is_told_and_mended_by_the_next_run() -> None:
    engine = engine_with(OLD)
    refuse = engine._post

    def broken(url: str, params: dict[str, Any]) -> Any:
        return refuse(url, params) if not url.endswith("/rename") or params["name"] != "box" else type(
            "R", (), {"status_code": 500, "value": "engine broken", "reason": ""}
        )()

    engine._post = broken  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="Undoing it failed, too") as failure:
        run(engine, NEW)
    assert failure.value.details["not_undone"]
    del engine._post
    run(engine, NEW)
    assert_converged(engine)


@given(st.sampled_from(["no", "always", "unless-stopped", "on-failure", "on-failure:1", "on-failure:7"]))
def test_the_policy_on_trial_always_shows(policy: str) -> None:
    assert reconcile.on_trial(policy) != policy


def test_plans_are_pure() -> None:
    engine = engine_with(OLD)
    before = deepcopy(engine.state())
    assert run(engine, NEW, check_mode=True) == run(engine, NEW, check_mode=True)
    assert engine.state() == before


def test_a_pending_image_means_a_new_container_although_nothing_else_changed() -> None:
    engine = engine_with(params())
    assert run(engine, params(image_pending=True), check_mode=True)["actions"] == ["recreate container box: image"]


def test_a_pending_image_may_be_missing() -> None:
    engine = FakeEngine()
    del engine.images["img"]
    actions = run(engine, params(image_pending=True), check_mode=True)["actions"]
    assert actions[-2:] == ["create container box", "start container box"]
