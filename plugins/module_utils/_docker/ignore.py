# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's ignore files: which paths of a folder do not belong to a build context.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from .._core.errors import InvalidInput

_LITERAL = ".+()|{}$"
_WILDCARDS = "*?[\\"


@dataclass(frozen=True)
class _Rule:
    pattern: str
    readmits: bool  # the line began with "!"
    regex: re.Pattern[str]


class IgnoreRules:
    """The rules of one ignore file; the last rule that matches a path, or a folder above it, decides.

    :param text: the content of the file; empty means that nothing is ignored.
    :param name: the name of the file, for messages.
    :raises InvalidInput: for a pattern that cannot be understood.
    """

    def __init__(self, text: str, name: str = ".dockerignore") -> None:
        rules = []
        for line in text.lstrip("\ufeff").splitlines():
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            readmits = pattern.startswith("!")
            if readmits:
                pattern = pattern[1:].strip()
                if not pattern:
                    raise InvalidInput(f"{name}: a line holds nothing but '!'; name the paths to take in again.")
            # Never "//x", which normpath keeps because POSIX lets it mean something else.
            pattern = posixpath.normpath("/" + pattern.lstrip("/")).lstrip("/")
            try:
                regex = re.compile(_regex(pattern))
            except re.error as error:
                raise InvalidInput(f"{name}: the pattern {line.strip()!r} cannot be understood: {error}.") from error
            rules.append(_Rule(pattern, readmits, regex))
        self._rules = tuple(rules)

    def ignores(self, path: str) -> bool:
        """Whether the path, relative to the context and with "/", does not belong to it."""
        ignored = False
        for rule in self._rules:
            # A rule which would not change the verdict need not be tried.
            if rule.readmits == ignored and rule.regex.fullmatch(path):
                ignored = not rule.readmits
        return ignored

    def prunes(self, folder: str) -> bool:
        """Whether nothing below an ignored folder can be taken in again, so that it need not be walked.

        Rules with wildcards may apply anywhere: so has today's BuildKit (github.com/tonistiigi/fsutil). Docker
        20.10's command line passed such folders over.
        """
        below = folder + "/"
        for rule in self._rules:
            if not rule.readmits:
                continue
            if any(character in rule.pattern for character in _WILDCARDS):
                return False
            if (rule.pattern + "/").startswith(below):
                return False
        return True


def _regex(pattern: str) -> str:
    """The regular expression of a pattern, for the whole path or a folder above it.

    As Docker has it (github.com/moby/patternmatcher): ``*`` stays within a name, ``**`` does not,
    brackets and what stands in them are those of regular expressions.
    """
    parts = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*" and pattern.startswith("*", at):
            at += 1
            if pattern.startswith("/", at):
                at += 1
            parts.append(".*" if at == len(pattern) else "(?:.*/)?")
        elif character == "*":
            parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif character == "\\" and at < len(pattern):
            parts.append(re.escape(pattern[at]))
            at += 1
        elif character in _LITERAL or character == "\\":
            parts.append("\\" + character)
        else:
            parts.append(character)
    return "(?:" + "".join(parts) + ")(?:/.*)?"
