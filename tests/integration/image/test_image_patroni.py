# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode patroni of the image, without certificates: etcd, and members that are killed while they are made."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, Callable, Iterator

import docker
import pytest
from inside import inside

NETWORK = f"howdah-image-patroni-{secrets.token_hex(3)}"
ETCD_IMAGE = "howdah/etcd:bookworm"
SCRIPTS = "/docker-entrypoint-initdb.d"
HARDENED = {
    "user": "12345:0",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/run/postgresql": "", "/tmp": ""},
}
# Longer than a guard waits for others that may be at work, and a lease.
PATIENCE = 180.0
JOURNAL = "/var/lib/postgresql/data/.howdah-15.journal"
# Waits the first time only; what it leaves is in the container, not in the volume.
SLOW = b"""[ -e /var/lib/postgresql/again ] || { touch /var/lib/postgresql/again; sleep 100; }
psql -v ON_ERROR_STOP=1 -c "CREATE TABLE scripted AS SELECT count(*) AS tables FROM pg_class WHERE relname = 'scripted'"
"""


class Cluster:
    """A scope of its own in etcd, and its members."""

    def __init__(self, engine: Any, until: Callable[..., Any], etcd: Any) -> None:
        self._engine = engine
        self._until = until
        self._etcd = etcd
        self.scope = f"c{secrets.token_hex(4)}"
        self.password = secrets.token_hex(12)

    def start(self, name: str, env: dict[str, str] | None = None, **options: Any) -> Any:
        """A member; on the network it has its name in this cluster."""
        host = f"{self.scope}-{name}"
        endpoint = self._engine.client.create_endpoint_config(aliases=[host])
        return self._engine.start(
            env={
                "POSTGRES_PASSWORD": self.password,
                "PATRONI_SCOPE": self.scope,
                "PATRONI_NAME": host,
                "PATRONI_ETCD3_HOSTS": "etcd:2379",
                "PATRONI_REPLICATION_PASSWORD": "replicator",
                "PATRONI_REWIND_PASSWORD": "rewinder",
                **(env or {}),
            },
            command=["patroni"],
            networking_config=self._engine.client.create_networking_config({NETWORK: endpoint}),
            network_mode=NETWORK,
            **options,
        )

    def etcdctl(self, *words: str) -> str:
        code, output = self._etcd(["env", "ETCDCTL_API=3", "etcdctl", *words])
        assert code == 0, output
        return str(output)

    def key(self, name: str) -> str:
        """A key of the cluster in etcd; empty when it is empty or missing."""
        return self.etcdctl("get", "--print-value-only", f"/service/{self.scope}/{name}").strip()

    def healthy(self, box: Any) -> None:
        """Wait until clients can log in, and Patroni is alive."""
        self._until(lambda: box.run("/opt/container/bin/health")[0] == 0, PATIENCE)

    def follows(self, box: Any) -> bool:
        """Whether a member follows a leader."""
        return bool(box.run("psql", "-Atc", "SELECT status FROM pg_stat_wal_receiver")[1] == "streaming\n")

    def complete(self, box: Any) -> bool:
        """Whether the password of the environment holds, and the members' roles are there."""
        question = "SELECT count(*) FROM pg_roles WHERE rolname IN ('replicator', 'rewinder')"
        return bool(box.ask(self.password, question) == 2)


@pytest.fixture(scope="module")
def etcd(docker_client: docker.APIClient) -> Iterator[Callable[[list[str]], tuple[int, str]]]:
    """Runs commands in a container of etcd."""
    docker_client.create_network(NETWORK, driver="bridge")
    endpoint = docker_client.create_endpoint_config(aliases=["etcd"])
    identity = docker_client.create_container(
        ETCD_IMAGE,
        name=f"{NETWORK}-etcd",
        environment={
            "ETCD_LISTEN_CLIENT_URLS": "http://0.0.0.0:2379",
            "ETCD_ADVERTISE_CLIENT_URLS": "http://etcd:2379",
        },
        host_config=docker_client.create_host_config(network_mode=NETWORK),
        networking_config=docker_client.create_networking_config({NETWORK: endpoint}),
    )["Id"]

    def run(words: list[str]) -> tuple[int, str]:
        return inside(identity, *words)

    docker_client.start(identity)
    try:
        end = time.monotonic() + 30
        while run(["env", "ETCDCTL_API=3", "etcdctl", "endpoint", "health"])[0]:
            assert time.monotonic() < end, "etcd does not answer"
            time.sleep(0.1)
        yield run
    finally:
        docker_client.remove_container(identity, force=True, v=True)
        docker_client.remove_network(NETWORK)


