# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container of the image promises: logins, data, passwords, stopping, logs."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import threading
import time
from pathlib import Path
from typing import Any

import pytest

CANARY = "canary-7f3a-Ωß '\"$HOME\\"


def test_only_the_given_password_lets_in_and_data_survive_a_new_container(engine: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": CANARY, "POSTGRES_USER": 'o"wn er', "POSTGRES_DB": "d'b \"x"})
    login = {"user": 'o"wn er', "dbname": "d'b \"x"}
    first.ask(CANARY, "CREATE TABLE kept AS SELECT 42 AS value", **login)
    assert first.refuses("wrong", user='o"wn er')
    # The container's user is the superuser, whatever its name.
    code, output = first.run("psql", "-U", 'o"wn er', "-d", "d'b \"x", "-Atc", "SELECT current_user")
    assert (code, output) == (0, 'o"wn er\n')
    engine.remove(first)
    second = engine.start(volume, {"POSTGRES_PASSWORD": CANARY, "POSTGRES_USER": 'o"wn er'})
    assert second.ask(CANARY, "SELECT value FROM kept", **login) == 42
    assert second.refuses("wrong", user='o"wn er')
    assert "password_changed" not in second.events()


def test_without_a_password_nobody_logs_in_over_tcp_but_the_container_may(engine: Any, box_until: Any) -> None:
    box = engine.start()
    box_until(lambda: box.run("/opt/container/bin/health")[0] == 0)
    assert box.refuses("guess")
    assert box.run("psql", "-Atc", "SELECT 1") == (0, "1\n")
    assert box.told("no_password")


