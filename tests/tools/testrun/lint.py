# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates that read and do not run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml

from .outcome import Outcome, checked, failure
from .tree import COLLECTION
from .workplace import Workplace, complaint


def ruff(work: Workplace) -> Outcome:
    """Python style and likely mistakes."""
    return checked([complaint(work.tool("ruff", "check", "--no-cache", "--output-format=concise", "."))])


def mypy(work: Workplace) -> Outcome:
    """Types, strictly: the collection's plugins, the image's programs, and these tools."""
    config, cache = f"--config-file={work.tree.root}/pyproject.toml", f"--cache-dir={work.tree.root}/.mypy_cache"
    # PYTHONPATH would be taken for installed packages, in which mypy finds everything a second time.
    env = {name: value for name, value in work.env.items() if name != "PYTHONPATH"}
    subjects = [
        (work.collections, f"ansible_collections/{COLLECTION.replace('.', '/')}/plugins"),
        (_package_of_image(work), "howdah"),
        (work.tree.root / "tests/tools", "testrun"),
    ]
    problems = [
        complaint(work.tool("mypy", "--no-color-output", config, cache, name, cwd=folder, env=env))
        for folder, name in subjects
    ]
    return checked(problems, note=f"{len(subjects)} packages")


def _package_of_image(work: Workplace) -> Path:
    """The folder with the package as the image has it: the Dockerfile puts these two beside the entrypoint."""
    folder = work.folder("mypy")
    shutil.copytree(work.tree.root / "image/rootfs/opt/container/lib/howdah", folder / "howdah")
    for name in ("_core", "_postgres"):
        shutil.copytree(work.tree.root / "plugins/module_utils" / name, folder / "howdah" / name)
    return folder


def yamllint(work: Workplace) -> Outcome:
    """All YAML files."""
    names = [name for name in work.tree.files if name.endswith((".yml", ".yaml"))]
    return checked([complaint(work.tool("yamllint", "--strict", "--format=parsable", *names))], f"{len(names)} files")


def ansible_lint(work: Workplace) -> Outcome:
    """The profile `production`, offline and strict, as .ansible-lint says."""
    copy = work.copy("ansible-lint")
    env = {**work.env, "ANSIBLE_COLLECTIONS_PATH": str(work.scratch / "ansible-lint")}
    finished = work.tool("ansible-lint", "--nocolor", cwd=copy.root, env=env)
    processed = re.search(r"in (\d+) files processed", finished.output)
    if finished.code == 0 and (not processed or int(processed[1]) < len(copy.roles) + len(copy.playbooks)):
        return failure(f"{finished.output}\nansible-lint has not looked at the roles and playbooks.")
    return checked([complaint(finished)], note=f"{processed[1]} files" if processed else "")


def shellcheck(work: Workplace) -> Outcome:
    """All shell scripts."""
    names = work.tree.shell_scripts
    if "bin/test" not in names:
        return failure("The shell scripts were not found: bin/test is not among them.")
    return checked([complaint(work.tool("shellcheck", "-x", *names))], f"{len(names)} files")


def changelog(work: Workplace) -> Outcome:
    """The fragments of the changelog, and that a release could be made of them: in a copy."""
    copy = work.copy("changelog")
    env = {**work.env, "ANSIBLE_COLLECTIONS_PATH": str(work.scratch / "changelog")}
    problems = [complaint(work.tool("antsibull-changelog", "lint", cwd=copy.root))]
    if copy.under("changelogs/fragments"):
        problems.append(complaint(work.tool("antsibull-changelog", "release", cwd=copy.root, env=env)))
        written = (copy.root / "CHANGELOG.rst").read_text(encoding="utf-8")
        version = yaml.safe_load((copy.root / "galaxy.yml").read_text(encoding="utf-8"))["version"]
        if f"v{version}\n" not in written:
            problems.append(f"A release would not be in CHANGELOG.rst:\n{written[:2000]}")
    return checked(problems)


def docs(work: Workplace) -> Outcome:
    """The documentation of modules, plugins and roles, with all that it refers to."""
    copy = work.copy("docs")
    options = ["--plugin-docs", "--skip-rstcheck", "--validate-collection-refs=all"]
    return checked([complaint(work.tool("antsibull-docs", "lint-collection-docs", *options, ".", cwd=copy.root))])
