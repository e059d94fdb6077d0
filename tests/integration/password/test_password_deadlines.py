# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong, the call ends in time, says what it waited for, and leaves nothing waiting."""
from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.exec import ask_agent, raise_failure
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import target as target_module
from inside import inside

TIMEOUT = 1.5


@contextmanager
def silent(host="127.0.0.1"):
    """The port of a socket that accepts, and says nothing."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        listener.listen(50)
        yield listener.getsockname()[1]


@pytest.fixture
def locked(server, role):
    """The role's row is held by another session, whose backend is given."""
    other = server.connect()
    cursor = other.cursor()
    cursor.execute(f"ALTER ROLE {role} CONNECTION LIMIT 5")
    yield other
    other.rollback()
    other.close()


def _backends(server):
    """What of ours still waits for the role. Its statement is nowhere to be seen."""
    return server.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'howdah.postgresql' AND wait_event_type = 'Lock'"
    )


def test_a_silent_server(change, server, role, within):
    with silent() as port, within(TIMEOUT), pytest.raises(errors.TimeoutConnect, match="no answer"):
        change(role, "x", timeout=TIMEOUT, target=server.target(hosts=(f"127.0.0.1:{port}",)))


def test_a_black_hole(change, server, role, within):
    """Nothing comes back, not even a refusal: a full queue of a listener that accepts nobody drops all that arrives."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _place in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        time.sleep(0.05)
        with socket.socket() as probe, pytest.raises(TimeoutError):
            probe.settimeout(0.2)
            probe.connect(listener.getsockname())
        hosts = (f"127.0.0.1:{listener.getsockname()[1]}",)
        with within(TIMEOUT), pytest.raises(errors.TimeoutConnect, match="no answer"):
            change(role, "x", timeout=TIMEOUT, target=server.target(hosts=hosts))


def test_several_dead_hosts(change, server, role, within):
    with silent("127.0.0.2") as one, silent("127.0.0.3") as two, within(TIMEOUT):
        hosts = (f"127.0.0.2:{one}", "127.0.0.4:1", f"127.0.0.3:{two}", "127.0.0.5:1")
        with pytest.raises(errors.TimeoutConnect) as caught:
            change(role, "x", timeout=TIMEOUT, target=server.target(hosts=hosts))
    assert len(caught.value.details["addresses"]) == 4


def test_the_living_is_found_among_the_dead(change, server, role, within):
    with silent("127.0.0.2") as one, silent("127.0.0.3") as two, within(TIMEOUT):
        hosts = (f"127.0.0.2:{one}", f"127.0.0.3:{two}", "127.0.0.4:1", f"127.0.0.1:{server.port}")
        assert change(role, "x", timeout=TIMEOUT, target=server.target(hosts=hosts))["changed"]


def test_nobody_listens(change, server, role, within):
    with within(0), pytest.raises(errors.ServerUnreachable, match="refused"):
        change(role, "x", target=server.target(hosts=("127.0.0.1:1",)))


def test_a_slow_name_server(change, server, role, within, monkeypatch):
    real = target_module.addresses_of

    def slow(host, flags=0):
        if host == "slow.test" and not flags:
            time.sleep(TIMEOUT * 2)
        return real(host, flags)

    monkeypatch.setattr(target_module, "addresses_of", slow)
    with within(TIMEOUT), pytest.raises(errors.TimeoutConnect, match="name server"):
        change(role, "x", timeout=TIMEOUT, target=server.target(hosts=("slow.test",)))
    with within(TIMEOUT):
        hosts = ("slow.test", f"127.0.0.1:{server.port}")
        assert change(role, "x", timeout=TIMEOUT, target=server.target(hosts=hosts))["changed"]


def test_a_locked_role(change, server, role, locked, within, statements):
    with within(TIMEOUT), pytest.raises(errors.TimeoutLock, match=f"role '{role}' .another session holds it"):
        change(role, "x", timeout=TIMEOUT)
    assert _backends(server) == []
    # A server quotes the statement that failed, unless it is told not to.
    log = statements()
    assert "due to lock timeout" in log and "SCRAM-SHA-256$" not in log
    locked.rollback()
    assert server.stored(role) is None


def test_a_frozen_backend(change, server, role, locked, within):
    """It waits for the lock, is stopped there, and so its own time limits do not help."""
    failures = []

    def run():
        try:
            change(role, "x", timeout=TIMEOUT)
        except errors.HowdahError as error:
            failures.append((time.monotonic(), error))

    started = time.monotonic()
    thread = threading.Thread(target=run)
    thread.start()
    pid = None
    while pid is None and time.monotonic() < started + TIMEOUT / 2:
        found = _backends(server)
        pid = str(found[0][0]) if found else None
    server.signal("STOP", pid)
    try:
        thread.join(timeout=TIMEOUT + 5)
        ended, error = failures[0]
        assert error.number == errors.DeadlineExceeded.number and TIMEOUT <= ended - started < TIMEOUT + 0.3
    finally:
        server.signal("CONT", pid)
    locked.rollback()
    for _attempt in range(100):
        if not _backends(server):
            break
        time.sleep(0.02)
    assert server.stored(role) is None


def test_a_missing_synchronous_standby(change, server, role, within):
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'ghost'")
    try:
        server.sql("SELECT pg_reload_conf()")
        with within(TIMEOUT):
            result = change(role, "secret", timeout=TIMEOUT)
        assert result["changed"] and result["replicated"] is False
        assert server.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == []
    finally:
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")
    assert server.lets_in(role, "secret")


def test_a_frozen_synchronous_standby(change, server, standby, role, within):
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'howdah_standby'")
    receiver = str(server.sql("SELECT pid FROM pg_stat_wal_receiver", port=standby)[0][0])
    try:
        server.sql("SELECT pg_reload_conf()")
        server.signal("STOP", receiver)
        with within(TIMEOUT):
            result = change(role, "secret", timeout=TIMEOUT)
        assert result["changed"] and result["replicated"] is False
    finally:
        server.signal("CONT", receiver)
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")


# --- the answer to COMMIT does not come ----------------------------------------------------------


class Proxy:
    """Forwards to the server until it sees a client's COMMIT; what it does then depends on ``fault``.

    - ``swallow``: the server gets neither it nor the client's leaving, as when the network is cut.
    - ``mute``: the server gets it, the client gets no answer.
    - ``cut``: the server never gets it, and both sides are disconnected.

    Connections after that one are forwarded.
    """

    def __init__(self, port, fault):
        self._upstream = port
        self._fault = fault
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        self._swallowed = None
        self.sent = bytearray()  # by clients
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self):
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self._upstream))
            self._sockets += [client, upstream]
            threading.Thread(target=self._forward, args=(client, upstream), daemon=True).start()

    def _forward(self, client, upstream):
        muted = False
        try:
            while True:
                for source in select.select([client, upstream], [], [])[0]:
                    data = source.recv(65536)
                    if source is client:
                        self.sent += data
                    if not data and self._swallowed is upstream:
                        return
                    if not data:
                        client.close()
                        upstream.close()
                        return
                    if source is client and b"COMMIT" in data and self._fault:
                        fault, self._fault = self._fault, None
                        if fault == "cut":
                            upstream.close()
                            client.close()
                            return
                        muted = True
                        if fault == "swallow":
                            self._swallowed = upstream
                            continue
                    if not muted or (source is client and self._swallowed is not upstream):
                        (upstream if source is client else client).sendall(data)
        except (OSError, ValueError):
            return


@pytest.fixture
def through_proxy(server):
    """A target behind a proxy with a fault."""
    proxies = []

    def build(fault):
        proxies.append(Proxy(server.port, fault))
        return server.target(hosts=(f"127.0.0.1:{proxies[0].port}",))

    build.proxies = proxies
    yield build
    for proxy in proxies:
        proxy.close()


def test_commit_done_but_not_answered(change, server, role, within, through_proxy):
    with within(TIMEOUT):
        assert change(role, "secret", timeout=TIMEOUT, target=through_proxy("mute"))["changed"]
    assert server.lets_in(role, "secret")


def test_the_server_never_gets_clear_text(change, server, role, through_proxy):
    """Neither when a password is set, nor when it is compared; only the verifier travels."""
    target = through_proxy(None)
    secret = "clear-" + secrets.token_hex(8)
    assert change(role, secret, target=target)["changed"] and not change(role, secret, target=target)["changed"]
    (proxy,) = through_proxy.proxies
    sent = bytes(proxy.sent)
    assert server.stored(role).encode() in sent and b"rolpassword" in sent
    assert secret.encode() not in sent and server.password.encode() not in sent


def test_commit_lost(change, server, role, within, through_proxy):
    with within(TIMEOUT), pytest.raises(errors.ServerUnreachable):
        change(role, "secret", timeout=TIMEOUT, target=through_proxy("cut"))
    assert server.stored(role) is None


def test_commit_that_may_still_come(change, role, within, through_proxy):
    with within(TIMEOUT), pytest.raises(errors.OutcomeUnknown) as caught:
        change(role, "secret", timeout=TIMEOUT, target=through_proxy("swallow"))
    assert caught.value.details == {"outcome": "unknown", "role": role}


# --- through the container -----------------------------------------------------------------------


@pytest.fixture
def ask(docker_params):
    """Asks the agent in the container to set one password."""

    def call(role, password, timeout=5.0, container=None, check=False):
        params = {**docker_params, "container": container or docker_params["container"]}
        roles = [{"name": role, "password": password}]
        message = {"command": "password", "roles": roles, "iterations": 4096, "check": check}
        answer = ask_agent(params, message, Deadline(timeout), writes=not check)
        raise_failure(answer)
        return answer["result"]["roles"][0]

    return call


def _agents(server):
    """The agents that run in the container."""
    top = server.client.top(server.container)
    return [row for row in top["Processes"] if "agent" in row[top["Titles"].index("CMD")]]


def test_agent_errors_keep_their_class(ask, server, role):
    with pytest.raises(errors.RoleMissing) as caught:
        ask("nobody here", "x")
    assert caught.value.details["roles_missing"] == ["nobody here"]


def test_agent_and_a_locked_role(ask, server, role, locked, within):
    # Longer than the others: the agent takes its time to start on a loaded machine, and the answer names the lock.
    with within(TIMEOUT * 8), pytest.raises(errors.DeadlineExceeded, match="another session holds it"):
        ask(role, "x", timeout=TIMEOUT * 8)
    assert _agents(server) == [] and _backends(server) == []


def test_a_container_that_freezes_on_the_way(ask, server, role, locked, within):
    """The agent waits for the lock when everything stops; once thawed, the kernel ends it."""
    frozen = []

    def freeze():
        for _attempt in range(400):
            if _backends(server):
                server.client.pause(server.container)
                frozen.append(True)
                return
            time.sleep(0.01)

    freezer = threading.Thread(target=freeze)
    freezer.start()
    try:
        with within(TIMEOUT * 4), pytest.raises(errors.OutcomeUnknown, match="frozen"):
            ask(role, "x", timeout=TIMEOUT * 4)
    finally:
        freezer.join()
        if frozen:
            server.client.unpause(server.container)
    until = time.monotonic() + 10
    while _agents(server):
        assert time.monotonic() < until, "the agent is still there"
        time.sleep(0.1)
    locked.rollback()
    assert server.stored(role) is None


def test_a_paused_container(ask, server, role, within):
    server.client.pause(server.container)
    try:
        with within(TIMEOUT), pytest.raises(errors.ContainerFailed, match="paused"):
            ask(role, "x", timeout=TIMEOUT)
    finally:
        server.client.unpause(server.container)


def test_an_agent_without_a_request_ends(server):
    """Somebody execs it and goes away: nothing stays."""
    created = server.client.exec_create(server.container, ["/opt/container/bin/agent"], stdin=True)
    stream = server.client.exec_start(created["Id"], socket=True)
    time.sleep(0.5)
    assert len(_agents(server)) >= 1
    stream._sock.shutdown(socket.SHUT_RDWR)
    for _attempt in range(120):
        if not _agents(server):
            return
        time.sleep(0.1)
    pytest.fail("the agent stays")


def test_a_container_without_agent(docker_client, test_image, ask):
    name = f"howdah-password-foreign-{secrets.token_hex(4)}"
    docker_client.create_container(test_image, name=name, entrypoint=["/bin/sleep", "60"], volumes=[])
    try:
        docker_client.start(name)
        inside(name, "rm", "-rf", "/opt/container/bin", user="0")
        with pytest.raises(errors.InvalidInput, match="login_host"):
            ask("postgres", "x", container=name)
        with pytest.raises(errors.ContainerNotFound):
            ask("postgres", "x", container=name + "-not")
    finally:
        docker_client.remove_container(name, force=True, v=True)
