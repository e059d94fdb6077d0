# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that builds what users install, and looks at it where no checkout is near."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Iterable, Iterator

from .outcome import Outcome, checked, failure
from .tree import COLLECTION, Tree
from .workplace import Workplace, complaint

# What belongs to the product. Everything else in the checkout is for those who develop it.
SHIPPED = ("changelogs", "docs", "image", "meta", "playbooks", "plugins", "roles")
SHIPPED_FILES = ("CHANGELOG.rst", "LICENSE", "README.md")
MADE_BY_BUILD = ("FILES.json", "MANIFEST.json")


def build(work: Workplace) -> Outcome:
    """Build the artifact in the checkout itself, as a maintainer does; install it; ask Ansible what it sees."""
    folder, target = work.folder("artifact"), work.folder("installed")
    built = work.tool("ansible-galaxy", "collection", "build", "--output-path", str(folder))
    archives = list(folder.glob("*.tar.gz"))
    if built.code or len(archives) != 1:
        return failure(built.output)
    with tarfile.open(archives[0]) as archive:
        packed = [member.name for member in archive.getmembers() if not member.isdir()]
    problems = list(contents(work.tree, packed))
    env = {**work.env, "ANSIBLE_COLLECTIONS_PATH": str(target), "PYTHONPATH": ""}
    install = ["ansible-galaxy", "collection", "install", str(archives[0]), "-p", str(target), "--offline"]
    installed = work.tool(*install, cwd=target, env=env)
    if installed.code:
        return failure(installed.output)
    problems += _seen_by_ansible(work, target, env)
    size = archives[0].stat().st_size / 1024
    return checked(problems, f"{len(packed)} files, {size:.0f} KiB, {len(work.tree.modules)} modules")


def contents(tree: Tree, packed: Iterable[str]) -> Iterator[str]:
    """What is wrong with the list of files in the artifact: one sentence each."""
    there = set(packed) - set(MADE_BY_BUILD)
    wanted = {name for name in tree.files if name.partition("/")[0] in SHIPPED or name in SHIPPED_FILES}
    for name in SHIPPED_FILES:
        if name not in there:
            yield f"The artifact has no {name}."
    for folder in ("image", "plugins/modules", "roles", "playbooks"):
        if not any(name.startswith(f"{folder}/") for name in there):
            yield f"The artifact has no files in {folder}/."
    for name in sorted(wanted - there):
        yield f"The artifact lacks {name}: see build_ignore in galaxy.yml."
    for name in sorted(there - wanted):
        yield f"The artifact holds {name}, which is no part of the product: see build_ignore in galaxy.yml."


def _seen_by_ansible(work: Workplace, target: Path, env: dict[str, str]) -> Iterator[str]:
    for kind, names in (("module", work.tree.modules), ("role", work.tree.roles)):
        listed = work.tool("ansible-doc", "-t", kind, "-l", "-j", COLLECTION, cwd=target, env=env)
        if listed.code:
            yield listed.output
            continue
        # Warnings stand before the document.
        seen = set(json.loads(listed.output[listed.output.index("{") :]))
        missing = {f"{COLLECTION}.{name}" for name in names} - seen
        if missing:
            yield f"ansible-doc does not know the installed {kind}s {', '.join(sorted(missing))}."
    full_names = [f"{COLLECTION}.{name}" for name in work.tree.modules]
    yield complaint(work.tool("ansible-doc", "-t", "module", "-j", *full_names, cwd=target, env=env))
    if not work.tree.playbooks:
        yield "There are no playbooks."
    for name in work.tree.playbooks:
        yield complaint(work.tool("ansible-playbook", "--syntax-check", f"{COLLECTION}.{name}", cwd=target, env=env))
