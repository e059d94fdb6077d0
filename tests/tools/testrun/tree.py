# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checkout holds, and copies of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

COLLECTION = "howdah.postgresql"
# Where nothing may escape the tests because a pattern of .gitignore happens to match it.
_WATCHED = ("image", "molecule", "playbooks", "plugins", "roles", "tests/mutations", "tests/tools", "tests/unit")


class BrokenTree(Exception):
    """The checkout cannot be tested."""


@dataclass(frozen=True)
class Tree:
    """A checkout, or a copy of one.

    :param root: its folder.
    :param files: the files that belong to it, relative: tracked ones, and new ones that git does not ignore.
    """

    root: Path
    files: tuple[str, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """The names of the modules."""
        return tuple(Path(name).stem for name in self.under("plugins/modules", ".py") if "__init__" not in name)

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the roles."""
        return tuple(sorted({name.split("/")[1] for name in self.under("roles")}))

    @property
    def playbooks(self) -> tuple[str, ...]:
        """The names of the playbooks."""
        return tuple(Path(name).stem for name in self.under("playbooks", ".yml") if name.count("/") == 1)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The names of the Molecule scenarios."""
        return tuple(name.split("/")[1] for name in self.under("molecule", "/molecule.yml"))

    @property
    def shell_scripts(self) -> tuple[str, ...]:
        """Files for a shell: by suffix, by their first line, or by shellcheck's own directive."""
        return tuple(name for name in self.files if _is_shell_script(self.root / name))

    def under(self, folder: str, suffix: str = "") -> tuple[str, ...]:
        """The files below a folder whose names end in the suffix."""
        return tuple(name for name in self.files if name.startswith(f"{folder}/") and name.endswith(suffix))


def read_tree(root: Path) -> Tree:
    """The checkout at ``root``.

    :raises BrokenTree: when it is not a checkout of this collection, or has lost its modules.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BrokenTree("git is missing: it tells which files belong to the checkout.") from None
    if listed.returncode:
        raise BrokenTree(f"git cannot list the files of {root}: {listed.stderr.strip()}")
    names = sorted(set(listed.stdout.split("\0")) - {""})
    # A file that was removed, but whose removal is not staged yet, is still listed.
    tree = Tree(root, tuple(name for name in names if os.path.lexists(root / name)))
    hidden = sorted(_on_disk(root) - set(tree.files))
    if hidden:
        raise BrokenTree(f"git ignores files that must be tested: {', '.join(hidden)}. See .gitignore.")
    if "galaxy.yml" not in tree.files:
        raise BrokenTree(f"There is no galaxy.yml in {root}: this is not the collection {COLLECTION}.")
    if not tree.modules:
        raise BrokenTree(f"There are no modules in {root}/plugins/modules.")
    return tree


def copy_tree(tree: Tree, base: Path, env: Mapping[str, str]) -> Tree:
    """A copy below ``base``/ansible_collections that tools take for an installed collection under git.

    :raises BrokenTree: when the copy does not hold what the original holds.
    """
    root = base / "ansible_collections" / Path(*COLLECTION.split("."))
    for name in tree.files:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree.root / name, target, follow_symlinks=False)
    for command in (["git", "init", "-q", "."], ["git", "add", "-A", "-f", "."]):
        subprocess.run(command, cwd=root, env=dict(env), check=True, capture_output=True)
    copy = read_tree(root)
    if copy.files != tree.files:
        missing = sorted(set(tree.files) ^ set(copy.files))
        raise BrokenTree(f"The copy of the checkout differs from it: {', '.join(missing)}")
    return copy


def _on_disk(root: Path) -> set[str]:
    found = {path.relative_to(root) for folder in _WATCHED for path in (root / folder).rglob("*") if path.is_file()}
    return {str(path) for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc"}


def _is_shell_script(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(200).split()
    if first[:3] == [b"#", b"shellcheck", b"shell=bash"] or path.suffix in (".sh", ".bash"):
        return True
    if not first or not first[0].startswith(b"#!"):
        return False
    interpreter = [word.rpartition(b"/")[2] for word in first]
    return interpreter[0].removeprefix(b"#!") in (b"sh", b"bash", b"dash") or interpreter[1:2] in ([b"sh"], [b"bash"])
