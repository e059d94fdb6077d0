# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the gates work: the checkout, its tools, and room for copies."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

from .process import Finished, run
from .tree import Tree, copy_tree

VENV_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Workplace:
    """What every gate needs to know.

    :param tree: the checkout.
    :param collections: the folder whose ansible_collections/ leads to the checkout.
    :param scratch: an empty folder for this run.
    :param cores: how many processes a gate may start that uses them all.
    :param full: whether tests that take long are wanted.
    """

    tree: Tree
    collections: Path
    scratch: Path
    cores: int
    full: bool

    @property
    def env(self) -> dict[str, str]:
        """The environment of all tools: the checkout is the collection, and nothing else is one."""
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NOCOWS": "1",
            "NO_COLOR": "1",
            "PY_COLORS": "0",
            "PYTHONPATH": f"{self.collections}:{self.tree.root / 'tests/tools'}",
        }

    def tool(
        self,
        *argv: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> Finished:
        """Run a program of the virtual environment; never one of the same name from elsewhere.

        :param cwd: the checkout, if not given.
        :param timeout: in seconds.
        """
        return run([str(VENV_BIN / argv[0]), *argv[1:]], cwd or self.tree.root, env or self.env, timeout)

    def copy(self, purpose: str) -> Tree:
        """A copy of the checkout of its own, with nothing in it that git ignores."""
        return copy_tree(self.tree, self.scratch / purpose, self.env)

    def folder(self, purpose: str) -> Path:
        """A new folder."""
        path = self.scratch / purpose
        path.mkdir(parents=True)
        return path


def complaint(finished: Finished, doing: Sequence[str] | str = ()) -> str:
    """What to show of a tool: nothing if it was content."""
    if finished.code == 0:
        return ""
    return finished.output.rstrip() or f"{doing} ended with exit code {finished.code} and no words."
