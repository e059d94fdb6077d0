# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs pgBackRest in the repository's container, through the container engine.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import (
    ArchiveFailed,
    BackupBusy,
    ContainerFailed,
    DeadlineExceeded,
    HowdahError,
    InvalidInput,
    PgbackrestFailed,
    RepositoryUnusable,
    StanzaMismatch,
)
from .._docker import client as docker_client
from .._docker import fields
from .._docker.exec import Executed, run
from .info import Said, Stanza, complaints, parse, usable

if TYPE_CHECKING:
    from docker import APIClient

# The options of the doc fragment `pgbackrest`, without those of `docker`.
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "container": {"type": "str", "required": True},
    "stanza": {"type": "str", "required": True},
}
_ERROR = re.compile(r"P\d\d +ERROR: \[(\d+)\]: (.*)")
_BARE = re.compile(r"(?:ERROR: )?\[(\d+)\]: (.*)")
# pgBackRest's numbers → what they mean to us. Whatever is not here is a plain failure.
_KINDS: Mapping[int, type[HowdahError]] = {
    28: StanzaMismatch,  # file-invalid: the stanza's files are another system's, or damaged
    29: RepositoryUnusable,  # format
    31: StanzaMismatch,  # file-missing of the stanza's, or an invalid one
    39: RepositoryUnusable,  # file-open
    41: RepositoryUnusable,
    44: StanzaMismatch,  # archive-mismatch
    49: RepositoryUnusable,  # host-connect
    50: BackupBusy,
    51: StanzaMismatch,  # backup-mismatch
    58: StanzaMismatch,  # db-mismatch
    82: ArchiveFailed,  # archive-timeout
    87: ArchiveFailed,  # archive-disabled
    95: RepositoryUnusable,  # crypto: a wrong passphrase
    101: RepositoryUnusable,  # service: the storage refuses
    103: RepositoryUnusable,
}
_ADVICE: Mapping[type[HowdahError], str] = {
    StanzaMismatch: (
        " The repository holds another cluster's backups. If this one was made anew because the data of that one were"
        " lost, have those restored: the playbook restore. Else give this cluster another stanza or an empty"
        " repository; stanza-upgrade would mix the two and is never run by itself."
    ),
    BackupBusy: " Wait until it has ended.",
    ArchiveFailed: " Look at the server's log for archive_command, and at the repository's container.",
    RepositoryUnusable: " Unless it is about the storage: each server's log tells whether it has its port for backups.",
}
# What pgBackRest gets to end in an orderly way, of the time that is left.
_GRACE = 3.0
# How often, and how long apart in seconds, a container is looked at that may be about to end.
_LOOKS, _LOOK_SECONDS = 10, 0.1


