# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container module's functions on a real engine."""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    ContainerFailed,
    DeadlineExceeded,
    EngineError,
    EngineUnreachable,
    PortTaken,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_apply, container_list
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import connect
from ansible_runs import free_ports
from container_options import given_options, params, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inside import inside

IMAGE = "debian:bookworm"
BOX = "howdah-container-box"
# Process 1 has no default action for signals: without a trap each stop lasts until the kill.
SLEEP = ["sh", "-c", "trap 'exit 0' TERM INT; echo up; sleep inf & wait"]
Things = Callable[[], dict[str, set[str]]]


def wish(**given: Any) -> dict[str, Any]:
    return params(**{"name": BOX, "image": IMAGE, "command": SLEEP, "timeout": 30.0, "stop_timeout": 2, **given})


def inspect(engine: Any, name: str = BOX) -> dict[str, Any]:
    return dict(engine.inspect_container(name))


def check_equals_run(engine: Any, specs: int) -> None:
    """Make a container of each spec, that is, turn that of one spec into that of the next one."""

    @settings(max_examples=specs, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(given_options("howdah-container-vol", "root"), st.sampled_from(["started", "stopped", "present"]))
    def check(options: dict[str, Any], state: str) -> None:
        # Not waited for: a health check without an interval gives its first verdict after 30 s.
        options = wish(**options, state=state, wait=False)
        checked = run(engine, options, check_mode=True)
        assert run(engine, options) == checked
        again = run(engine, options)
        assert not again["changed"], again

    check()


def test_check_tells_what_the_run_does_and_a_second_run_does_nothing(engine: Any) -> None:
    check_equals_run(engine, specs=30)


@pytest.mark.full
def test_check_tells_what_the_run_does_for_hundreds_of_specs(engine: Any) -> None:
    check_equals_run(engine, specs=300)


def test_everything_that_a_database_needs_arrives_in_the_container(engine: Any) -> None:
    port4, port6 = free_ports(2)
    options = wish(
        ports=[f"{port4}:5432", f"[::1]:{port6}:5432"], volumes=["howdah-container-data:/data", "/usr/share:/host:ro"],
        tmpfs=["/run:size=1m"], networks=[{"name": "howdah-container-net", "aliases": ["db"]}], shm_size="96m",
        memory="256m", cpus=0.5, ulimits=["nofile=512:1024"], sysctls={"net.ipv4.ip_local_port_range": "20000 40000"},
        read_only=True, cap_drop=["ALL"], cap_add=["CHOWN"], security_opt=["no-new-privileges"], user="33:33",
        hosts={"pg2": "127.0.0.9"}, hostname="pg1", env={"A": "x y"}, bootstrap_env={"ONCE": "1"},
    )  # fmt: skip
    run(engine, options)
    # Of process 1: an exec was once seen with the hard limit as its soft one.
    script = """
        id -u; hostname; echo $A $ONCE; awk '/open files/ { print $4, $5 }' /proc/1/limits
        cat /proc/sys/net/ipv4/ip_local_port_range; grep pg2 /etc/hosts
        df -m --output=size /dev/shm /run | tail -n +2; grep -E 'CapBnd|NoNewPrivs' /proc/self/status
        touch /x 2>&1; touch /host/x 2>&1; mount | grep -c ' /data '; getent hosts db
    """
    seen = inside(BOX, "sh", "-c", script)[1].split("\n")
    host = inspect(engine)
    address = host["NetworkSettings"]["Networks"]["howdah-container-net"]["IPAddress"]
    assert [" ".join(line.split()) for line in seen if line] == [
        "33", "pg1", "x y 1", "512 1024", "20000 40000", "127.0.0.9 pg2", "96", "1",
        "CapBnd: 0000000000000001", "NoNewPrivs: 1", "touch: cannot touch '/x': Read-only file system",
        "touch: cannot touch '/host/x': Read-only file system", "1", f"{address} db",
    ]  # fmt: skip
    assert host["HostConfig"]["Memory"] == 256 << 20
    bindings = host["NetworkSettings"]["Ports"]["5432/tcp"]
    assert {(entry["HostIp"], entry["HostPort"]) for entry in bindings} == {
        ("127.0.0.1", str(port4)),
        ("::1", str(port6)),
    }
    assert run(engine, options)["actions"] == []


def test_healthy_is_known_before_the_engines_first_verdict(engine: Any) -> None:
    check = {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "30s"}
    began = time.monotonic()
    run(engine, wish(command=["sh", "-c", "sleep 1; touch /tmp/ready; exec sleep inf"], healthcheck=check))
    assert 1.0 <= time.monotonic() - began < 20.0


@pytest.mark.parametrize("test", ["sleep 60", "yes"])
def test_a_health_check_that_hangs_or_floods_is_left_to_the_engine(engine: Any, test: str) -> None:
    check = {"test": test, "interval": "300ms", "timeout": "500ms", "retries": 1}
    with pytest.raises(ContainerFailed, match="is unhealthy"):
        run(engine, wish(healthcheck=check))


def test_limits_policies_and_networks_change_without_a_new_container(engine: Any) -> None:
    net1, net2 = {"name": "howdah-container-n1"}, {"name": "howdah-container-n2", "aliases": ["db"]}
    options = wish(memory="64m", cpus=0.5, networks=[net1])
    run(engine, options)
    before = inspect(engine)
    changed = {**options, "memory": "256m", "cpus": 1.0, "restart_policy": "on-failure:2", "networks": [net1, net2]}
    assert run(engine, changed, check_mode=True) == run(engine, changed)
    after = inspect(engine)
    assert (after["Id"], after["State"]["Pid"]) == (before["Id"], before["State"]["Pid"])
    assert set(after["NetworkSettings"]["Networks"]) == {"howdah-container-n1", "howdah-container-n2"}
    assert not run(engine, changed)["changed"]
    assert not run(engine, {**changed, "state": "present"})["changed"]
    assert run(engine, {**changed, "networks": [net2, net1]})["actions"] == []
    # The network that the engine looks for at each start cannot be left.
    moved = {**changed, "networks": [net2]}
    assert run(engine, moved)["actions"] == [f"recreate container {BOX}: networks"]
    assert set(inspect(engine)["NetworkSettings"]["Networks"]) == {"howdah-container-n2"}
    assert not run(engine, moved)["changed"]
    assert run(engine, {**moved, "state": "restarted"})["actions"] == [f"restart container {BOX}"]


def test_a_fixed_address_is_given_and_kept(engine: Any) -> None:
    from docker.types import IPAMConfig, IPAMPool

    # Private addresses that nothing here uses; the container is never spoken to.
    pool = IPAMPool(subnet="172.31.251.0/24")
    engine.create_network("howdah-container-fixed", ipam=IPAMConfig(pool_configs=[pool]))
    options = wish(networks=[{"name": "howdah-container-fixed", "ipv4_address": "172.31.251.7"}])
    run(engine, options)
    assert inspect(engine)["NetworkSettings"]["Networks"]["howdah-container-fixed"]["IPAddress"] == "172.31.251.7"
    assert run(engine, options)["actions"] == []
    run(engine, {**options, "env": {"A": "1"}})
    assert inspect(engine)["NetworkSettings"]["Networks"]["howdah-container-fixed"]["IPAddress"] == "172.31.251.7"


def test_a_network_that_several_make_at_the_same_moment_is_one(engine: Any) -> None:
    """Engines before 25 make several of a name then, and refuse all that names it ever after."""
    for number in range(5):
        name = f"howdah-container-n{number}"
        barrier = threading.Barrier(6)

        def make(name: str = name, barrier: threading.Barrier = barrier) -> None:
            client = connect(params(), Deadline(10))
            barrier.wait(10)
            container_apply.make_network(client, name, Deadline(20))

        makers = [threading.Thread(target=make) for _maker in range(6)]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join(30)
        assert len(engine.networks(names=[name])) == 1


@pytest.mark.parametrize("before", [["howdah-container-fixed"], ["howdah-container-n1", "howdah-container-fixed"]])
def test_an_address_that_is_taken_leaves_the_container_where_it_was(engine: Any, before: list[str]) -> None:
    from docker.types import IPAMConfig, IPAMPool

    pool = IPAMPool(subnet="172.31.251.0/24")
    engine.create_network("howdah-container-fixed", ipam=IPAMConfig(pool_configs=[pool]))
    owner = {"name": "howdah-container-owner", "networks": [{"name": before[-1], "ipv4_address": "172.31.251.8"}]}
    run(engine, wish(**owner))

    def attached(address: str) -> dict[str, Any]:
        fixed = {"name": before[-1], "ipv4_address": address, "aliases": ["db"]}
        return wish(networks=[*({"name": name} for name in before[:-1]), fixed])

    run(engine, attached("172.31.251.7"))
    pid = inspect(engine)["State"]["Pid"]
    with pytest.raises(EngineError, match="Address already in use") as caught:
        run(engine, attached("172.31.251.8"))
    assert "not_undone" not in caught.value.details
    after = inspect(engine)
    endpoint = after["NetworkSettings"]["Networks"][before[-1]]
    assert (after["State"]["Pid"], endpoint["IPAddress"]) == (pid, "172.31.251.7") and "db" in endpoint["Aliases"]
    assert run(engine, attached("172.31.251.7"))["actions"] == []
    # A network more, where the address is taken, leaves nothing that would keep it from starting.
    if before[:-1]:
        run(engine, wish(networks=[{"name": "howdah-container-n1"}]))
        with pytest.raises(EngineError, match="Address already in use"):
            run(engine, attached("172.31.251.8"))
        assert set(inspect(engine)["NetworkSettings"]["Networks"]) == {"howdah-container-n1"}
    engine.restart(BOX, timeout=1)
    assert inspect(engine)["State"]["Running"]


def test_containers_of_the_command_line_are_taken_over(engine: Any) -> None:
    port = free_ports(1)[0]
    command = [
        "docker", "run", "-d", "--name", BOX, "-e", "A=1", "-p", f"127.0.0.1:{port}:5432",
        "-v", "howdah-container-v:/d", "--tmpfs", "/run", "--cap-drop", "all", "--memory", "64m", "--cpus", "1",
        "--security-opt", "no-new-privileges", "--restart", "unless-stopped", "--ulimit", "nofile=512",
        "--add-host", "a:127.0.0.2", "--health-cmd", "true", "--health-interval", "1s", "--stop-timeout", "2",
        "--shm-size", "96m", "-l", "x=y", "--hostname", "h", IMAGE, *SLEEP,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    options = wish(
        env={"A": "1"}, ports=[f"{port}:5432"], volumes=["howdah-container-v:/d"], tmpfs=["/run"], cap_drop=["ALL"],
        security_opt=["no-new-privileges"], memory="64m", cpus=1.0, restart_policy="unless-stopped",
        ulimits=["nofile=512"], hosts={"a": "127.0.0.2"}, healthcheck={"test": "true", "interval": "1s"},
        shm_size="96m", labels={"x": "y"}, hostname="h",
    )  # fmt: skip
    assert run(engine, options)["actions"] == []
    assert run(engine, {**options, "labels": {}})["actions"] == [f"recreate container {BOX}: labels"]
    assert not run(engine, {**options, "labels": {}})["changed"]


DEAD = ["sh", "-c", 'echo starting; echo \'{"level":"error","message":"no space in canary77"}\'; sleep 0.2; exit 3']


def test_a_new_container_that_exits_fails_at_once_and_leaves_nothing(engine: Any, things: Things) -> None:
    before, start = things(), time.monotonic()
    with pytest.raises(ContainerFailed) as failure:
        run(
            engine,
            wish(command=DEAD, volumes=["howdah-container-v:/d"], networks=[{"name": "howdah-container-n"}],
                 bootstrap_env={"PW": "canary77"}, stable_for=30.0),
        )  # fmt: skip
    assert time.monotonic() - start < 15  # on a busy machine; what it would wait for takes longer
    assert failure.value.message == (
        f"Container {BOX} exited with code 3. Its log: ERROR: no space in ******** | starting"
    )
    assert failure.value.details == {
        "exit_code": 3, "health": "", "logs": ["starting", "ERROR: no space in ********"],
    }  # fmt: skip
    assert things() == before


def test_a_restart_loop_fails_at_once(engine: Any, things: Things) -> None:
    before, start = things(), time.monotonic()
    with pytest.raises(ContainerFailed, match="exited with code 3 and is restarted again and again|exited with code 3"):
        run(engine, wish(command=DEAD, restart_policy="always", stable_for=30.0))
    assert time.monotonic() - start < 15  # on a busy machine; what it would wait for takes longer
    assert things() == before


@pytest.mark.parametrize("state", ["healthy", "unhealthy", "late"])
def test_waits_for_health(engine: Any, things: Things, state: str) -> None:
    before, start = things(), time.monotonic()
    probe = {"healthy": "true", "unhealthy": "echo no canary77 here; false", "late": "sleep 9"}[state]
    options = wish(
        healthcheck={"test": probe, "interval": "500ms", "retries": 1}, bootstrap_env={"PW": "canary77"},
        timeout=3.0 if state == "late" else 30.0,
    )  # fmt: skip
    if state == "healthy":
        run(engine, options)
        assert inspect(engine)["State"]["Health"]["Status"] in ("starting", "healthy")
        return
    if state == "unhealthy":
        with pytest.raises(ContainerFailed, match="is unhealthy. The health check says: no [*]+ here"):
            run(engine, options)
    else:
        with pytest.raises(DeadlineExceeded, match="while waiting for container .* to become healthy"):
            run(engine, options)
    assert time.monotonic() - start < 20
    assert things() == before


def test_a_replacement_that_turns_unhealthy_gives_way_to_the_former_one(engine: Any, things: Things) -> None:
    port = free_ports(1)[0]
    options = wish(ports=[f"{port}:5432"], volumes=["howdah-container-v:/d"], restart_policy="always")
    run(engine, options)
    before, there = inspect(engine), things()
    broken = {
        **options, "healthcheck": {"test": "false", "interval": "300ms", "retries": 1},
        "volumes": ["howdah-container-v:/d", "howdah-container-w:/e"], "networks": [{"name": "howdah-container-n"}],
    }  # fmt: skip
    with pytest.raises(ContainerFailed, match="is unhealthy"):
        run(engine, broken)
    after = inspect(engine)
    assert (after["Id"], after["State"]["Status"]) == (before["Id"], "running")
    assert after["HostConfig"] == before["HostConfig"]
    assert things() == there
    assert run(engine, options)["actions"] == []


def test_a_container_that_cannot_start_says_why(engine: Any, things: Things) -> None:
    before = things()
    with pytest.raises(ContainerFailed, match="no-such-program"):
        run(engine, wish(command=["no-such-program"]))
    with pytest.raises(EngineError, match="/no/such/path"):
        run(engine, wish(volumes=["/no/such/path:/d"]))
    assert things() == before


def forecasts(options: dict[str, Any]) -> tuple[str, ...]:
    """What check mode warns of."""
    (outcome,) = container_list.work(options, container_list.parse([options]), Deadline(30), check_mode=True)
    assert outcome.decided is not None
    return outcome.decided.warnings


@pytest.mark.parametrize("holder", ["container", "process"])
def test_a_taken_port_names_its_holder(engine: Any, things: Things, holder: str) -> None:
    port = free_ports(1)[0]
    with socket.socket() as listener:
        if holder == "container":
            run(engine, wish(name="howdah-container-other", ports=[f"{port}:1"]))
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
        before = things()
        (warning,) = forecasts(wish(ports=[f"{port}:5432"]))
        with pytest.raises(PortTaken) as failure:
            run(engine, wish(ports=[f"{port}:5432"]))
        assert warning == f"As things are now, this will fail. {failure.value.message}"
        expected = "howdah-container-other" if holder == "container" else None
        assert failure.value.details == {"port": port, "holder": expected}
        assert things() == before
    assert not forecasts(wish(ports=[f"{free_ports(1)[0]}:5432"]))


KILLED = """
import os, signal, sys
sys.path.insert(0, {unit!r})
from container_options import params, run
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_apply, container_list
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import connect
client = connect(params(), Deadline(10))
changing, request = 0, client.send
def send(prepared, **settings):
    global changing
    if prepared.method != "GET":
        changing += 1
        if changing == {number}:
            os.kill(os.getpid(), signal.SIGKILL)
    return request(prepared, **settings)
client.send = send
run(client, {options!r})
"""


def test_killed_anywhere_in_a_replacement_the_next_run_converges(engine: Any, things: Things) -> None:
    old = wish(env={"A": "old"}, volumes=["howdah-container-v:/d"], restart_policy="always")
    new = {**old, "env": {"A": "new"}}
    unit = str(Path(__file__).parents[2] / "unit" / "container")
    outcomes = []
    for number in range(1, 20):
        run(engine, old)
        code = KILLED.format(unit=unit, number=number, options=new)
        outcomes.append(subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode)
        run(engine, new)
        now = inspect(engine)
        assert "A=new" in now["Config"]["Env"]
        assert now["State"]["Status"] == "running"
        assert now["HostConfig"]["RestartPolicy"]["Name"] == "always"
        assert things()["containers"] == {f"/{BOX}"}
        assert not run(engine, new)["changed"]
        if outcomes[-1] == 0:
            break
    # update, create, stop, two renames, start, remove, update: it was killed before each of them
    assert outcomes == [-signal.SIGKILL] * 8 + [0]


def resolves(engine: Any, name: str) -> bool:
    return inside(BOX, "getent", "hosts", name)[0] == 0


def test_a_container_is_known_by_its_name_after_a_replacement_and_after_its_failure(engine: Any) -> None:
    options = wish(networks=[{"name": "howdah-container-n", "aliases": ["db"]}], hostname="pg1")
    run(engine, options)
    changed = {**options, "env": {"A": "1"}}
    run(engine, changed)
    with pytest.raises(ContainerFailed):
        run(engine, {**changed, "command": DEAD, "stable_for": 9.0})
    assert [resolves(engine, name) for name in (BOX, "db", "pg1")] == [True] * 3
    assert not any(resolves(engine, BOX + suffix) for suffix in (".howdah-new", ".howdah-old"))


class Cable:
    """A way to the engine that is cut when a request holds certain bytes."""

    def __init__(self, path: Path, cut_at: bytes) -> None:
        self.url = f"unix://{path}"
        self._cut_at = cut_at
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(params()["docker_host"][len("unix://"):])
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self._cut_at in data:
                    self.cut()
                sink.sendall(data)
        except OSError:
            return

    def cut(self) -> None:
        for end in (self._listener, *self._ends):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._listener.close()


@pytest.mark.parametrize("request_line", [b"/events", b"/rename"])
def test_an_engine_that_goes_away_is_told_and_the_next_run_converges(
    engine: Any, things: Things, tmp_path: Path, request_line: bytes
) -> None:
    old = wish(env={"A": "old"}, volumes=["howdah-container-v:/d"])
    new = {**old, "env": {"A": "new"}}
    run(engine, old)
    cable = Cable(tmp_path / "engine.sock", request_line)
    start = time.monotonic()
    with pytest.raises(EngineUnreachable, match="Undoing it failed, too; run this task again"):
        run(connect(params(docker_host=cable.url), Deadline(10)), {**new, "stable_for": 30.0})
    assert time.monotonic() - start < 15
    cable.cut()
    run(engine, new)
    assert things()["containers"] == {f"/{BOX}"}
    assert "A=new" in inspect(engine)["Config"]["Env"]
    assert run(engine, new)["actions"] == []


def test_states(engine: Any) -> None:
    options = wish()
    run(engine, {**options, "state": "present"})
    assert inspect(engine)["State"]["Status"] == "created"
    run(engine, options)
    first = inspect(engine)["State"]["StartedAt"]
    run(engine, {**options, "state": "restarted"})
    assert inspect(engine)["State"]["StartedAt"] > first
    only_state = params(name=BOX, image=None)
    assert run(engine, {**only_state, "state": "stopped"})["actions"] == [f"stop container {BOX}"]
    assert inspect(engine)["State"]["Status"] == "exited"
    assert not run(engine, {**options, "state": "stopped"})["changed"]
    assert run(engine, only_state)["actions"] == [f"start container {BOX}"]
    engine.pause(BOX)
    assert not run(engine, {**options, "state": "present"})["changed"]
    assert run(engine, only_state)["actions"] == [f"unpause container {BOX}"]
    assert run(engine, {**only_state, "state": "absent"})["changed"]
    assert not run(engine, {**only_state, "state": "absent"})["changed"]