def test_the_password_is_a_verifier_everywhere_and_clear_text_nowhere(engine: Any) -> None:
    # Without probes, which the engine gives the clear text that it was given itself.
    box = engine.start(
        env={"POSTGRES_PASSWORD": CANARY, "LOG_LEVEL": "DEBUG"},
        command=["-c", "log_statement=all"],
        healthcheck={"test": ["NONE"]},
    )
    assert box.ask(CANARY, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").startswith("SCRAM-SHA-256$")
    # Outside of the container, and so beside the environment of an exec: the engine's own view of its processes.
    seen = [_shown(pid, what) for pid in _pids(box) for what in ("environ", "cmdline")]
    assert len([one for one in seen if one]) > 10
    assert not [one for one in seen if CANARY.encode() in one]
    assert CANARY not in "\n".join(box.raw_lines())
    assert json.dumps(CANARY)[1:-1] not in "\n".join(box.raw_lines())
    code, output = box.run("grep", "-rlaF", "--", CANARY, "/var/lib/postgresql/data", "/run", "/tmp")
    assert (code, output) == (1, "")


def _shown(pid: str, what: str) -> bytes:
    """What the engine's machine shows of a process; nothing when it has ended, as sessions do."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _pids(box: Any) -> list[str]:
    top = box.client.top(box.id, "-o pid,user")
    return [row[0] for row in top["Processes"]]


def test_no_process_is_root_and_an_init_is_first(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x"}, healthcheck={"test": ["NONE"]})
    box.ask("x", "SELECT 1")
    rows = box.client.top(box.id, "-o pid,ppid,uid,comm")["Processes"]
    assert {row[2] for row in rows} == {"999"}
    assert {row[3] for row in rows} == {"dumb-init", "postgres", "python3"}
    # By its parent, who is outside: numbers begin anew where the machine has used them up.
    inside = {row[0] for row in rows}
    assert [row[3] for row in rows if row[1] not in inside] == ["dumb-init"]


def test_a_changed_variable_is_applied_and_a_rotation_survives_a_restart(engine: Any, box_until: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "one"})
    first.ask("one", "SELECT 1")
    engine.remove(first)

    second = engine.start(volume, {"POSTGRES_PASSWORD": "two"})
    box_until(lambda: "password_changed" in second.events())
    assert second.refuses("one")
    assert second.run("/opt/container/bin/health", "password")[0] == 0
    second.ask("two", "ALTER ROLE postgres PASSWORD 'rotated'")
    engine.remove(second)

    third = engine.start(volume, {"POSTGRES_PASSWORD": "two"})
    assert third.ask("rotated", "SELECT 1") == 1
    before = third.ask("rotated", "SELECT xmin::text FROM pg_authid WHERE rolname = 'postgres'")
    time.sleep(0.5)  # nothing may happen now
    assert third.ask("rotated", "SELECT xmin::text FROM pg_authid WHERE rolname = 'postgres'") == before
    assert third.refuses("two")


def test_a_failed_change_is_an_event_and_leaves_the_database_up(engine: Any, box_until: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "one"})
    first.ask("one", "SELECT 1")
    # Nobody may connect: the change fails, and is tried again.
    first.ask("one", "ALTER ROLE postgres NOLOGIN")
    engine.remove(first)
    second = engine.start(volume, {"POSTGRES_PASSWORD": "two", "TIMEOUT_CHANGE_PASSWORD": "1"})
    box_until(lambda: "password_failed" in second.events())
    assert second.run("/opt/container/bin/health", "password")[0] == 1
    assert second.run("/opt/container/bin/health")[0] == 0
    assert second.state()["Running"]


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_stops_fast_and_clean_with_an_idle_client(engine: Any, signal: str) -> None:
    volume = engine.volume()
    box = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    idle = box.login("x")
    started = time.monotonic()
    box.kill(signal)
    assert box.wait_exit() == 0
    assert time.monotonic() - started < 5
    idle.close()
    engine.remove(box)
    again = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    again.ask("x", "SELECT 1")
    assert again.said("database system was shut down at")
    assert not any("not properly shut down" in line["message"] for line in again.lines())


# At every step: test_image_password.py, by a driver inside; here the engine kills.
@pytest.mark.parametrize(
    ("mounted", "delay"),
    [
        (False, 0.15),
        (True, 0.4),
        pytest.param(False, 0.4, marks=pytest.mark.full),
        pytest.param(True, 0.15, marks=pytest.mark.full),
    ],
)
def test_killed_while_initialising_the_next_start_makes_a_whole_cluster(
    engine: Any, delay: float, mounted: bool
) -> None:
    volume = engine.volume()
    env = {"POSTGRES_PASSWORD": "x", "POSTGRES_DB": "app"}
    if mounted:
        env["PGDATA"] = "/var/lib/postgresql/data"
    first = engine.start(volume, env)
    threading.Event().wait(delay)
    first.kill("SIGKILL")
    engine.remove(first)
    second = engine.start(volume, env)
    assert second.ask("x", "SELECT current_database()", dbname="app") == "app"
    assert second.refuses("wrong")
    assert second.run("find", "/var/lib/postgresql/data", "-maxdepth", "1", "-name", "*journal*")[1] == ""


@pytest.mark.parametrize("mounted", [True, pytest.param(False, marks=pytest.mark.full)])
def test_killed_while_an_init_script_runs_all_of_them_run_again(engine: Any, box_until: Any, mounted: bool) -> None:
    volume = engine.volume()
    env = {"POSTGRES_PASSWORD": "x", **({"PGDATA": "/var/lib/postgresql/data"} if mounted else {})}
    files = {
        "/docker-entrypoint-initdb.d/1.sql": b"CREATE TABLE made AS SELECT 1;",
        "/docker-entrypoint-initdb.d/2.sql": b"SELECT pg_sleep(0.5)",
    }
    first = engine.start(volume, env, files=files)
    box_until(lambda: first.events().count("script") == 2)
    first.kill("SIGKILL")
    engine.remove(first)
    second = engine.start(volume, env, files=files)
    assert second.ask("x", "SELECT count(*) FROM made") == 1
    assert second.told("half_made")


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
@pytest.mark.parametrize("station", ["initialise", "script"])
def test_stopped_while_initialising_nothing_is_left(
    engine: Any, box_until: Any, station: str, signal: str, code: int
) -> None:
    volume = engine.volume()
    files = {"/docker-entrypoint-initdb.d/1.sql": b"SELECT pg_sleep(60)"} if station == "script" else {}
    box = engine.start(volume, {"POSTGRES_PASSWORD": "x"}, files=files)
    box_until(lambda: station in box.events())
    started = time.monotonic()
    box.kill(signal)
    assert box.wait_exit() == code
    assert time.monotonic() - started < 5
    box.lines()
    look = engine.start(volume, command=["ls", "-A", "/var/lib/postgresql/data"])
    assert look.wait_exit() == 0
    assert look.raw_lines() == [f".howdah-{engine.major}.lock"]


# In the place of the program that waits for the disk: tells how it was called, and what was there then.
SYNC = b"""#!/bin/sh
{ echo "$@"; ls -A /var/lib/postgresql/data; cat "$2/PG_VERSION"; } > /tmp/told
"""


def test_the_disk_has_a_new_cluster_before_the_journal_goes(engine: Any) -> None:
    env = {"POSTGRES_PASSWORD": "x", "POSTGRES_INITDB_ARGS": "", "POSTGRES_DB": "app"}
    box = engine.start(env=env, files={"/usr/bin/sync": SYNC})
    box.ask("x", "SELECT 1", dbname="app")
    names = [f".howdah-{engine.major}.journal", f".howdah-{engine.major}.lock", engine.major]
    expected = [f"--file-system /var/lib/postgresql/data/{engine.major}", *names, engine.major]
    assert box.run("cat", "/tmp/told") == (0, "".join(f"{line}\n" for line in expected))

    volume = engine.volume()
    failing = SYNC + b"echo 'error syncing: No space left' >&2; exit 1\n"
    box = engine.start(volume, env, files={"/usr/bin/sync": failing})
    assert box.wait_exit() == 1
    assert "sync failed with exit code 1: error syncing: No space left" in box.errors()[0]
    engine.remove(box)
    box = engine.start(volume, env)  # nothing was left: it is made anew
    box.ask("x", "SELECT 1", dbname="app")
    assert "half_made" not in box.events()


def test_two_containers_never_share_a_volume(engine: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    first.ask("x", "SELECT 1")
    second = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert second.wait_exit() == 78
    assert ["Another container uses" in message for message in second.errors()] == [True]
    assert first.ask("x", "SELECT 1") == 1


def test_a_killed_server_starts_again(engine: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    first.ask("x", "CREATE TABLE t AS SELECT 1")
    first.kill("SIGKILL")
    engine.remove(first)
    second = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert second.ask("x", "SELECT count(*) FROM t") == 1
    second.lines()


@pytest.mark.parametrize("more", [{"user": "12345:0"}, {}, {"user": "12345:0", "pid_mode": "host"}], ids=str)
def test_the_hardened_run(engine: Any, more: dict[str, str]) -> None:
    box = engine.start(
        env={"POSTGRES_PASSWORD": "x", "POSTGRES_USER": "boss"},
        **more,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/run/postgresql": "", "/tmp": ""},
    )
    assert box.ask("x", "SELECT current_user", user="boss", dbname="boss") == "boss"
    assert box.run("psql", "-U", "boss", "-Atc", "SELECT current_user") == (0, "boss\n")
    assert box.run("/opt/container/bin/health")[0] == 0
    assert box.said("database system is ready to accept connections")
    assert box.run("grep", "-c", "^NoNewPrivs:.1$", "/proc/self/status") == (0, "1\n")
    box.kill("SIGTERM")
    assert box.wait_exit() == 0
    box.lines()


def test_a_small_wal_directory_of_its_own(engine: Any) -> None:
    volume = engine.volume()
    env = {"POSTGRES_PASSWORD": "x", "POSTGRES_INITDB_WALDIR": "/wal/pg", "POSTGRES_INITDB_ARGS": "--wal-segsize=1"}
    box = engine.start(volume, env, tmpfs={"/wal": "mode=1777"})
    assert box.ask("x", "SHOW wal_segment_size") == "1MB"
    assert box.run("sh", "-c", "readlink $(psql -Atc 'SHOW data_directory')/pg_wal") == (0, "/wal/pg\n")


def test_maintenance_holds_the_volume_without_a_server(engine: Any, box_until: Any) -> None:
    volume = engine.volume()
    box = engine.start(volume, command=["maintenance"])
    box_until(lambda: "maintenance" in box.events())
    assert box.run("/opt/container/bin/health")[0] == 0
    assert engine.start(volume, {"POSTGRES_PASSWORD": "x"}).wait_exit() == 78
    box.kill("SIGTERM")
    assert box.wait_exit() == 130


def test_a_server_that_recovers_is_alive_and_stops(engine: Any, box_until: Any) -> None:
    volume = engine.volume()
    box = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    box.ask("x", "CREATE TABLE t AS SELECT generate_series(1, 100000)")
    box_until(lambda: box.run("/opt/container/bin/health")[0] == 0)
    # A crash of one backend makes the server recover; it has been healthy, and must not be killed for that.
    idle = box.login("x")
    box.run("sh", "-c", f"kill -9 {idle.info.backend_pid}")
    verdicts = [box.run("/opt/container/bin/health")[0] for _probe in range(5)]
    assert set(verdicts) == {0}
    assert box.said("reinitializing")
    idle.close()
    box.kill("SIGTERM")
    assert box.wait_exit() == 0


@pytest.mark.parametrize("signal", ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.full)])
def test_stops_fast_in_crash_recovery_and_loses_nothing(engine: Any, box_until: Any, signal: str) -> None:
    volume = engine.volume()
    env = {"POSTGRES_PASSWORD": "x", "POSTGRESQL_CONFIG_MAX_WAL_SIZE": "4GB"}
    first = engine.start(volume, env)
    first.ask("x", "CREATE TABLE t AS SELECT n, repeat('x', 200) AS text FROM generate_series(1, 700000) AS n")
    first.kill("SIGKILL")
    engine.remove(first)
    second = engine.start(volume, env)
    box_until(lambda: any("redo starts" in line["message"] for line in second.lines()))
    assert second.run("/opt/container/bin/health")[0] == 1
    started = time.monotonic()
    second.kill(signal)
    second.wait_exit()
    assert time.monotonic() - started < 5
    messages = [line["message"] for line in second.lines()]
    assert "database system is ready to accept connections" not in messages
    engine.remove(second)
    third = engine.start(volume, env)
    assert third.ask("x", "SELECT count(*) FROM t") == 700000


def test_a_probe_and_the_pump_are_small(engine: Any, box_until: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x"})
    box_until(lambda: box.run("/opt/container/bin/health")[0] == 0)
    program = (
        "import resource, subprocess, time; start = time.perf_counter();"
        "subprocess.run(['/opt/container/bin/health'], stdout=subprocess.DEVNULL, check=True);"
        "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    probes: list[list[str]] = []
    # The best counts: the machine has other work as well.
    while len(probes) < 5 or (len(probes) < 60 and min(float(seconds) for seconds, _size in probes) > 0.2):
        probes.append(box.run("python3", "-IS", "-c", program)[1].split())
    assert min(float(seconds) for seconds, _size in probes) <= 0.2
    assert max(int(size) for _seconds, size in probes) <= 25 * 1024
    assert box.run("/opt/container/bin/health", "disk")[0] in (0, 1)
    # Of processes in Python one stays: the pump. The engine's own probe comes and goes.
    looks: list[list[int]] = []

    def alone() -> bool:
        rows = box.client.top(box.id, "-o pid,rss,comm")["Processes"]
        looks.append([int(row[1]) for row in rows if row[2] == "python3"])
        return len(looks[-1]) == 1

    box_until(alone)
    assert looks[-1][0] <= 12 * 1024


def test_orphans_of_an_exec_do_not_restart_the_server(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": "x"})
    before = box.ask("x", "SELECT pg_postmaster_start_time()::text")
    box.run("sh", "-c", "(sleep 0.3; exit 2) & ")
    time.sleep(0.6)  # the orphan has ended now
    assert box.ask("x", "SELECT pg_postmaster_start_time()::text") == before
    assert not any("terminating any other active server processes" in line["message"] for line in box.lines())


def test_a_changed_collation_is_told_in_one_line(engine: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "x", "POSTGRES_INITDB_ARGS": "--locale=en_US.UTF-8"})
    first.ask("x", "UPDATE pg_database SET datcollversion = '2.28' WHERE datname IN ('postgres', 'template0')")
    engine.remove(first)
    second = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    (line,) = second.told("collation_version")
    assert "were made with: postgres. Indexes" in line["message"]


def test_health_is_false_until_clients_can_log_in(engine: Any) -> None:
    box = engine.start(files={"/docker-entrypoint-initdb.d/10-slow.sql": b"SELECT pg_sleep(1); CREATE TABLE made ();"})
    seen = []
    while not seen or seen[-1] != 0:
        seen.append(box.run("/opt/container/bin/health")[0])
    assert seen.count(1) > 2
    assert box.run("psql", "-Atc", "SELECT count(*) FROM made") == (0, "0\n")


def test_init_scripts_run_in_order_and_a_failing_one_leaves_nothing(engine: Any) -> None:
    folder = "/docker-entrypoint-initdb.d/"
    good = {
        folder + "1.sh": b'psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "CREATE TABLE a (n int)"\n',
        folder + "2.sql": b"INSERT INTO a VALUES (7);",
    }
    box = engine.start(env={"POSTGRES_PASSWORD": "x", "POSTGRES_DB": "app"}, files=good)
    assert box.ask("x", "SELECT n FROM a", dbname="app") == 7

    volume = engine.volume()
    bad = engine.start(volume, {"POSTGRES_PASSWORD": "x"}, files={**good, folder + "3.sql": b"SELECT 1/0;"})
    assert bad.wait_exit() == 1
    assert any("3.sql failed with exit code 3" in message for message in bad.errors())
    assert any("division by zero" in line["message"] for line in bad.lines())
    look = engine.start(volume, command=["ls", "-A", "/var/lib/postgresql/data"])
    look.wait_exit()
    assert look.raw_lines() == [f".howdah-{engine.major}.lock"]


def _zstd(engine: Any, content: bytes) -> bytes:
    """Compressed by the image's own program: Python has no such library."""
    plain = base64.b64encode(content).decode()
    packed = engine.start(command=["sh", "-c", f"echo {plain} | base64 -d | zstd -c | base64 -w0"])
    assert packed.wait_exit() == 0
    return base64.b64decode(packed.raw_lines()[0])


def test_init_scripts_of_all_kinds(engine: Any) -> None:
    folder = "/docker-entrypoint-initdb.d/"
    insert = b"INSERT INTO kinds VALUES (current_setting('application_name') || '%s');"
    files = {
        folder + "1.sh": b"export FROM_SOURCED=sourced\nset -x\npsql -qc 'CREATE TABLE kinds (name text)'\n",
        folder + "2.sh": b"#!/bin/bash\npsql -qc \"INSERT INTO kinds VALUES ('run as $0'), ('$PGUSER')\"\n",
        folder + "3.sql.gz": gzip.compress(insert % b" gz"),
        folder + "4.sql.xz": lzma.compress(insert % b" xz"),
        folder + "5.sql.zst": _zstd(engine, insert % b" zst"),
        folder + "6.md": b"no script at all",
    }
    box = engine.start(env={"POSTGRES_PASSWORD": "x"}, files=files)
    found = box.ask("x", "SELECT array_agg(name) FROM kinds")
    assert found == [f"run as {folder}2.sh", "postgres", "psql gz", "psql xz", "psql zst"]
    assert box.told("script_ignored")


def test_settings_of_the_environment_hold_as_long_as_their_variables(engine: Any) -> None:
    volume = engine.volume()
    first = engine.start(volume, {"POSTGRES_PASSWORD": "x", "POSTGRESQL_CONFIG_WORK_MEM": "7MB"}, ["-c", "port=5432"])
    assert first.ask("x", "SHOW work_mem") == "7MB"
    engine.remove(first)
    second = engine.start(volume, {"POSTGRES_PASSWORD": "x"})
    assert second.ask("x", "SHOW work_mem") == "4MB"


def test_a_foreign_command_runs_untouched_and_in_silence(engine: Any) -> None:
    box = engine.start(env={"POSTGRES_PASSWORD": ""}, command=["sh", "-c", "echo out; exit 3"])
    assert box.wait_exit() == 3
    assert box.raw_lines() == ["out"]
    version = engine.start(command=["postgres", "--version"])
    assert version.wait_exit() == 0
    assert version.raw_lines()[0].startswith(f"postgres (PostgreSQL) {engine.major}.")


@pytest.mark.parametrize("user", ["", "12345:0"], ids=["postgres", "any-user"])
def test_nothing_of_ours_can_be_changed_from_inside(engine: Any, user: str) -> None:
    look = "find /opt/container /usr -writable -not -type l; find / -xdev -perm /6000 -type f"
    box = engine.start(command=["sh", "-c", f"{look}; true"], user=user)
    assert box.wait_exit() == 0
    assert box.raw_lines(stderr=False) == []
