# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that a restore needs: pgBackRest, and Patroni's own code to forget a cluster."""
from __future__ import annotations

import json
import os
import select
import subprocess
from typing import Any, Callable, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, HowdahError, InvalidInput, RestoreFailed
from ..entrypoint.logs import Log
from .serve import CONF, classify

PGBACKREST = "/usr/bin/pgbackrest"
_OWN_CONF = "/tmp/pgbackrest.conf"
_PYTHON = "/opt/container/venv/bin/python"
_NODE = "/etc/howdah/patroni.yml"
_TLS = "/etc/howdah/tls"
_CHUNK = 65536
_FORGET = """
import json, sys
from patroni.dcs import get_dcs
get_dcs(json.load(sys.stdin)).delete_cluster()
"""


def command(request: Mapping[str, Any], pgdata: str) -> list[str]:
    """pgBackRest with the options that all its commands need.

    A container that has the repository's own settings is no PostgreSQL host in pgBackRest's eyes: it gets settings
    with the repositories alone.
    """
    words = [PGBACKREST, f"--stanza={request['stanza']}", "--log-level-file=off", "--lock-path=/tmp/pgbackrest"]
    if request.get("source") == "repository":
        with open(CONF, encoding="utf-8") as file:
            text = repository_settings(file.read(), request["stanza"], pgdata)
        descriptor = os.open(_OWN_CONF, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        words.append(f"--config={_OWN_CONF}")
    return words


def repository_settings(text: str, stanza: str, pgdata: str) -> str:
    """Of settings of the repository's container, those that a PostgreSQL host may have. Pure."""
    lines, section = [], ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == "[global]" and line.startswith("repo"):
            lines.append(line)
    return "\n".join(["[global]", *lines, "", f"[{stanza}]", f"pg1-path={pgdata}", ""])


def restore(words: Sequence[str], request: Mapping[str, Any], deadline: Deadline, log: Log) -> None:
    """Have pgBackRest copy the files of a backup; how far to recover is told to the server later."""
    processes = max(1, min(8, os.cpu_count() or 1))
    options = [f"--process-max={request.get('processes') or processes}", "--type=none"]
    if request.get("set"):
        options.append(f"--set={request['set']}")
    if request.get("repository"):
        options.append(f"--repo={request['repository']}")
    run([*words, *options, "restore"], deadline, log, "restoring files")


def run(words: Sequence[str], deadline: Deadline, log: Log, doing: str) -> list[str]:
    """Run a pgBackRest, and log what it prints.

    :return: its lines.
    :raises RestoreFailed: when it fails; with its own number of the error.
    """
    lines: list[str] = []

    def take(line: str) -> None:
        level, text = classify(line)
        lines.append(text)
        log.write(level, "pgbackrest", text, component="pgbackrest")

    code = watch(words, None, deadline, doing, take)
    if code:
        last = next((line for line in reversed(lines) if line.startswith("[")), lines[-1] if lines else "no output")
        raise RestoreFailed(
            f"pgBackRest failed (code {code}) while {doing}: {last}", pgbackrest_code=code, lines=lines[-10:]
        )
    return lines


def watch(
    words: Sequence[str], stdin: bytes | None, deadline: Deadline, doing: str, take: Callable[[str], None]
) -> int:
    """Run a program to its end, and hand out its lines; the exit code."""
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(stdin or b"")
        child.stdin.close()
        rest = b""
        try:
            while True:
                ready, _writable, _broken = select.select([child.stdout], [], [], deadline.check(doing))
                if not ready:
                    continue
                data = os.read(child.stdout.fileno(), _CHUNK)
                if not data:
                    break
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    take(line.decode("utf-8", "replace"))
        except (DeadlineExceeded, SystemExit):
            child.terminate()
            raise
        if rest:
            take(rest.decode("utf-8", "replace"))
        return child.wait(deadline.check(doing))


def patroni_settings(node: Mapping[str, Any], tls: bool) -> dict[str, Any]:
    """What Patroni's code needs to reach the members' meeting place. Pure.

    :param node: the node's file.
    :param tls: whether the node has a certificate.
    """
    store: dict[str, Any] = {}
    if tls:
        store = {
            "protocol": "https",
            "cacert": f"{_TLS}/ca.crt",
            "cert": f"{_TLS}/node.crt",
            "key": f"{_TLS}/node.key",
        }
    wanted = {name: node[name] for name in ("scope", "name", "namespace", "citus") if name in node}
    return {
        **wanted,
        "etcd3": {**store, **node.get("etcd3", {})},
        "ttl": 20,
        "loop_wait": 5,
        "retry_timeout": 7,
        "patronictl": True,
    }


def forget_cluster(deadline: Deadline, log: Log) -> None:
    """Remove the cluster from etcd: a leader that has gone back in time would never be elected."""
    try:
        with open(_NODE, encoding="utf-8") as file:
            node = json.load(file)
    except (FileNotFoundError, ValueError) as error:
        raise InvalidInput(f"{_NODE} cannot be read, so the cluster cannot be removed from etcd: {error}") from error
    asked = json.dumps(patroni_settings(node, os.path.exists(f"{_TLS}/node.crt")))
    lines: list[str] = []
    doing = "removing the cluster from etcd"
    code = watch([_PYTHON, "-I", "-c", _FORGET], asked.encode(), deadline, doing, lines.append)
    if code:
        failed: HowdahError = RestoreFailed(
            f"The restored data are complete, but the cluster {node.get('scope')} could not be removed from etcd:"
            f" {lines[-1] if lines else 'no reason given'}"
        )
        raise failed
    log.info("forgotten", f"The cluster {node['scope']} was removed from etcd.")
