# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Dockerfile builds upon: the images that it names.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
import shlex
from typing import Iterator, Mapping

from .._core.errors import InvalidInput

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(.*?)\s*$")
_HEREDOC = re.compile(r"<<-?(['\"]?)(\w+)\1")
_VARIABLE = re.compile(r"(\\?)\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_MOUNT = re.compile(r"--mount=(\S+)")

# Known to FROM lines without an ARG; values depend on the engine and only ever choose a platform.
_PLATFORM_ARGS = {
    f"{where}{what}" for where in ("TARGET", "BUILD") for what in ("PLATFORM", "OS", "ARCH", "VARIANT")
}


def base_references(text: str, args: Mapping[str, str]) -> tuple[str, ...]:
    """The images that a Dockerfile names in FROM, ``COPY --from`` and ``RUN --mount=…,from=``.

    Earlier stages and ``scratch`` are no images. Stages that the target does not need count too:
    that costs at most a build from the cache.

    :param text: the Dockerfile.
    :param args: the build's arguments; they override the defaults of ARG.
    :return: sorted, each once, as written after substitution.
    :raises InvalidInput: when a FROM has no image, e.g. because its ARG has no value.
    """
    values: dict[str, str] = {}
    stages: set[str] = set()
    count = 0
    found: set[str] = set()

    def take(reference: str) -> None:
        is_stage = reference.lower() in stages or (reference.isdigit() and int(reference) < count)
        if reference != "scratch" and not is_stage:
            found.add(reference)

    for word, rest in _instructions(text):
        if word == "ARG" and count == 0:
            for name, given in _arguments(rest):
                if name in args:
                    values[name] = args[name]
                elif given is not None:
                    values[name] = _substitute(given, values)
        elif word == "FROM":
            words = [part for part in rest.split() if not part.startswith("--")]
            if not words:
                raise InvalidInput("The Dockerfile has a FROM without an image.")
            reference = _substitute(words[0].strip("\"'"), values)
            if not reference:
                raise InvalidInput(
                    f"The Dockerfile's `FROM {words[0]}` has no value: give its ARG a default, or set it in args."
                )
            take(reference)
            count += 1
            if len(words) == 3 and words[1].upper() == "AS":
                stages.add(words[2].lower())
        elif word == "COPY":
            for part in rest.split():
                if part.startswith("--from="):
                    take(part[len("--from="):])
                elif not part.startswith("--"):
                    break
        elif word == "RUN":
            for options in _MOUNT.findall(rest):
                for option in options.split(","):
                    if option.startswith("from="):
                        take(option[len("from="):])
    if count == 0:
        raise InvalidInput("The Dockerfile has no FROM.")
    return tuple(sorted(found))


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction as its upper-case word and the rest, continuation lines joined, heredocs skipped."""
    escape = "\\"
    heading = True  # directives stand before everything else
    logical = ""
    ends: list[str] = []
    lines = text.lstrip("\ufeff").splitlines()
    for number, line in enumerate(lines, 1):
        if ends:
            if line.lstrip("\t") == ends[0]:
                ends.pop(0)
            continue
        stripped = line.strip()
        if stripped.startswith("#"):
            directive = _DIRECTIVE.match(stripped)
            heading = heading and directive is not None
            if heading and directive and directive.group(1).lower() == "escape":
                escape = directive.group(2)
            continue
        heading = False
        if not stripped:
            continue
        if stripped.endswith(escape):
            logical += stripped[:-1] + " "
            continue
        word, _separator, rest = (logical + stripped).strip().partition(" ")
        logical = ""
        yield word.upper(), rest.strip()
        if word.upper() in ("RUN", "COPY", "ADD"):
            # What nothing ends is no heredoc but e.g. a shell's shift operator.
            later = {following.lstrip("\t") for following in lines[number:]}
            ends = [end for _quote, end in _HEREDOC.findall(rest) if end in later]
    if logical.strip():
        word, _separator, rest = logical.strip().partition(" ")
        yield word.upper(), rest.strip()


def _arguments(rest: str) -> list[tuple[str, str | None]]:
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise InvalidInput(f"The Dockerfile's `ARG {rest}` cannot be understood: {error}.") from error
    pairs = (word.partition("=") for word in words)
    return [(name, value if separator else None) for name, separator, value in pairs]


def _substitute(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        escaped, plain, braced, operator, alternative = match.groups()
        if escaped:
            return match.group(0)[1:]
        name = plain or braced
        current = values.get(name, "")
        if operator == "-":
            return current or _substitute(alternative, values)
        if operator == "+":
            return _substitute(alternative, values) if current else ""
        if name in _PLATFORM_ARGS and name not in values:
            raise InvalidInput(
                f"The Dockerfile's FROM depends on {name}, which only the engine knows; use an ARG of your own."
            )
        return current

    return _VARIABLE.sub(value, text)
