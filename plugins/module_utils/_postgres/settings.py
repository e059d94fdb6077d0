# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server would take settings, and has them: it is asked itself, by its own program, which starts nothing.

A running server can only be asked for what can be set in a session. Patroni drops what it finds wrong, or hands it to
a server that does not start with it. And it shows settings in its own spelling: ``on`` as ``pglz``, ``-1`` as ``4MB``.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import os
import re
from typing import Mapping, NamedTuple

from .._core.deadline import Deadline

_PROGRAM = "/usr/lib/postgresql/{}/bin/postgres"
_COMPLAINT = re.compile(r"(?:LOG|ERROR|FATAL): +(.*)")
_NAMED = re.compile(r'parameter "([^"]+)"')
# Sources of a value (pg_settings) that hide the server's own from the session that looks.
_OF_THE_SESSION = frozenset({"global", "database", "user", "database user", "client", "interactive", "session"})
# In small letters.
TRUE, FALSE = frozenset({"on", "true", "yes", "1"}), frozenset({"off", "false", "no", "0"})


class Setting(NamedTuple):
    """A setting as one session sees it.

    :param shown: as SHOW has it, with units.
    :param value: without, as the session began with it.
    :param source: where that is from, in the words of pg_settings.
    :param kind: its type, in the same words.
    :param late: whether the server takes it over only when it starts.
    :param boot: what PostgreSQL begins with where nobody says anything, without unit.
    :param text: of the server's files; None if it is in none, or was not asked for.
    """

    shown: str
    value: str
    source: str
    kind: str
    late: bool = False
    boot: str = ""
    text: str | None = None

    @property
    def hidden(self) -> bool:
        """Whether the session has another value than the server: of its role, its database, its client."""
        return self.source in _OF_THE_SESSION


def refused(wanted: Mapping[str, str], data_directory: str, version_num: int, deadline: Deadline) -> dict[str, str]:
    """What the server says of values that it would not take, by the names of the settings.

    Empty where its program is not at hand, which is in the image only.

    :param wanted: settings that the server has, with their values.
    :param data_directory: of the server that runs, which is left alone.
    """
    server = Program(data_directory, version_num, deadline)
    found: dict[str, str] = {}
    # It gives up at the first.
    while left := {name: value for name, value in wanted.items() if name not in found}:
        answer = server.ask("server_version", left)
        complaint = complaint_of(answer.complaints, left) if answer and answer.value is None else None
        if complaint is None:
            break
        found.update([complaint])
    return found


class Answer(NamedTuple):
    """What the program said.

    :param value: of the setting that was asked for; None if it does not take what it was given.
    """

    value: str | None
    complaints: str


class Program:
    """The server's program, which tells of settings and does nothing else.

    :param data_directory: of the server that runs, which is left alone.
    """

    def __init__(self, data_directory: str, version_num: int, deadline: Deadline) -> None:
        self._words = [_PROGRAM.format(version_num // 10000), "-D", data_directory, "-C"]
        self._deadline = deadline

    def ask(self, name: str, values: Mapping[str, str]) -> Answer | None:
        """The value of a setting, as the server keeps it, in a server that has other settings as well.

        :return: None where the program is not at hand, which is in the image only.
        """
        if not os.access(self._words[0], os.X_OK):
            return None
        import subprocess  # takes longer to load than most answers of the agent, and few need it

        given = [word for one, value in values.items() for word in ("-c", f"{one}={value}")]
        doing = "having the server check settings"
        try:
            done = subprocess.run(
                [*self._words, name, *given], env={"LC_ALL": "C"},
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=self._deadline.check(doing),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            self._deadline.check(doing)
            return None
        value = None if done.returncode else done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")
        return Answer(value, done.stderr.decode("utf-8", "replace"))


def unlike(wanted: Mapping[str, str], have: Mapping[str, Setting], server: Program) -> list[str]:
    """The settings that a server has otherwise than wanted, whatever way either is spelled.

    :param wanted: names and values.
    :param have: the settings that there are, by names in lower case; others are passed over.
    """
    return [name for name, value in wanted.items() if name.lower() in have and not _has(name, value, have, server)]


def _has(name: str, wanted: str, have: Mapping[str, Setting], server: Program) -> bool:
    setting = have[name.lower()]
    if setting.hidden:
        # What the server has for all others, only its files tell.
        if setting.text is None or setting.text == wanted:
            return setting.text is not None
        kept = _kept(name, wanted, server)
        return kept is not None and kept == _kept(name, setting.text, server)
    if wanted in (setting.shown, setting.value):
        return True
    if setting.kind == "bool" and any({wanted.lower(), setting.value} <= words for words in (TRUE, FALSE)):
        return True
    kept = _kept(name, wanted, server)
    # Where it was to choose by itself (-1), it has, and shows what.
    chosen = kept == setting.boot and setting.source in ("default", "override")
    return chosen or kept == setting.value


def _kept(name: str, value: str, server: Program) -> str | None:
    """A value as the server keeps it."""
    answer = server.ask(name, {name: value})
    return answer.value if answer else None


def complaint_of(output: str, settings: Mapping[str, str]) -> tuple[str, str] | None:
    """The setting that the server names, and what it says. Pure.

    :param output: of the server.
    :param settings: which may be named; anything else is not what it was asked.
    """
    asked = {name.lower(): name for name in settings}
    for line in output.splitlines():
        said = _COMPLAINT.search(line)
        named = _NAMED.search(said[1]) if said else None
        if said and named and named[1].lower() in asked:
            return asked[named[1].lower()], said[1]
    return None