class Repository:
    """pgBackRest in one container.

    :param params: module parameters: ``container``, ``stanza``, and those of the doc fragment ``docker``.
    """

    def __init__(self, params: Mapping[str, Any], deadline: Deadline) -> None:
        self.client: APIClient = docker_client.connect(params, deadline)
        self.container: str = params["container"]
        self.stanza: str = params["stanza"]
        self.deadline = deadline

    def info(self) -> Stanza:
        """The stanza as it is now.

        :raises RepositoryUnusable: when a repository cannot be read.
        """
        executed = self._run(["--output=json", "info"], "looking at the repository")
        if executed.code:
            raise self._failure(executed, "looking at the repository")
        found = complaints(executed.stderr.decode("utf-8", "replace"))
        stanza = replace(parse(executed.stdout.decode("utf-8", "replace"), self.stanza), complaints=found)
        usable(stanza)
        return stanza

    def complaints_about(self, config: str) -> tuple[str, ...]:
        """What pgBackRest would find wrong with settings, which it reads now; nothing is written.

        :param config: content of its configuration file.
        """
        doing = "looking at the settings"
        executed = self._run(["--config=/dev/stdin", "--output=json", "info"], doing, config.encode())
        if executed.code:
            return (understand(_lines(executed), executed.code).text,)
        return complaints(executed.stderr.decode("utf-8", "replace"))

    def must(self, words: Sequence[str], doing: str) -> list[str]:
        """Run a command that must succeed; its lines.

        :param doing: completes "while …".
        """
        executed = self._run(words, doing)
        if executed.code:
            raise self._failure(executed, doing)
        return _lines(executed)

    def status(self) -> dict[str, Any]:
        """What the container tells of its server and schedule."""
        executed = run(self.client, self.container, ["/opt/container/bin/backup", "status"], b"", self.deadline)
        try:
            told: dict[str, Any] = json.loads(executed.stdout)
        except ValueError as error:
            raise InvalidInput(
                f"Container {self.container!r} is no repository of this collection's: it does not tell of its schedule."
            ) from error
        return told

    def passphrase_differs(self, number: int, passphrase: str) -> bool:
        """Whether the container has another one for the repository of that number."""
        return self._environment.get(f"PGBACKREST_REPO{number}_CIPHER_PASS", "") != passphrase

    @cached_property
    def _environment(self) -> Mapping[str, str]:
        with docker_client.request(self.client, self.deadline, f"inspecting container {self.container}"):
            return fields.environment(self.client.inspect_container(self.container)["Config"]["Env"])

    def _run(self, words: Sequence[str], doing: str, stdin: bytes = b"") -> Executed:
        """The command carries its own limit: an exec cannot be ended from outside."""
        left = self.deadline.check(doing)
        began, seconds = self.deadline.elapsed(), max(1.0, left - _GRACE - 1)
        limit = ["/usr/bin/timeout", f"--kill-after={_GRACE:g}", f"{seconds:.1f}"]
        command = [*limit, "/usr/bin/pgbackrest", f"--stanza={self.stanza}", *words]
        executed = run(self.client, self.container, command, stdin, self.deadline)
        # 124 is what `timeout` says of a signal of its own; of what it killed, and of itself if that was killed, 137.
        if executed.code == 137 and self.deadline.elapsed() < began + seconds:
            raise self._killed(doing)
        if executed.code in (124, 137):
            raise DeadlineExceeded(
                f"The time limit of {self.deadline.seconds:g} s was reached while {doing}; pgBackRest was stopped. What"
                " it had begun is taken up or removed by the next run.", doing=doing,
            )
        if executed.code in (126, 127):
            raise ContainerFailed(f"Container {self.container!r} has no pgBackRest: its image is another one.")
        return executed

    def _killed(self, doing: str) -> ContainerFailed:
        """What ended pgBackRest that the limit did not."""
        # The engine notices the death of a command before that of its container.
        for _look in range(_LOOKS):
            with docker_client.request(self.client, self.deadline, f"inspecting container {self.container}"):
                runs = self.client.inspect_container(self.container)["State"]["Running"]
            if not runs:
                break
            time.sleep(_LOOK_SECONDS)
        why = (
            "the container still runs, so it was pgBackRest alone: most likely it has too little memory (backup_memory)"
            if runs else "the container was stopped or killed. `site` starts it"
        )
        return ContainerFailed(
            f"pgBackRest was killed in container {self.container!r} while {doing}: {why}. What it had begun is taken"
            " up or removed by the next run."
        )

    def _failure(self, executed: Executed, doing: str) -> HowdahError:
        said = understand(_lines(executed), executed.code)
        kind, advice = judge(said)
        return kind(
            f"pgBackRest failed while {doing}: [{said.number}] {said.text.rstrip('.')}.{advice}",
            pgbackrest_code=said.number, lines=list(said.lines),
        )


def judge(said: Said) -> tuple[type[HowdahError], str]:
    """What an error of pgBackRest's means, and what to do about it. Pure."""
    if "is not later than" in said.text:
        return PgbackrestFailed, (
            " A server's clock was ahead when the latest backup was made. Wait until that time, or remove that backup;"
            " an incremental one can be made even now."
        )
    kind = _KINDS.get(said.number or 0, PgbackrestFailed)
    return kind, _ADVICE.get(kind, "")


def understand(lines: Sequence[str], code: int) -> Said:
    """The error among the lines that pgBackRest printed. Pure."""
    for line in reversed(lines):
        match = _ERROR.search(line) or _BARE.match(line)
        if match:
            return Said(int(match[1]), match[2], tuple(lines[-15:]))
    return Said(code, lines[-1] if lines else "no output", tuple(lines[-15:]))


def _lines(executed: Executed) -> list[str]:
    text = executed.stdout + b"\n" + executed.stderr
    return [line.rstrip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