@pytest.fixture
def cluster(engine: Any, box_until: Any, etcd: Any) -> Cluster:
    """A cluster that has no member yet."""
    return Cluster(engine, box_until, etcd)


def test_a_member_hardened_and_started_again(cluster: Cluster, engine: Any, box_until: Any, leaks: Any) -> None:
    volume, scripts = engine.volume(), [f"{engine.volume()}:{SCRIPTS}"]
    script = {f"{SCRIPTS}/1.sql": b"CREATE TABLE kept AS SELECT current_database()::text AS name;"}
    with leaks(cluster.password) as scan:
        # The engine itself shows what a container is given, and its probes have it: there are none.
        one = cluster.start(
            "n1",
            {"POSTGRES_DB": "app", "LOG_LEVEL": "DEBUG"},
            volume=volume,
            binds=scripts,
            files=script,
            healthcheck={"test": ["NONE"]},
            **HARDENED,
        )
        box_until(lambda: "bootstrapped" in one.events(), PATIENCE)
        assert one.ask(cluster.password, "SELECT name FROM kept", dbname="app") == "app"
        for setting, value in (("log_destination", "csvlog"), ("logging_collector", "off")):
            one.ask(cluster.password, f"ALTER SYSTEM SET {setting} = '{value}'")
        scan.container(engine.client, one.id)
        one.kill("SIGTERM")
        assert one.wait_exit() == 0
        assert cluster.key("leader") == ""  # released, not left to end by itself
        scan.text("container logs", "\n".join(one.raw_lines()))
        scan.text("etcd", cluster.etcdctl("get", "--prefix", "/"))
    first_process = {f"environ of a container: {name}" for name in ("", "sh", "entrypoint", "main")}
    assert set(scan.places()) <= {"inspect Config", *first_process}
    assert {"script", "bootstrapped"} <= set(one.events())
    engine.remove(one)

    # With other values: they count for a new cluster only, and scripts never run again.
    two = cluster.start("n1", {"POSTGRES_PASSWORD": "another one"}, volume=volume, binds=scripts, **HARDENED)
    assert two.ask(cluster.password, "SELECT count(*) FROM kept", dbname="app") == 1
    cluster.healthy(two)
    assert two.run("/opt/container/bin/health", "patroni")[0] == 0

    def role() -> str:
        code, members = two.run("patronictl", "list", "--format", "json")
        assert code == 0
        (member,) = json.loads(members)
        assert member["Member"].endswith("-n1")
        return str(member["Role"])

    # It serves before it has told etcd.
    box_until(lambda: role() == "Leader", PATIENCE)
    assert "script" not in two.events()
    # Nor has anybody had the server log elsewhere.
    two.ask(cluster.password, "DO $$ BEGIN RAISE WARNING 'plain words'; END $$")
    box_until(lambda: any(line.get("message") == "plain words" for line in two.lines()))
    assert two.ask(cluster.password, "SHOW log_destination") == "jsonlog"
    assert two.run("find", "/run/postgresql", "/tmp", "-name", "*.csv") == (0, "")


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"PATRONI_SCOPE": ""}, "Patroni must know the cluster's name"),
        ({"PATRONI_CONFIGURATION": "{}"}, "PATRONI_CONFIGURATION is set, which this image decides"),
        ({"POSTGRES_INITDB_WALDIR": "/tmp/wal"}, "POSTGRES_INITDB_WALDIR does not work in the mode patroni"),
        ({"PGDATA": "/var/lib/postgresql/data"}, "which is a mount: Patroni must be able to remove the directory"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_work_is_one_line(cluster: Cluster, env: dict[str, str], told: str) -> None:
    box = cluster.start("n1", env)
    assert box.wait_exit() != 0
    (error,) = box.errors()
    assert told in error


@pytest.mark.full  # half a minute
def test_a_script_that_fails_leaves_nothing(cluster: Cluster, engine: Any) -> None:
    volume = engine.volume()
    one = cluster.start("n1", volume=volume, files={f"{SCRIPTS}/1.sql": b"SELECT 1/0;"})
    assert engine.client.wait(one.id, timeout=PATIENCE)["StatusCode"] != 0
    assert any(error.startswith(f"The init script {SCRIPTS}/1.sql failed") for error in one.errors())
    assert cluster.etcdctl("get", "--keys-only", f"/service/{cluster.scope}/initialize").strip() == ""
    engine.remove(one)
    two = cluster.start("n1", volume=volume)
    cluster.healthy(two)
    assert cluster.complete(two)
    assert two.run("ls", "/var/lib/postgresql/data") == (0, "15\n")


# --- Killed --------------------------------------------------------------------------------------


@pytest.mark.full  # half a minute; the next one is killed later
def test_killed_before_it_has_made_a_file(cluster: Cluster, engine: Any, box_until: Any) -> None:
    # As Patroni leaves it when it dies right after it has won the race to make the cluster.
    cluster.etcdctl("put", f"/service/{cluster.scope}/initialize", "")
    box = cluster.start("n1")
    waiting = "waiting for leader to bootstrap"
    box_until(lambda: any(waiting in line.get("message", "") for line in box.lines()), PATIENCE)
    box.kill("SIGKILL")
    box.wait_exit()
    engine.client.start(box.id)
    cluster.healthy(box)
    assert cluster.complete(box)
    assert "bootstrap_abandoned" in box.events()


def test_killed_in_a_script(cluster: Cluster, engine: Any, box_until: Any) -> None:
    box = cluster.start("n1", files={f"{SCRIPTS}/1.sh": SLOW})
    box_until(lambda: "script" in box.events(), PATIENCE)
    box.kill("SIGKILL")
    box.wait_exit()
    engine.client.start(box.id)
    cluster.healthy(box)
    assert cluster.complete(box)
    assert box.ask(cluster.password, "SELECT tables FROM scripted") == 0  # not in the old one
    assert "half_made" in box.events()


def test_a_copy_that_is_cut_off_is_made_anew(cluster: Cluster, engine: Any, box_until: Any) -> None:
    one = cluster.start("n1")
    cluster.healthy(one)
    # Long enough to be caught in the middle.
    one.ask(cluster.password, "CREATE TABLE much AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
    two = cluster.start("n2")
    box_until(lambda: two.run("test", "-e", JOURNAL)[0] == 0, PATIENCE)
    two.kill("SIGKILL")
    two.wait_exit()
    engine.client.start(two.id)
    box_until(lambda: cluster.follows(two), PATIENCE)
    assert "half_made" in two.events()
    assert two.run("ls", JOURNAL)[0] != 0
    # A copy that is complete stays as it is.
    two.kill("SIGKILL")
    two.wait_exit()
    engine.client.start(two.id)
    box_until(lambda: cluster.follows(two), PATIENCE)
    assert two.events().count("half_made") == 1


@pytest.mark.full
@pytest.mark.parametrize("delay", [0.5 + 0.25 * step for step in range(16)])
def test_killed_at_any_time(cluster: Cluster, engine: Any, box_until: Any, delay: float) -> None:
    box = cluster.start("n1", {"POSTGRES_INITDB_ARGS": ""})
    time.sleep(delay)
    box.kill("SIGKILL")
    box.wait_exit()
    engine.client.start(box.id)
    cluster.healthy(box)
    assert cluster.complete(box)
    box_until(lambda: cluster.key("config"), PATIENCE)  # Patroni writes it a moment after the cluster is complete
    assert json.loads(cluster.key("config"))["synchronous_mode"] == "quorum"
