# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health check, by the engine's own clock and by hand."""

from __future__ import annotations

import json
import time
from typing import Any

DATA = "/var/lib/postgresql/data"
HEALTH = "/opt/container/bin/health"
INTERVAL = 5.0
SLACK = 1.0  # seconds: a probe itself, and the engine's own pace


def test_the_engine_calls_it_healthy_at_most_one_interval_after_and_never_before_a_login(engine: Any) -> None:
    config = engine.client.inspect_image(engine.image)["Config"]["Healthcheck"]
    assert config["Interval"] == INTERVAL * 1e9
    # Longer than one interval: the first probe finds a server that only init scripts can reach.
    files = {"/docker-entrypoint-initdb.d/slow.sql": f"SELECT pg_sleep({INTERVAL});".encode()}
    box = engine.start(env={"POSTGRES_PASSWORD": "x"}, files=files)
    seen, logged_in = [""], 0.0
    end = time.monotonic() + 6 * INTERVAL
    while seen[-1] != "healthy" and time.monotonic() < end:
        # Asked before the login: one that works only afterwards is too late.
        status, before = box.state()["Health"]["Status"], logged_in
        if status != seen[-1]:
            seen.append(status)
        if not logged_in and box.answers("x"):
            logged_in = time.monotonic()
        time.sleep(0.05)
    assert seen == ["", "starting", "healthy"]
    assert before, "healthy before the first login"
    assert time.monotonic() - before <= INTERVAL + SLACK
    first = box.state()["Health"]["Log"][0]
    assert first["ExitCode"] == 1 and "not started yet" in first["Output"]


def test_an_aspect_is_asked_for_by_its_name(engine: Any, box_until: Any) -> None:
    volume = engine.volume("128m")
    box = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    box_until(lambda: box.run(HEALTH)[0] == 0)

    def verdict(*aspect: str) -> tuple[int, dict[str, Any]]:
        code, output = box.run(HEALTH, *aspect)
        return code, json.loads(output)

    assert box.run("patronictl", "list") == (1, "No Patroni runs in this container.\n")
    good = {name: verdict(name) for name in ("postgres", "password", "disk")}
    assert [(code, answer["healthy"], answer["aspect"]) for code, answer in good.values()] == [
        (0, True, name) for name in good
    ]
    room = 128 - int(box.run("sh", "-c", f"df -m --output=used {DATA} | tail -1")[1])
    box.run("sh", "-c", f"head -c {room - 5}M /dev/zero > {DATA}/filler")
    code, answer = verdict("disk")
    assert (code, answer["healthy"]) == (1, False) and "of the volume is free" in answer["detail"]
    assert verdict()[0] == 0
    code, answer = verdict("nothing")
    assert code == 1 and "there is no aspect 'nothing'" in answer["detail"]
    # No server, no health; and it is told in the same way.
    signal = f"kill -%s $(head -1 {DATA}/{engine.major}/postmaster.pid)"
    box.run("sh", "-c", signal % "STOP")
    code, answer = verdict()
    assert code == 1 and not answer["healthy"]
    box.run("sh", "-c", signal % "CONT")
    box_until(lambda: verdict()[0] == 0)
