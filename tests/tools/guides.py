# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in guides, for tests that check or follow them."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import NamedTuple

_BLOCK = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ELLIPSIS = "…"


class Block(NamedTuple):
    """A block of code: its language, and its text without the page's indentation."""

    language: str
    text: str


def blocks(page: str, language: str = "") -> list[Block]:
    """The blocks of a page in their order, all or those of one language."""
    found = [Block(match[2], textwrap.dedent(match[3])) for match in _BLOCK.finditer(page)]
    return [block for block in found if language in ("", block.language)]


def commands(block: Block) -> list[str]:
    """What is typed in a console block, a command each; a line that ends in a backslash goes on in the next."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    return [line[2:].strip() for line in lines if line.startswith("$ ")]


def words(command: str) -> list[str]:
    """A command as a shell splits it, without its comment."""
    return shlex.split(command, comments=True)


def fill_in(command: str, value: str) -> str:
    """The command with a value where the page leaves it to the reader."""
    return command.replace(_ELLIPSIS, value)
