# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an image is built, pulled for, tagged, removed."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import ImageInUse, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.build_plan import (
    Observed,
    Removal,
    Request,
    Sources,
    build_labels,
    complete_reference,
    inputs_digest,
    make_request,
    plan_absent,
    plan_present,
    strings,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_marks import FILES_LABEL, INPUTS_LABEL
from hypothesis import given
from hypothesis import strategies as st

ID = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
BASE = "sha256:" + "b" * 64
PARAMS: dict[str, Any] = {
    "name": "x:1", "tags": [], "args": {}, "labels": {}, "target": None, "platform": None, "network": "default",
    "extra_hosts": {}, "rebuild": "auto", "max_age": None, "labels_from": None,
}
SOURCES = Sources({"context": "c" * 64, "dockerfile": "d" * 64, "files": "f" * 64}, {"a": "1", "b": "2"}, ["debian"])


def request(sources: Sources = SOURCES, **params: Any) -> Request:
    return make_request({**PARAMS, **params}, sources)


def built(wanted: Request, image: str | None = ID, **observed: Any) -> Observed:
    """What the engine has after a build of ``wanted``."""
    facts: dict[str, Any] = {
        "images": dict.fromkeys(wanted.names, image),
        "labels": build_labels(wanted, {"debian": BASE}),
        "bases": {"debian": BASE},
    }
    return Observed(**{**facts, **observed})


def actions(wanted: Request, observed: Observed) -> list[str]:
    return [str(action) for action in plan_present(wanted, observed).actions]


@pytest.mark.parametrize(
    ("name", "complete"),
    [
        ("x", "x:latest"),
        ("x:1", "x:1"),
        ("a/b_c/d.e:V-1", "a/b_c/d.e:V-1"),
        ("localhost/x", "localhost/x:latest"),
        ("127.0.0.1:5000/x:1", "127.0.0.1:5000/x:1"),
        ("registry:5000/x", "registry:5000/x:latest"),
        ("Registry.example.com/x", "Registry.example.com/x:latest"),
    ],
)
def test_complete_reference(name: str, complete: str) -> None:
    assert complete_reference(name) == complete


