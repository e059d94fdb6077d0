# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real server, in a container of the image under test, for all tests of this folder."""
from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import docker
import psycopg2
import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.engine import Outcome, set_passwords
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.password import Wish
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.scram import Verifier
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.target import Target
from inside import inside

START_SECONDS = 60
# How long a line may take from the server into the engine's log.
LOG_SECONDS = 10
STANDBY_PORT = 5433
STANDBY_DATA = "/tmp/howdah-password-standby"
# Late enough for a loaded machine, early enough to see whatever is not bounded.
SLACK_SECONDS = 0.3
# The roles of tests; each line is a way to log in that PostgreSQL's defaults do not have.
HBA = r"""
host all trusty all trust
host all ldapper all password
local replication all trust
host replication all 127.0.0.1/32 trust
""".strip()


class Server:
    """A server in a container, and its superuser."""

    def __init__(self, client, container, password):
        self.client = client
        self.container = container
        self.password = password
        self.port = self.published(5432)

    def published(self, port):
        """Where a port of the container is on this machine."""
        return int(self.client.port(self.container, port)[0]["HostPort"])

    def connect(self, user="postgres", password=None, **options):
        """A plain connection of psycopg2, as any client makes it."""
        options = {"host": "127.0.0.1", "port": self.port, "dbname": "postgres", "connect_timeout": 5, **options}
        return psycopg2.connect(user=user, password=self.password if password is None else password, **options)

    def sql(self, statement, parameters=(), **options):
        """The rows of one statement of the superuser's, in a transaction of its own."""
        connection = self.connect(**options)
        try:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def execute(self, *command):
        """Run a command in the container; its output."""
        code, output = inside(self.container, *command)
        assert code == 0, f"{command}: exit code {code}: {output}"
        return output

    def signal(self, name, pid):
        """Send a signal to a process of the container."""
        self.execute("sh", "-c", f"kill -{name} {pid}")

    def target(self, **options):
        """The superuser's login, for the engine."""
        return Target(**{"hosts": (f"127.0.0.1:{self.port}",), "password": self.password, **options})

    def stored(self, role):
        """What pg_authid has."""
        return self.sql("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (role,))[0][0]

    def lets_in(self, role, password, **options):
        """Whether a login over TCP succeeds."""
        try:
            self.connect(role, password, **options).close()
        except psycopg2.OperationalError as error:
            assert "password authentication failed" in str(error)
            return False
        return True

    def logs(self):
        """All that the container has written."""
        return self.client.logs(self.container).decode("utf-8", "replace")

    def marked_log(self):
        """A mark, and the log once it has the mark: what the server writes is not in the engine's log at once."""
        mark = f"mark {secrets.token_hex(8)}"
        self.sql(f"SELECT '{mark}'")
        until = time.monotonic() + LOG_SECONDS
        while mark not in (log := self.logs()):
            assert time.monotonic() < until, f"{mark!r} is not in the log after {LOG_SECONDS} s"
            time.sleep(0.05)
        return mark, log


def _wait_for_login(server):
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return server.sql("SELECT 1")
        except psycopg2.OperationalError:
            if time.monotonic() > until:
                pytest.fail(f"No login within {START_SECONDS} s:\n{server.logs()}", pytrace=False)
            time.sleep(0.1)


@pytest.fixture(scope="session")
def server(docker_client: docker.APIClient, test_image: str):
    """A server that logs every statement."""
    password = secrets.token_urlsafe(16)
    container = docker_client.create_container(
        test_image,
        name=f"howdah-password-{secrets.token_hex(4)}",
        environment={
            "POSTGRES_PASSWORD": str(Verifier.derive(password)),
            "LOG_LEVEL": "DEBUG",
            "POSTGRESQL_CONFIG_log_statement": "all",
            "POSTGRESQL_CONFIG_log_min_duration_statement": "0",
            "POSTGRESQL_CONFIG_shared_preload_libraries": "pg_stat_statements",
        },
        ports=[5432, STANDBY_PORT],
        host_config=docker_client.create_host_config(
            port_bindings={5432: ("127.0.0.1",), STANDBY_PORT: ("127.0.0.1",)}
        ),
    )
    try:
        docker_client.start(container)
        running = Server(docker_client, container["Id"], password)
        _wait_for_login(running)
        hba = running.sql("SHOW hba_file")[0][0]
        running.execute("sh", "-c", 'printf "%s\\n" "$2" | cat - "$1" > "$1.new" && mv "$1.new" "$1"', "sh", hba, HBA)
        running.sql("SELECT pg_reload_conf()")
        running.sql("CREATE EXTENSION pg_stat_statements")
        if running.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_monitor'"):
            running.sql("CREATE EXTENSION pg_stat_monitor")
        running.sql("CREATE ROLE trusty LOGIN")
        yield running
    finally:
        docker_client.remove_container(container, force=True, v=True)


@pytest.fixture(scope="session")
def standby(server):
    """The port, on this machine, of a streaming standby of the server; it is named `howdah_standby`."""
    server.execute("pg_basebackup", "-D", STANDBY_DATA, "-c", "fast", "-h", "127.0.0.1", "-U", "postgres", "-R")
    server.execute("sh", "-c", f"rm -f {STANDBY_DATA}/postmaster.pid; chmod 700 {STANDBY_DATA}")
    conninfo = "host=127.0.0.1 user=postgres application_name=howdah_standby"
    options = f"-p {STANDBY_PORT} -c listen_addresses=* -c cluster_name= -c logging_collector=off"
    # Citus raises it, and a standby may not have less than its primary.
    options += f" -c max_prepared_transactions={server.sql('SHOW max_prepared_transactions')[0][0]}"
    server.execute(
        "sh",
        "-c",
        f"""echo "primary_conninfo = '{conninfo}'" >> {STANDBY_DATA}/postgresql.auto.conf
        pg_ctl -D {STANDBY_DATA} -l {STANDBY_DATA}.log -w -o '{options}' start > /dev/null""",
    )
    yield server.published(STANDBY_PORT)
    server.execute("sh", "-c", f"pg_ctl -D {STANDBY_DATA} -m immediate stop > /dev/null; rm -rf {STANDBY_DATA}")


@pytest.fixture
def docker_params(server):
    """The options of a module that works in the server's container."""
    return {
        "container": server.container,
        "docker_host": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"),
        "docker_ca_cert": None,
        "docker_client_cert": None,
        "docker_client_key": None,
    }


@pytest.fixture
def role(server):
    """A role without a password, of its own for each test."""
    name = f"role_{secrets.token_hex(4)}"
    server.sql(f"CREATE ROLE {name} LOGIN")
    yield name
    server.sql(f"DROP ROLE {name}")


@pytest.fixture
def change(server):
    """Calls the engine for one role; its result."""

    def call(role, password=None, *, timeout=5.0, check=False, target=None, **wish):
        outcome = Outcome()
        wished = [Wish(role, password, **wish)]
        set_passwords(target or server.target(), wished, Deadline(timeout), check, outcome)
        return outcome.roles[0]

    return call


@pytest.fixture
def statements(server):
    """What the server has logged since the fixture was set up, or since the last call, one text."""
    last, _log = server.marked_log()

    def since():
        nonlocal last
        first, (last, log) = last, server.marked_log()
        return log.rpartition(first)[2].rpartition(last)[0]

    return since


@pytest.fixture
def within():
    """A block that has to end within so many seconds, and the slack."""

    @contextmanager
    def block(seconds):
        started = time.monotonic()
        yield
        took = time.monotonic() - started
        assert took < seconds + SLACK_SECONDS, f"took {took:.2f} s of {seconds} s"

    return block


@pytest.fixture
def ansible(tmp_path):
    """Runs a module once for each arguments, in one playbook; returns the results, and all that was printed."""

    def run(module, *calls, options=()):
        # In files: what is in a command line is anybody's to read.
        variables = tmp_path / "variables.json"
        variables.write_text(json.dumps({"calls": calls, "ansible_python_interpreter": sys.executable}))
        tasks = []
        for index in range(len(calls)):
            out = {"content": f"{{{{ out{index} | to_json }}}}", "dest": str(tmp_path / str(index))}
            tasks += [
                {"register": f"out{index}", "ignore_errors": True, module: f"{{{{ calls[{index}] }}}}"},
                {"ansible.builtin.copy": out, "diff": False, "check_mode": False},
            ]
        playbook = tmp_path / "play.json"
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        environ = {**os.environ, "ANSIBLE_INJECT_FACT_VARS": "False", "ANSIBLE_LOCALHOST_WARNING": "False"}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
        command += ["-e", f"@{variables}", *options, str(playbook)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        results = [json.loads((tmp_path / str(index)).read_text()) for index in range(len(calls))]
        return results, done.stdout + done.stderr

    return run
