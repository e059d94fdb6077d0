# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of a running container, against an engine in memory: changed in place, refused, made by two at a time."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    ContainerFailed,
    EngineError,
    HowdahError,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import (
    container_apply,
    container_decide,
    fields,
    spec,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.spec import MANAGED
from container_fake_engine import FakeEngine, Response
from container_options import params, run
from docker.errors import APIError

NET = [{"name": "net1", "aliases": ["db"]}, {"name": "net2"}]
FORMER = [{"name": "net1", "aliases": ["db"], "ipv4_address": "10.0.0.8"}, {"name": "net2"}]
TAKEN = [{"name": "net1", "aliases": ["db"], "ipv4_address": "10.0.0.9"}, {"name": "net2"}]


def engine_with_addresses() -> FakeEngine:
    """A container that runs with a fixed address, and that somebody has linked another one to."""
    engine = FakeEngine()
    run(engine, params(networks=NET))
    run(engine, params(networks=FORMER))
    engine.by_name("box")["NetworkSettings"]["Networks"]["net1"]["Links"] = ["etcd:store"]
    engine.changes, engine.taken = 0, {"10.0.0.9"}
    engine.requests.clear()
    return engine


def test_an_address_that_is_taken_leaves_the_container_on_its_network_as_it_was() -> None:
    engine = engine_with_addresses()
    before = engine.state()
    for _again in range(2):  # the second run does not take what was refused for what there is
        with pytest.raises(EngineError, match="connecting the container to network net1: Address already in use") as it:
            run(engine, params(networks=TAKEN))
        assert "not_undone" not in it.value.details and it.value.details["status"] == 403
        assert engine.state() == before
    engine.taken.clear()
    assert run(engine, params(networks=TAKEN))["changed"]
    assert not run(engine, params(networks=TAKEN))["changed"]


def test_an_address_that_is_taken_in_one_more_network_leaves_no_trace_of_it() -> None:
    """What the engine has in its list, it wants to attach at the next start: the container would not start any more."""
    engine = engine_with_addresses()
    engine.networks["net3"] = {"Name": "net3", "Id": "net-net3", "Labels": None}
    before = engine.state()
    more = [FORMER[0], {"name": "net2", "aliases": ["x"]}, {"name": "net3", "ipv4_address": "10.0.0.9"}]
    with pytest.raises(EngineError, match="network net3: Address already in use") as failure:
        run(engine, params(networks=more))
    assert "not_undone" not in failure.value.details
    assert engine.state() == before


@pytest.mark.parametrize("number", range(6))
def test_a_fault_at_any_request_of_a_change_in_place_leaves_the_networks_as_they_were(number: int) -> None:
    engine = engine_with_addresses()
    before = engine.state()
    change = params(networks=[{"name": "net1"}, {"name": "net3"}])  # made, 2 × off, 2 × on
    engine.fail_at = number
    if number == 5:
        assert run(engine, change)["changed"] and engine.changes == 5
        return
    with pytest.raises(HowdahError) as failure:
        run(engine, change)
    assert "not_undone" not in failure.value.details
    assert engine.state() == before


@pytest.mark.parametrize("networks", [FORMER, TAKEN])
def test_a_request_that_was_carried_out_although_it_failed_is_undone_as_well(networks: list[dict[str, Any]]) -> None:
    engine = engine_with_addresses()
    engine.taken.clear()
    before = engine.state()
    connect = engine._connect

    def late(container: dict[str, Any], name: str, endpoint: dict[str, Any]) -> Response:
        connect(container, name, endpoint)
        engine._connect = connect  # type: ignore[method-assign]
        return Response("too late", 500)

    engine._connect = late  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="too late"):
        run(engine, params(networks=[{**networks[0], "aliases": ["x"]}, networks[1]]))
    assert engine.state() == before


def test_what_cannot_be_undone_is_told() -> None:
    engine = engine_with_addresses()
    engine.taken.add("10.0.0.8")  # somebody was quick
    with pytest.raises(EngineError, match="10.0.0.9|Address already in use.*Undoing it failed, too") as failure:
        run(engine, params(networks=TAKEN))
    (told,) = failure.value.details["not_undone"]
    assert "connecting the container to network net1" in told
    assert set(fields.endpoints(engine.by_name("box"))) == {"net2"}


def test_networks_that_are_changed_stay_so_when_the_container_does_not_get_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have been ill for lack of them."""
    engine = engine_with_addresses()

    def ill(*_args: Any) -> None:
        raise ContainerFailed("Container box is unhealthy.", logs=[])

    monkeypatch.setattr(container_apply.health, "wait", ill)
    with pytest.raises(ContainerFailed) as failure:
        run(engine, params(networks=[*FORMER, {"name": "net3"}]))
    assert set(fields.endpoints(engine.by_name("box"))) == {"net1", "net2", "net3"}
    assert "net3" in engine.networks and "not_undone" not in failure.value.details


def decided_before(engine: FakeEngine, options: dict[str, Any]) -> tuple[spec.Wish, Any]:
    wish = spec.parse(options)
    return wish, container_decide.decide(engine, wish, Deadline(5))[1]


@pytest.mark.parametrize("command", [None, ["false"]])
def test_a_network_that_somebody_else_makes_at_the_same_time_will_do(command: list[str] | None) -> None:
    engine = FakeEngine()
    wish, decided = decided_before(engine, params(networks=NET, command=command))
    engine.networks["net1"] = theirs = {"Name": "net1", "Id": "net-theirs", "Labels": MANAGED}
    if command is None:
        assert container_apply.apply(engine, wish, decided, Deadline(5)).container is not None
        assert engine.networks["net1"] is theirs and set(engine.networks) == {"net1", "net2"}
    else:  # and it is not ours to remove
        with pytest.raises(ContainerFailed):
            container_apply.apply(engine, wish, decided, Deadline(5))
        assert engine.networks == {"net1": theirs}


def test_a_network_that_was_made_stays_with_those_who_came_second() -> None:
    engine = FakeEngine()
    wish, decided = decided_before(engine, params(networks=NET, command=["false"]))
    create = engine.create_container_from_config

    def second(config: dict[str, Any], name: str) -> dict[str, Any]:
        engine.create_container_from_config = create  # type: ignore[method-assign]
        run(engine, params(name="second", networks=NET[:1], state="present"))
        return create(config, name)

    engine.create_container_from_config = second  # type: ignore[method-assign]
    with pytest.raises(ContainerFailed) as failure:
        container_apply.apply(engine, wish, decided, Deadline(5))
    assert "not_undone" not in failure.value.details
    assert set(engine.networks) == {"net1"} and engine.names() == ["second"]


def test_a_conflict_about_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()

    def refused(*_args: Any, **_more: Any) -> None:
        raise APIError("refused", response=Response(status=409), explanation="no more address pools")

    monkeypatch.setattr(engine, "create_network", refused)
    with pytest.raises(EngineError, match="creating network net1: no more address pools"):
        run(engine, params(networks=NET))


def test_names_of_networks_are_asked_to_be_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines before 25 make a second network of the same name otherwise."""
    engine, asked = FakeEngine(), {}

    def create(name: str, **given: Any) -> dict[str, Any]:
        asked[name] = given
        return {"Id": name}

    monkeypatch.setattr(engine, "create_network", create)
    container_apply.make_network(engine, "net1", Deadline(5))  # type: ignore[arg-type]
    assert asked["net1"]["check_duplicate"] is True
