# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that builds what users install, and looks at it where no checkout is near."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from . import side
from .outcome import Outcome, checked, failure
from .process import run
from .tree import COLLECTION, Tree
from .workplace import Workplace, complaint

# What belongs to the product. Everything else in the checkout is for those who develop it.
SHIPPED = ("changelogs", "docs", "image", "meta", "playbooks", "plugins", "roles")
SHIPPED_FILES = ("CHANGELOG.rst", "LICENSE", "README.md")
MADE_BY_BUILD = ("FILES.json", "MANIFEST.json")


def build(work: Workplace) -> Outcome:
    """Build the artifact in the checkout itself, as a maintainer does; install it; ask Ansible what it sees."""
    target = work.folder("installed")
    built = archive(work, "artifact")
    if isinstance(built, str):
        return failure(built)
    with tarfile.open(built) as packing:
        packed = [member.name for member in packing.getmembers() if not member.isdir()]
    problems = [*contents(work.tree, packed), *_seen_by_galaxy(work, built)]
    env = {**work.env, "ANSIBLE_COLLECTIONS_PATH": str(target), "PYTHONPATH": ""}
    install = ["ansible-galaxy", "collection", "install", str(built), "-p", str(target), "--offline"]
    installed = work.tool(*install, cwd=target, env=env)
    if installed.code:
        return failure(installed.output)
    problems += _seen_by_ansible(work, target, env)
    size = built.stat().st_size / 1024
    return checked(problems, f"{len(packed)} files, {size:.0f} KiB, {len(work.tree.modules)} modules")


def archive(work: Workplace, purpose: str) -> Path | str:
    """The artifact, built into a new folder; what ansible-galaxy said when there is none."""
    folder = work.folder(purpose)
    built = work.tool("ansible-galaxy", "collection", "build", "--output-path", str(folder))
    archives = list(folder.glob("*.tar.gz"))
    return archives[0] if built.code == 0 and len(archives) == 1 else built.output


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


def _seen_by_galaxy(work: Workplace, built: Path) -> Iterator[str]:
    """What Galaxy's importer says of the artifact."""
    folder = work.folder("importer")
    try:
        programs = side.environment("importer", side.pins(work.tree.root / "bin/requirements/importer.txt"))
    except side.NoEnvironment as error:
        yield str(error)
        return
    env = {
        **{name: value for name, value in work.env.items() if name not in ("ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH")},
        "GALAXY_IMPORTER_CONFIG": str(work.tree.root / ".config/galaxy-importer.cfg"),
        "HOME": str(folder),
        "PATH": f"{programs}:{work.env['PATH']}",
    }
    finished = run([str(programs / "python"), "-m", "galaxy_importer.main", str(built)], folder, env, timeout=300)
    result = folder / "importer_result.json"
    if finished.code or not result.is_file():
        yield finished.output
        return
    yield from imported(work.tree, finished.output, json.loads(result.read_text(encoding="utf-8")))


def imported(tree: Tree, said: str, result: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an import: its complaints, and contents that it did not find. A sentence each.

    :param said: what the importer printed; it ends well even when it complains.
    :param result: what it would tell Galaxy.
    """
    yield from (line for line in said.splitlines() if line.startswith(("WARNING", "ERROR")))
    found = {(one["content_type"], one["name"]) for one in result["contents"]}
    wanted = {("module", name) for name in tree.modules} | {("role", name) for name in tree.roles}
    wanted |= {("playbook", f"{name}.yml") for name in tree.playbooks}
    yield from (f"The importer has not found the {kind} {name}." for kind, name in sorted(wanted - found))


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
