# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines make of options and of what images say: no reason to replace a container, in any run."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import spec
from container_fake_engine import FakeEngine
from container_options import params, run


def test_an_image_may_write_its_volumes_with_a_slash_at_the_end() -> None:
    engine = FakeEngine()
    engine.images["img"]["Config"]["Volumes"] = {"/data/": {}}
    run(engine, params())
    (volume,) = list(engine.volumes)
    assert not run(engine, params())["changed"]
    run(engine, params(env={"A": "2"}))
    assert [mount["Name"] for mount in engine.by_name("box")["Mounts"]] == list(engine.volumes) == [volume]


CHECK = {"Test": ["CMD", "check"], "Interval": 10**9, "Timeout": 2 * 10**9, "Retries": 3, "StartPeriod": 4 * 10**9}


@pytest.mark.parametrize("images", [None, CHECK])
@pytest.mark.parametrize("test", [{}, {"test": "true"}])
@pytest.mark.parametrize("zero", [{"interval": "0s"}, {"timeout": "0"}, {"retries": 0}, {"start_period": "0ms"}])
def test_a_zero_in_a_health_check_is_what_engines_make_of_it(
    images: dict[str, Any] | None, test: dict[str, Any], zero: dict[str, Any]
) -> None:
    engine = FakeEngine()
    engine.images["img"]["Config"]["Healthcheck"] = images
    wanted = params(healthcheck={**test, **zero})
    run(engine, wanted)
    assert not run(engine, wanted)["changed"]
    assert not run(engine, params(healthcheck=test))["changed"]
    for label in spec.OWN_LABELS:  # then only what the engine reports counts
        del engine.by_name("box")["Config"]["Labels"][label]
    assert not run(engine, wanted)["changed"]


@pytest.mark.parametrize("patience", [-1, 100, 3])
def test_a_container_that_somebody_else_gave_all_the_time_to_stop_gets_what_there_is(
    monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    engine = FakeEngine()
    run(engine, params())
    engine.by_name("box")["Config"]["StopTimeout"] = patience
    post, given = engine._post, []

    def noted(url: str, params: dict[str, Any]) -> Any:
        given.extend([params["t"]] if url.endswith("/stop") else [])
        return post(url, params)

    monkeypatch.setattr(engine, "_post", noted)
    run(engine, params(image=None, state="stopped", timeout=60))
    assert given[0] == 3 if patience == 3 else 50 < given[0] < 60
