# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/production.md from its first command to its last, as it stands there, on three machines that SSH leads to.

Names and addresses are others, root comes in by itself, and the machines of the proxy and of the backups are this one.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, Sequence

import docker
import psycopg2
import pytest
import yaml
from ansible_runs import TIMEOUT, until
from guides import blocks, commands
from machine_bed import Bed
from spread_cluster import NAME, PROXY, Spread

pytestmark = pytest.mark.full  # three engines get the image

PAGE = (Path(__file__).parents[3] / "docs/production.md").read_text(encoding="utf-8")
REPOSITORY = f"{NAME}-backup"
SWITCHED = re.compile(r"Done: hand the leadership over")


class Reader(Spread):
    """Somebody with the page."""

    def __init__(self, bed: Bed, client: docker.APIClient, folder: Path, ssh: dict[str, Any]) -> None:
        super().__init__(bed, client, folder, ssh)
        self.passphrase = "canary-" + secrets.token_urlsafe(12)
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
        connections = {"postgres": ssh, "etcd": ssh, "proxy": here, "backup": here}
        (folder / "group_vars").mkdir()
        for group, variables in connections.items():
            (folder / f"group_vars/{group}.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
        for block in blocks(PAGE, "yaml"):
            (folder / block.text.split()[1].strip(",")).write_text(self.ours(block.text), encoding="utf-8")

    def ours(self, text: str) -> str:
        """The page's text, with what is ours instead of what is the reader's."""
        instead = {
            r"\bansible_user: admin\n": "ansible_user: root\n",
            r"\bansible_become: true\n": "ansible_become: false\n",
            r"\bcluster_name: main\b": f"cluster_name: {NAME}",
            r"\bproxy1\b": PROXY,
            r"\bbackup1\b(?!\.)": REPOSITORY,
            r"\b10\.0\.0\.(?:21|31)\b": self.host,
            r"\b(?:app1|backup1)\.example\.com\b": self.host,
        }
        for number, machine in enumerate(self.bed.machines, 1):
            instead |= {
                rf"\bdb{number}\.example\.com\b": machine.address,
                rf"\b10\.0\.0\.1{number}\b": machine.address,
                rf"\b(pg|etcd){number}\b": rf"{machine.name}-\1",
            }
        for pattern, replacement in instead.items():
            text = re.sub(pattern, replacement, text)
        assert "10.0.0." not in text and "example.com" not in text
        return text

    def type(self, typed: Sequence[str], stdin: str = "", **environment: str) -> str:
        """All commands in one shell, which stops at the first that fails; what they print."""
        done = subprocess.run(
            ["bash", "-c", "\n".join(["set -eux", *typed])],
            env={
                **os.environ,
                "PYTHONPATH": "",
                "POSTGRES_PASSWORD": self.password,
                "BACKUP_PASSPHRASE": self.passphrase,
                "XDG_STATE_HOME": str(self._folder),
                "XDG_CACHE_HOME": str(self._folder),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                **environment,
            },
            cwd=self._folder, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=2 * TIMEOUT, check=False,
        )  # fmt: skip
        print(done.stdout)
        assert done.returncode == 0
        return done.stdout

    def playbook(self, name: str, *arguments: str, **environment: str) -> str:
        """One of them, with both inventories of the page."""
        words = ["ansible-playbook", "-i", "inventory.yml", "-i", "backup.yml", f"howdah.postgresql.{name}", *arguments]
        return self.type([" ".join(words)], **environment)

    def login(self, host: str, user: str, password: str, database: str) -> list[Any]:
        """What somebody sees who comes in with TLS, and knows the authority."""
        authority = self._folder / "howdah" / NAME / "authority/ca.crt"
        session = psycopg2.connect(
            host=host, user=user, password=password, dbname=database, target_session_attrs="read-write",
            sslmode="verify-full", sslrootcert=str(authority), connect_timeout=10,
        )  # fmt: skip
        with session, session.cursor() as cursor:
            cursor.execute("SELECT current_user::text, pg_is_in_recovery()")
            found = cursor.fetchone()
        session.close()
        return list(found or ())

    def gets_in(self, host: str, user: str, password: str, database: str) -> bool:
        """Whether there is somebody who takes writes."""
        try:
            return self.login(host, user, password, database) == [user, False]
        except psycopg2.OperationalError:
            return False


@pytest.fixture
def reader(
    bed: Bed, ssh: dict[str, Any], docker_client: docker.APIClient, tmp_path: Path
) -> Iterator[Reader]:
    """A reader; what they deployed is removed afterwards."""
    found = Reader(bed, docker_client, tmp_path, ssh)
    found.remove()
    try:
        yield found
    finally:
        found.remove()


def unchanged(output: str) -> bool:
    """Whether a playbook had nothing to do."""
    return not re.findall(r"changed=[1-9]", output.split("PLAY RECAP", 1)[1])


def shells(found: Sequence[list[str]], index: int, count: int) -> list[str]:
    """The commands of a block of the page."""
    assert len(found[index]) == count, f"other commands than this test knows: {found[index]}"
    return found[index]


def timeline(reader: Reader) -> int:
    """That of the leader: one more with each promotion."""
    segment = reader.run(reader.wait_whole(), ["psql", "-Atc", "SELECT pg_walfile_name(pg_current_wal_lsn())"])
    return int(segment[:8], 16)


def test_the_page_leads_to_a_cluster_with_backups(reader: Reader) -> None:
    typed = [[reader.ours(one) for one in commands(block)] for block in blocks(PAGE, "console")]
    assert len(typed) == 4
    # Secrets: the environment has them, see type().
    assert [command.split("=")[0] for command in shells(typed, 0, 2)] == [
        "export POSTGRES_PASSWORD", "export BACKUP_PASSPHRASE"
    ]  # fmt: skip
    table = reader.type(shells(typed, 1, 3))
    assert len(re.findall(r"^howdah\d-pg +(?:leader|quorum standby) ", table, re.MULTILINE)) == 3

    # Applications.
    leader = reader.wait_whole()
    engine = f"docker -H {reader.machine_of(leader).socket}"
    word = "canary-" + secrets.token_urlsafe(12)
    # No terminal here; and the page leaves it to the reader where the leader is.
    user, database = (re.sub(r"^docker exec -it \S+", f"{engine} exec -i {leader}", one) for one in shells(typed, 2, 2))
    reader.type([user], stdin=f"{word}\n{word}\n")
    reader.type([database])
    nodes = ",".join(machine.address for machine in reader.bed.machines)
    assert f"host={nodes} target_session_attrs=read-write sslmode=verify-full" in reader.ours(PAGE.split("## Watch")[0])
    # libpq asks one host after another, and does not go on from one that follows without the database.
    known = ["psql", "-Atc", "SELECT count(*) FROM pg_database WHERE datname = 'shop'"]
    until(lambda: all(reader.run(node, known).strip() == "1" for node in reader.names), "all nodes have the database")
    for host in (reader.host, nodes):
        assert reader.login(host, "app", word, "shop") == ["app", False]

    # Backups.
    secret, *rest = shells(typed, 3, 3)
    assert secret == "export BACKUP_PASSPHRASE=…"
    before = timeline(reader)
    output = reader.type(rest)
    assert timeline(reader) == before + 1, "other than one hand-over to have the cluster backed up"
    assert re.search(r"^backup +age +restored in", output, re.MULTILINE), "the drill's report"

    # Watch.
    query = re.search(r"`status (-e fail_on_problem=true)`", PAGE)
    assert query, "the page no longer tells what to ask"
    reader.playbook("status", query[1])  # it ends with 2 when there is a problem

    # Before you rely on it: all but the restore, which test_machines_backup.py does.
    assert SWITCHED.search(reader.playbook("switchover"))
    dead = reader.wait_whole()
    reader.type([f"docker -H {reader.machine_of(dead).socket} kill {dead}"])
    until(lambda: reader.gets_in(nodes, "app", word, "shop"), "another one leads, and takes writes")
    assert reader.leader() not in ("", dead)
    reader.playbook("site")
    assert reader.wait_whole() != dead
    former, reader.password = reader.password, reader.password + "-new"
    reader.playbook("rotate_password")
    assert reader.login(reader.host, "postgres", reader.password, "postgres") == ["postgres", False]
    with pytest.raises(psycopg2.OperationalError):
        reader.login(reader.host, "postgres", former, "postgres")
    assert unchanged(reader.playbook("site", "--check"))
