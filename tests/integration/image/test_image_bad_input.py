# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot work is refused: one clear line for each fault, all of them at once, and an empty volume."""

from __future__ import annotations

import json
from typing import Any

import pytest

REFUSED = 78

ENVIRONMENTS = {
    "empty password": ({"POSTGRES_PASSWORD": ""}, ["POSTGRES_PASSWORD is set but empty"]),
    "cut verifier": ({"POSTGRES_PASSWORD": "SCRAM-SHA-256$4096:abc"}, ["not a well-formed verifier"]),
    "secret in a file": ({"POSTGRES_PASSWORD_FILE": "/run/secrets/x"}, ["POSTGRES_PASSWORD_FILE is not supported"]),
    "timeout": ({"TIMEOUT_CHANGE_PASSWORD": "301"}, ["from 1 to 300"]),
    "unknown setting": ({"POSTGRESQL_CONFIG_WORK_MEMORY": "1MB"}, ["POSTGRESQL_CONFIG_WORK_MEMORY: unrecognized"]),
    "bad value": ({"POSTGRESQL_CONFIG_MAX_CONNECTIONS": "many"}, ["POSTGRESQL_CONFIG_MAX_CONNECTIONS: invalid value"]),
    "bad settings": (
        {"POSTGRESQL_CONFIG_WORK_MEMORY": "1MB", "POSTGRESQL_CONFIG_MAX_CONNECTIONS": "many"},
        ["POSTGRESQL_CONFIG_WORK_MEMORY: unrecognized", "POSTGRESQL_CONFIG_MAX_CONNECTIONS: invalid value"],
    ),
    "no library": ({"POSTGRESQL_CONFIG_SHARED_PRELOAD_LIBRARIES": "nothing"}, ["does not have"]),
    "several": (
        {"POSTGRES_PASSWORD": "", "LOG_LEVEL": "LOUD", "PGDATA": "data", "POSTGRES_DB": "x" * 64},
        ["POSTGRES_PASSWORD", "POSTGRES_DB", "PGDATA", "LOG_LEVEL"],
    ),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_environment(engine: Any, case: str) -> None:
    env, wanted = ENVIRONMENTS[case]
    volume = engine.volume()
    box = engine.start(volume, env)
    assert box.wait_exit() == REFUSED
    errors = box.errors()
    assert len(errors) == len(wanted)
    assert [part in message for part, message in zip(wanted, errors)] == [True] * len(wanted)
    assert not _is_anything_in(engine, volume)


def _is_anything_in(engine: Any, volume: str) -> bool:
    look = engine.start(volume, command=["find", "/var/lib/postgresql/data", "-mindepth", "1", "!", "-name", "*.lock"])
    assert look.wait_exit() == 0
    return bool(look.raw_lines())


@pytest.mark.parametrize("place", ["/var/lib/postgresql/data", "/var/lib/postgresql/data/14"])
def test_another_major_version(engine: Any, place: str) -> None:
    volume = engine.volume()
    engine.start(volume, command=["sh", "-c", f"mkdir -p {place}; echo 14 > {place}/PG_VERSION"]).wait_exit()
    box = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert box.wait_exit() == REFUSED
    (message,) = box.errors()
    assert f"{place} holds a cluster of PostgreSQL 14" in message
    assert "pg_upgrade" in message


VOLUMES: dict[str, tuple[dict[str, Any], str]] = {
    "read-only": ({"mode": "ro"}, "mounted read-only"),
    "another owner": ({"user": "12345:12345", "mount": "/data", "env": {"PGDATA": "/data/15"}}, "may not"),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volume_that_cannot_be_written(engine: Any, case: str) -> None:
    options, wanted = VOLUMES[case]
    box = engine.start(**options)
    assert box.wait_exit() == REFUSED
    (message,) = box.errors()
    assert wanted in message


def test_root(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x"}, user="0:0")
    assert box.wait_exit() == REFUSED
    (message,) = box.errors()
    assert "does not run as root" in message


def test_files_in_the_way(engine: Any) -> None:
    volume = engine.volume()
    folder = f"/var/lib/postgresql/data/{engine.major}"
    engine.start(volume, command=["sh", "-c", f"mkdir {folder}; touch {folder}/mine"]).wait_exit()
    box = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert box.wait_exit() == REFUSED
    assert ["holds files (mine) but no cluster" in message for message in box.errors()] == [True]


def test_a_full_disk_while_initialising(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x", "PGDATA": "/full/15"}, tmpfs={"/full": "size=4m,mode=1777"})
    assert box.wait_exit() == 1
    assert any("No space left" in message for message in box.errors())
    box.lines()


def test_a_mistake_in_the_cluster_s_own_settings_is_told_before_the_container_ends(engine: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    first.ask("x", "SELECT 1")
    first.run("sh", "-c", f"echo 'nonsense = 1' >> /var/lib/postgresql/data/{engine.major}/postgresql.conf")
    engine.remove(first)
    second = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert second.wait_exit() != 0
    assert any("nonsense" in line["message"] for line in second.lines())


def test_a_small_shared_memory_is_told(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x"}, shm_size="64m")
    box.ask("x", "SELECT 1")
    (line,) = box.told("small_shm")
    assert "/dev/shm has 64 MiB" in line["message"]


def test_a_cluster_of_another_user(engine: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    first.ask("x", "SELECT 1")
    engine.remove(first)
    box = engine.start(volume, {"POSTGRES_PASSWORD": "x"}, user="12345:0")
    assert box.wait_exit() == REFUSED
    (message,) = box.errors()
    assert "cannot be written" in message and "12345" in message


def test_a_disk_that_is_full_at_a_start(engine: Any) -> None:
    volume = engine.volume("96m")
    holder = engine.start(volume, command=["sleep", "60"])
    first = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    first.ask("x", "SELECT 1")
    first.kill("SIGTERM")
    assert first.wait_exit() == 0
    holder.run("sh", "-c", "cat /dev/zero > /var/lib/postgresql/data/filler")
    second = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert second.wait_exit() != 0
    told = [line["message"] for line in second.lines() if "No space left on device" in json.dumps(line)]
    assert len(told) == 1
    holder.run("rm", "/var/lib/postgresql/data/filler")
    third = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert third.ask("x", "SELECT 1") == 1