@pytest.mark.parametrize("name", ["", "X", "x:", "x:1:2", "x y", "/x", "x/", "x@sha256:00", "x:\n", "-x", "x:1\n"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="repository:tag"):
        complete_reference(name)


def test_nothing_to_do_after_a_build() -> None:
    wanted = request(args={"A": 1}, labels={"l": True}, target="t", extra_hosts={"h": "127.0.0.1"})
    plan = plan_present(wanted, built(wanted))
    assert not plan.changed and plan.before == plan.after


def test_first_build() -> None:
    wanted = request(tags=["x:2", "x:1"])
    plan = plan_present(wanted, Observed({"x:1": None, "x:2": None}, bases={"debian": BASE}))
    assert [str(action) for action in plan.actions] == ["build x:1: it does not exist"]
    assert plan.builds
    assert plan.before == {"image": {"x:1": "absent", "x:2": "absent"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("args", {"A": "1"}),
        ("labels", {"A": "1"}),
        ("target", "t"),
        ("labels_from", "/x"),
        ("platform", "linux/arm64"),
        ("network", "none"),
        ("extra_hosts", {"h": "127.0.0.1"}),
    ],
)
def test_each_option_is_an_input(name: str, value: Any) -> None:
    observed = built(request())
    assert actions(request(**{name: value}), observed) == [f"build x:1: changed: {name}"]


@pytest.mark.parametrize("name", ["context", "dockerfile", "files"])
def test_each_source_is_an_input(name: str) -> None:
    observed = built(request())
    sources = Sources({**SOURCES.digests, name: "0" * 64}, SOURCES.files, SOURCES.bases)
    assert actions(request(sources), observed) == [f"build x:1: changed: {name}"]


def test_the_diff_names_changed_files() -> None:
    sources = Sources({**SOURCES.digests, "context": "0" * 64}, {"a": "9", "c": "3"}, SOURCES.bases)
    plan = plan_present(request(sources), built(request()))
    assert plan.before["files"] == {"a": "1", "b": "2", "c": "absent"}
    assert plan.after["files"] == {"a": "9", "b": "absent", "c": "3"}
    assert set(plan.before["inputs"]) == {"context"}


def test_the_diff_is_bounded() -> None:
    sources = Sources({**SOURCES.digests, "context": "0" * 64}, {f"f{number}": "1" for number in range(99)}, ["debian"])
    plan = plan_present(request(sources), built(request()))
    assert len(plan.after["files"]) == 11 and plan.after["files"]["…"] == "and 91 more"
    too_many = Sources(sources.digests, {}, ["debian"])
    assert plan_present(request(too_many), built(request())).after["files"] == "too many to be named"


def test_a_moved_base_rebuilds() -> None:
    wanted = request()
    plan = plan_present(wanted, built(wanted, bases={"debian": OTHER}))
    assert [str(action) for action in plan.actions] == ["build x:1: changed: bases"]
    assert plan.before["inputs"] == {"bases": {"debian": "b" * 12}}
    assert plan.after["inputs"] == {"bases": {"debian": "2" * 12}}


def test_an_image_needs_not_its_base_to_be_unchanged() -> None:
    wanted = request()
    assert actions(wanted, built(wanted, bases={"debian": None})) == []


def test_a_missing_base_is_pulled_only_for_a_build() -> None:
    wanted = request(args={"A": "1"})
    observed = built(request(), bases={"debian": None})
    assert actions(wanted, observed) == ["pull debian: not on the engine", "build x:1: changed: args"]


def test_an_outdated_base_is_pulled_and_built_upon() -> None:
    wanted = request()
    observed = built(wanted, outdated=["debian"])
    assert actions(wanted, observed) == ["pull debian: newer in its registry", "build x:1: changed: bases"]


def test_always_builds_always() -> None:
    wanted = request(rebuild="always")
    assert actions(wanted, built(wanted)) == ["build x:1: rebuild is always"]


def test_an_image_beyond_its_age_is_built_without_the_cache() -> None:
    wanted = request(max_age=14)
    assert actions(wanted, built(wanted, age=13.9)) == []
    assert actions(wanted, built(wanted, age=None)) == []
    plan = plan_present(wanted, built(wanted, age=14.1))
    assert [str(action) for action in plan.actions] == ["build x:1: older than 14 days"]
    assert plan.afresh
    newer = request(Sources({**SOURCES.digests, "context": "0" * 64}, {}, ["debian"]), max_age=14)
    assert plan_present(newer, built(wanted, age=14.1)).afresh
    assert not plan_present(newer, built(wanted, age=1)).afresh
    assert request(max_age=14).inputs == request().inputs, "the age is no input"
    with pytest.raises(InvalidInput, match="more than 0 days"):
        request(max_age=0)


def test_missing_and_strayed_tags_are_set() -> None:
    wanted = request(tags=["x:2", "x:3"])
    observed = built(wanted, images={"x:1": ID, "x:2": None, "x:3": OTHER})
    plan = plan_present(wanted, observed)
    assert [str(action) for action in plan.actions] == ["tag x:2: as x:1", "tag x:3: as x:1"]
    assert not plan.builds
    assert plan.before["image"] == {"x:1": "1" * 12, "x:2": "absent", "x:3": "2" * 12}


@pytest.mark.parametrize("label", [None, "", "{", "[]", "null", "1", '{"bases": 1}'])
def test_foreign_images_are_built_anew(label: str | None) -> None:
    wanted = request()
    observed = built(wanted, labels={} if label is None else {INPUTS_LABEL: label, FILES_LABEL: label})
    assert plan_present(wanted, observed).builds


def test_proxies_do_not_count() -> None:
    observed = built(request(args={"A": 1, "http_proxy": "http://u:secret@127.0.0.1"}))
    assert "secret" not in str(observed)
    assert actions(request(args={"A": 1, "HTTPS_PROXY": "x"}), observed) == []


def test_our_labels_cannot_be_set() -> None:
    with pytest.raises(InvalidInput, match="own"):
        request(labels={INPUTS_LABEL: "x"})


def test_strings() -> None:
    assert strings({"a": True, "b": 1, "c": "x"}) == {"a": "true", "b": "1", "c": "x"}
    for value in ([], {}, None):
        with pytest.raises(InvalidInput, match="^a: "):
            strings({"a": value})


VALUES = st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"]))
OPTIONS = st.fixed_dictionaries(
    {"args": VALUES, "labels": VALUES, "target": st.sampled_from([None, "t"]), "network": st.sampled_from("ab")}
)


@given(OPTIONS, OPTIONS)
def test_builds_exactly_when_something_differs(first: dict[str, Any], second: dict[str, Any]) -> None:
    observed = built(request(**first))
    plan = plan_present(request(**second), observed)
    assert plan.changed is (first != second)
    assert (plan.before != plan.after) is plan.changed
    same = inputs_digest(request(**first), observed.bases) == inputs_digest(request(**second), observed.bases)
    assert same is (first == second)


def test_removal() -> None:
    plan = plan_absent(["x:1", "x:2"], Removal({"x:1": ID, "x:2": None}, {ID: ["x:1"]}, {ID: []}))
    assert [str(action) for action in plan.actions] == ["remove x:1"]
    assert plan.before == {"image": {"x:1": "1" * 12}} and plan.after == {"image": {"x:1": "absent"}}
    assert not plan_absent(["x:1"], Removal({"x:1": None}, {}, {})).changed


def test_removal_is_refused_while_containers_need_the_image() -> None:
    with pytest.raises(ImageInUse, match="the containers c1, c2") as caught:
        plan_absent(["x:1"], Removal({"x:1": ID}, {ID: ["x:1"]}, {ID: ["c1", "c2"]}))
    assert caught.value.details == {"containers": ["c1", "c2"]}
    kept = Removal({"x:1": ID}, {ID: ["x:1", "y:1"]}, {ID: ["c1"]})
    assert plan_absent(["x:1"], kept).changed


def test_removal_is_refused_while_images_stay_that_were_built_upon_it() -> None:
    observed = Removal({"x:1": ID}, {ID: ["x:1"]}, {ID: []}, {ID: ["y:2", "y:1"]})
    with pytest.raises(ImageInUse, match="used by the images y:1, y:2, built upon it") as caught:
        plan_absent(["x:1"], observed)
    assert caught.value.details == {"images": ["y:1", "y:2"]}
    # In one call all go.
    both = Removal(
        {"x:1": ID, "y:1": OTHER}, {ID: ["x:1"], OTHER: ["y:1"]}, {ID: [], OTHER: []}, {ID: ["y:1"], OTHER: []}
    )
    assert len(plan_absent(["x:1", "y:1"], both).actions) == 2
    named_otherwise = Removal({"x:1": ID}, {ID: ["x:1", "z:1"]}, {ID: []}, {ID: ["y:1"]})
    assert plan_absent(["x:1"], named_otherwise).changed
