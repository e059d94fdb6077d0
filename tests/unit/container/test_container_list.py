# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several containers in one call, against an engine in memory."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    ContainerFailed,
    EngineUnreachable,
    InvalidInput,
    PortTaken,
    VolumeInUse,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_list
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.container_options import ARGUMENT_SPEC, each
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_marks import FILES_LABEL, INPUTS_LABEL
from container_fake_engine import FakeEngine
from container_options import params

SHARED: dict[str, Any] = {"networks": [{"name": "net"}], "volumes": ["common:/common"]}


def several(*containers: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The task's options, as Ansible hands them over: what a container does not give is None."""
    own = ARGUMENT_SPEC["containers"]["options"]
    return params(containers=[{**dict.fromkeys(own), **entry} for entry in containers], **given)


def work(engine: FakeEngine, options: dict[str, Any], check_mode: bool = False) -> list[container_list.Outcome]:
    wishes = container_list.parse(each(options))

    def door(*_unused: Any) -> Any:
        return engine

    return container_list.work(options, wishes, Deadline(10), check_mode, door, door)


def actions(outcomes: list[container_list.Outcome]) -> list[str]:
    return [str(action) for action in container_list.combined(outcomes).actions]


# Volumes of one are read-only for nobody, and the fake engine refuses two running containers with the same volume.
PAIR = several(
    {"name": "one", "env": {"N": "1"}}, {"name": "two", "env": {"N": "2"}, "state": "present"}, **SHARED,
    env={"N": "0"}, labels={"common": "yes"},
)  # fmt: skip


def test_what_a_container_does_not_give_is_the_tasks() -> None:
    one, two = each(PAIR)
    assert (one["env"], one["state"], one["labels"]) == ({"N": "1"}, "started", {"common": "yes"})
    assert (two["env"], two["state"], two["name"]) == ({"N": "2"}, "present", "two")


def test_what_containers_share_is_made_once_and_check_mode_tells_the_same() -> None:
    engine = FakeEngine()
    checked = actions(work(engine, PAIR, check_mode=True))
    assert engine.state() == FakeEngine().state()
    outcomes = work(engine, PAIR)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert actions(outcomes) == checked == [
        "create network net", "create volume common", "create container one", "start container one",
        "create container two",
    ]  # fmt: skip
    assert engine.names() == ["one", "two"]
    assert engine.by_name("two")["Config"]["Labels"]["common"] == "yes"
    assert [request for request in engine.requests if "network" in request] == [
        *["GET /networks/net"] * 5, "POST network net"
    ]  # fmt: skip
    again = work(engine, PAIR)
    assert not container_list.combined(again).changed
    assert [outcome.result()["container"]["exists"] for outcome in again] == [True, True]


def test_one_that_fails_fails_the_task_and_nothing_else() -> None:
    engine = FakeEngine()
    options = several(
        {"name": "bad", "command": ["false"]}, {"name": "good"}, {"name": "worse", "image": "none"},
        networks=[{"name": "net"}],
    )  # fmt: skip
    outcomes = work(engine, options)
    bad, good, worse = [outcome.result() for outcome in outcomes]
    assert engine.names() == ["good"] and set(engine.networks) == {"net"}
    assert (good["failed"], good["changed"], good["container"]["state"]) == (False, True, "running")
    assert (bad["failed"], bad["error"], bad["exit_code"]) == (True, "container_failed", 1)
    assert (worse["failed"], worse["error"], worse["actions"]) == (True, "image_not_found", [])
    with pytest.raises(ContainerFailed, match="^2 of 3 containers failed.\nbad: .*\nworse: ") as raised:
        container_list.fail([outcome for outcome in outcomes if outcome.error], len(outcomes))
    assert raised.value.details["failed_containers"] == ["bad", "worse"]


def forecasts(engine: FakeEngine, **given: Any) -> list[str]:
    """What check mode warns of, with an engine on another machine."""
    (outcome,) = work(engine, params(docker_host="tcp://engine.example:2376", **given), check_mode=True)
    assert outcome.decided is not None
    return list(outcome.decided.warnings)


def test_check_mode_warns_of_a_port_that_another_container_has() -> None:
    engine = FakeEngine()
    work(engine, params(name="squatter"))
    engine.by_name("squatter")["Ports"] = [{"IP": "0.0.0.0", "PublicPort": 5440, "Type": "tcp"}]
    (warning,) = forecasts(engine, ports=["5440:5432"])
    assert "will fail" in warning and "Port 5440 for container box is taken by container squatter" in warning
    for free in ({"ports": ["5441:5432"]}, {"ports": ["5440:5432"], "state": "present"}, {"name": "squatter"}):
        assert not forecasts(engine, **free)
    # Stopped, it has no port.
    work(engine, params(name="squatter", state="stopped"))
    assert not forecasts(engine, ports=["5440:5432"])


def test_check_mode_warns_of_a_limit_that_the_engine_would_pass_over() -> None:
    engine = FakeEngine()
    work(engine, params())
    assert not forecasts(engine, memory="64m")
    engine.limits = False
    for name in ("box", "another"):
        (warning,) = forecasts(engine, name=name, memory="64m")
        assert "will fail" in warning and f"Container {name} cannot be held to its limit" in warning
    assert not forecasts(engine, labels={"a": "1"})


def test_the_port_of_a_container_that_is_replaced_is_its_own() -> None:
    engine = FakeEngine()
    work(engine, params(ports=["5440:5432"]))
    engine.by_name("box")["Ports"] = [{"IP": "127.0.0.1", "PublicPort": 5440, "Type": "tcp"}]
    assert not forecasts(engine, ports=["5440:5433"])


def test_a_container_is_not_stopped_for_a_port_that_another_one_has() -> None:
    engine = FakeEngine()
    for name in ("squatter", "box"):
        work(engine, params(name=name))
    engine.by_name("squatter")["Ports"] = [{"IP": "127.0.0.1", "PublicPort": 5440, "Type": "tcp"}]
    before, engine.requests = engine.state(), []
    (outcome,) = work(engine, params(ports=["5440:5432"]))
    assert isinstance(outcome.error, PortTaken) and outcome.error.details["holder"] == "squatter"
    assert engine.state() == before
    assert not [request for request in engine.requests if "/stop" in request or "create" in request]


def test_what_was_made_for_containers_that_all_failed_goes_again() -> None:
    engine = FakeEngine()
    both = ({"name": "bad", "command": ["false"]}, {"name": "worse", "command": ["false"]})
    outcomes = work(engine, several(*both, networks=[{"name": "net"}]))
    assert all(outcome.error for outcome in outcomes)
    assert engine.state() == FakeEngine().state()
    work(engine, several(*both, networks=[{"name": "net"}], keep_on_failure=True))
    assert set(engine.networks) == {"net"} and engine.names() == ["bad", "worse"]


def test_who_needs_what_cannot_be_made_has_failed_and_others_go_on() -> None:
    engine = FakeEngine()
    engine.fail_at = 0
    one, two = work(engine, several({"name": "one", "networks": [{"name": "net"}]}, {"name": "two"}))
    assert one.error is not None and "creating network net" in one.error.message
    assert two.error is None and engine.names() == ["two"]


def test_a_common_volume_is_removed_with_the_last_of_its_users() -> None:
    engine = FakeEngine()
    work(engine, PAIR)
    gone = several({"name": "one"}, {"name": "two"}, state="absent", remove_volumes=["common"])
    outcomes = work(engine, gone)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert actions(outcomes).count("remove volume common") == 1
    assert not engine.boxes and "common" not in engine.volumes


def test_a_common_network_is_removed_once_after_all_of_them() -> None:
    engine = FakeEngine()
    work(engine, several({"name": "one"}, {"name": "two"}, networks=[{"name": "net"}]))
    gone = several({"name": "one"}, {"name": "two"}, state="absent", remove_networks=["net"])
    outcomes = work(engine, gone)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert actions(outcomes)[-1] == "remove network net" and actions(outcomes).count("remove network net") == 1
    assert not engine.boxes and not engine.networks


def test_a_volume_that_a_container_outside_of_the_list_has_stays() -> None:
    engine = FakeEngine()
    work(engine, PAIR)
    work(engine, params("third", volumes=["common:/common"], containers=None, state="present"))
    gone = several({"name": "one"}, {"name": "two"}, state="absent", remove_volumes=["common"])
    assert [type(outcome.error) for outcome in work(engine, gone)] == [VolumeInUse, VolumeInUse]
    assert engine.names() == ["one", "third", "two"]


def test_what_an_image_is_recognised_by_is_not_in_the_results_of_its_containers() -> None:
    engine = FakeEngine()
    engine.images["img"]["Config"]["Labels"].update({INPUTS_LABEL: "{}", FILES_LABEL: "{}"})
    for changed in (True, False):
        (outcome,) = work(engine, params(labels={"a": "1"}))
        assert outcome.plan.changed is changed and outcome.error is None
        assert outcome.facts["container"]["labels"] == {"of": "image", "a": "1"}


def test_bad_input_is_refused_before_anything_is_done_and_says_where() -> None:
    with pytest.raises(InvalidInput, match="two entries for one"):
        container_list.parse(each(several({"name": "one"}, {"name": "one"})))
    with pytest.raises(InvalidInput, match="^two: ports must be like"):
        container_list.parse(each(several({"name": "one"}, {"name": "two", "ports": ["1"]})))


def test_an_engine_that_does_not_answer_is_told_for_each() -> None:
    def door(*_unused: Any) -> Any:
        raise EngineUnreachable("nobody there")

    wishes = container_list.parse(each(several({"name": "one"}, {"name": "two"})))
    outcomes = container_list.work({}, wishes, Deadline(1), False, door, door)
    assert [outcome.result()["code"] for outcome in outcomes] == [1100, 1100]
