# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of the container: its first word selects the mode. Pure."""
from __future__ import annotations

import re
from types import MappingProxyType
from typing import Mapping, NamedTuple, Sequence

from .config import logging_settings
from .faults import Fault, Refused

MODES = ("postgres", "patroni", "maintenance")

# The server prints something and exits: no cluster is needed.
_ANSWERS = frozenset(("-?", "--help", "--version", "-V", "--describe-config"))
_ANSWERS_OF_PATRONI = frozenset(
    ("-h", "--help", "--version", "--validate-config", "--generate-config", "--generate-sample-config")
)
# Where the server's messages go is the image's to decide: they are the container's log.
_DECIDED = frozenset(logging_settings(""))
# These the entrypoint must know of: what the file of settings includes, and what is merged with its own list.
_TAKEN = re.compile(r"(config_file|shared_preload_libraries)=(.*)", re.DOTALL)


class Command(NamedTuple):
    """What to run.

    :param mode: one of MODES, or None for a foreign command that runs untouched.
    :param arguments: for the server; or the whole foreign command.
    :param config_file: the configuration file that the arguments named instead of PGDATA's.
    :param settings: of the arguments, those that are merged with settings of ours.
    :param overruled: names of those that are left out, as the image decides them.
    """

    mode: str | None
    arguments: tuple[str, ...]
    config_file: str | None = None
    settings: Mapping[str, str] = MappingProxyType({})
    overruled: tuple[str, ...] = ()


def parse(words: Sequence[str]) -> Command:
    """Understand the command.

    :raises Refused: for arguments that a variable decides.
    """
    if not words:
        words = ("postgres",)
    if words[0].startswith("-"):
        words = ("postgres", *words)
    if words[0] not in MODES or _is_question(words):
        return Command(None, tuple(words))
    arguments = list(words[1:])
    if words[0] == "maintenance":
        return Command("maintenance", tuple(arguments))
    if words[0] == "patroni":
        if arguments:
            raise Refused(
                Fault("command", f"The command patroni takes no arguments, but has {arguments[0]!r}. Use variables.")
            )
        return Command("patroni", ())

    kept: list[str] = []
    taken: dict[str, str] = {}
    overruled: list[str] = []
    while arguments:
        word = arguments.pop(0)
        if word.startswith("-D"):
            raise Refused(Fault("command", "The command has -D; set the variable PGDATA instead."))
        words_of_setting = [word, arguments.pop(0)] if word == "-c" and arguments else [word]
        name, equals, value = words_of_setting[-1].removeprefix("-c").removeprefix("--").partition("=")
        name = name.replace("-", "_")
        match = _TAKEN.fullmatch(name + equals + value)
        if not word.startswith(("-c", "--")):
            kept += words_of_setting
        elif name.lower() in _DECIDED:
            overruled.append(name.lower())
        elif match is None:
            kept += words_of_setting
        else:
            taken[match.group(1)] = match.group(2)
    config_file = taken.pop("config_file", None)
    return Command("postgres", tuple(kept), config_file, taken, tuple(overruled))


def _is_question(words: Sequence[str]) -> bool:
    if words[0] == "patroni":
        return bool(_ANSWERS_OF_PATRONI.intersection(words[1:]))
    if words[0] != "postgres":
        return False
    return bool(_ANSWERS.intersection(words[1:])) or "-C" in words[1:] or list(words[1:2]) == ["--single"]
