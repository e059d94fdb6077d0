# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster and its repository, as the playbooks make them."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import psycopg2
import wal_archive
from ansible_runs import free_ports, run_playbook, until

PATIENCE = 120.0


class Site:
    """A cluster with a repository: what is declared, the playbooks, and questions to what runs.

    :param prefix: of all names; it begins with ``howdah-backup``.
    :param folder: for the inventory and the authority.
    :param servers: how many there are. More than one are a Patroni cluster.
    """

    def __init__(self, client: docker.APIClient, prefix: str, folder: Path, servers: int = 1) -> None:
        self.client = client
        self.prefix = prefix
        self.folder = folder
        self.password = "canary-" + secrets.token_urlsafe(12)
        self.cipher = "canary-" + secrets.token_urlsafe(12)
        self.repository = f"{prefix}-repository"
        self.nodes = [f"{prefix}-pg"] if servers == 1 else [f"{prefix}-pg{one + 1}" for one in range(servers)]
        self.ports = dict(zip(self.nodes, free_ports(servers)))
        self.variables: dict[str, Any] = {}
        self.beside: dict[str, Any] = {}  # variables of the group backup alone
        self.backed_up = True

    def inventory(self, **variables: Any) -> dict[str, Any]:
        """What is declared."""
        clustered = len(self.nodes) > 1
        servers = {node: {"patroni_port" if clustered else "server_port": self.ports[node]} for node in self.nodes}
        groups: dict[str, Any] = {"postgres": {"hosts": servers}}
        if self.backed_up:
            groups["backup"] = {"hosts": {self.repository: {}}, "vars": self.beside}
        if clustered:
            groups["etcd"] = {"hosts": {f"{self.prefix}-etcd": {}}}
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "cluster_name": self.prefix,
            "backup_secrets": [{"cipher-pass": self.cipher}],
            "backup_repositories": [
                {"path": "/var/lib/pgbackrest/one", "cipher-type": "aes-256-cbc", "retention-full": 2}
            ],
            **self.variables,
            **variables,
        }
        return {"all": {"vars": common, "children": groups}}

    def run(self, playbook: str, *arguments: str, code: int = 0, **variables: Any) -> str:
        """The output of ``howdah.postgresql.<playbook>``, which must end with this code."""
        words = [f"howdah.postgresql.{playbook}", *arguments]
        given = {"POSTGRES_PASSWORD": self.password}
        return run_playbook(self.folder, self.inventory(**variables), words, given, code)

    def leader(self) -> str:
        """The server that takes writes."""
        for node in self.nodes:
            done = subprocess.run(
                ["docker", "exec", node, "psql", "-XAtqc", "SELECT pg_is_in_recovery()"],
                capture_output=True, text=True, timeout=60, check=False,
            )
            if done.stdout.strip() == "f":
                return node
        return ""

    def sql(self, statement: str, node: str = "") -> str:
        """The answer of a server; of the leader, unless another one is named."""
        node = node or (self.nodes[0] if len(self.nodes) == 1 else self.leader())
        done = subprocess.run(
            ["docker", "exec", "-i", node, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=statement,
            capture_output=True, text=True, timeout=60, check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def login(self) -> None:
        """Get in with the declared password, as a client does."""
        where = {"host": "127.0.0.1", "port": self.ports[self.nodes[0] if len(self.nodes) == 1 else self.leader()]}
        psycopg2.connect(**where, user="postgres", password=self.password, connect_timeout=10).close()

    def exec(self, container: str, *words: str, stdin: str = "", check: bool = True) -> str:
        """The output of a command in a container, which must succeed."""
        done = subprocess.run(
            ["docker", "exec", "-i", container, *words], input=stdin, capture_output=True, text=True, timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def info(self) -> dict[str, Any]:
        """What pgBackRest itself tells of the stanza."""
        words = ["docker", "exec", self.repository, "pgbackrest", "--output=json", "info"]
        found: list[dict[str, Any]] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        return next(one for one in found if one["name"] == self.prefix)

    def labels(self) -> list[str]:
        """The backups that there are."""
        return [one["label"] for one in self.info()["backup"]]

    def problem(self, **variables: Any) -> str:
        """What the playbook `status` says is wrong with the backups."""
        output = self.run("status", "-e", "output=json", **variables)
        start = output.index("\n{") + 1
        return str(json.JSONDecoder().raw_decode(output[start:])[0]["backups"][0]["problem"])

    def logs(self, container: str) -> str:
        """What a container has printed."""
        return self.client.logs(container).decode(errors="replace")  # type: ignore[no-any-return]

    def wait_archived(self, segment: str, patience: float = wal_archive.PATIENCE) -> None:
        """Wait until a segment of the log has been archived; a failure tells what the archiver was at."""
        query = wal_archive.question(segment)
        try:
            until(lambda: self.sql(query) == "t", f"segment {segment} is archived", patience)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *map(self._archiving, self.nodes)])) from error

    def _archiving(self, node: str) -> str:
        """How archiving is on a server, for whoever has to find out why it is not."""
        words = ["psql", "-XAtq"]
        for query in (
            "SELECT row_to_json(a) FROM pg_stat_archiver a",
            "SELECT pg_walfile_name(pg_current_wal_lsn()), now()",
            "SELECT * FROM pg_ls_archive_statusdir() ORDER BY modification",
        ):
            words += ["-c", query]
        return f"--- {node}\n{self.exec(node, *words, check=False)}"

    def remove(self) -> None:
        """Leave nothing in the engine."""
        for entry in self.client.containers(all=True, filters={"name": f"^/{self.prefix}-"}):
            self.client.remove_container(entry["Id"], force=True, v=True)
        for volume in self.client.volumes(filters={"name": f"{self.prefix}-"})["Volumes"] or ():
            self.client.remove_volume(volume["Name"], force=True)
        for network in self.client.networks(names=[f"^{self.prefix}$"]):
            self.client.remove_network(network["Id"])
