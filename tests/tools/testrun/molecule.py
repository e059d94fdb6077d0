# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates that run Molecule: one for each scenario, and the image that they start from."""

from __future__ import annotations

import re
from typing import Iterator

import yaml

from .outcome import Outcome, checked, failure
from .process import Finished
from .tree import COLLECTION, Tree
from .workplace import Workplace

# What every scenario goes through, at least.
STEPS = ("create", "converge", "idempotence", "check", "verify", "destroy")
PLAYBOOKS = ("create", "converge", "verify", "destroy")

_DONE = re.compile(r"^localhost +: ok=[1-9].* unreachable=0 +failed=0 ", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(r"^(\S+) \S+ (\w+): Executed: (.*?)(?: \(.*\))?$", re.MULTILINE)


def engine_and_image(work: Workplace) -> Outcome:
    """A container engine that answers, and the image, built if need be: all that runs containers needs them."""
    if "image" not in work.tree.playbooks:
        return failure("There is no playbook playbooks/image.yml, which would provide the engine and the image.")
    command = ["ansible-playbook", f"{COLLECTION}.image", "--extra-vars", "target=localhost"]
    return judge_playbook(work.tool(*command, timeout=1800))


def judge_playbook(finished: Finished) -> Outcome:
    """What a run of ansible-playbook is worth: one that finds no host has nothing to do, and is content."""
    if finished.code == 0 and _DONE.search(finished.output):
        return Outcome(passed=1)
    return failure(f"{finished.output}\nThe playbook failed, or had nothing to do on localhost.")


def scenario(work: Workplace, name: str) -> Outcome:
    """One scenario, from create to destroy."""
    problems = list(incomplete(work.tree, name))
    if problems:
        return checked(problems)
    # A folder of its own: after a run that was cut off, molecule believes that its instances exist.
    env = {
        **work.env,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(work.folder(f"molecule-{name}")),
        # Ansible keeps what it found out about hosts, and its temporary files, apart from a user's.
        "ANSIBLE_HOME": str(work.scratch / f"molecule-{name}/home"),
    }
    return judge(work.tool("molecule", "test", "-s", name, env=env, timeout=1800), name)


def incomplete(tree: Tree, name: str) -> Iterator[str]:
    """What a scenario lacks, a sentence each. Molecule only warns of a missing playbook, and is content."""
    folder = f"molecule/{name}"
    for playbook in PLAYBOOKS:
        if f"{folder}/{playbook}.yml" not in tree.files:
            yield f"The scenario {name} has no {playbook}.yml."
    settings = yaml.safe_load((tree.root / folder / "molecule.yml").read_text(encoding="utf-8")) or {}
    sequence = settings.get("scenario", {}).get("test_sequence", [])
    missing = [step for step in STEPS if step not in sequence]
    if missing:
        yield f"The test_sequence of the scenario {name} lacks {', '.join(missing)}."


def judge(finished: Finished, name: str) -> Outcome:
    """What a run of molecule is worth: every step must have been executed with success."""
    executed = set(_STEP.findall(_ANSI.sub("", finished.output)))
    missing = [step for step in STEPS if (name, step, "Successful") not in executed]
    if finished.code == 0 and not missing:
        return Outcome(passed=1)
    return failure(f"{finished.output}\nNot done with success: {', '.join(missing) or 'the scenario as a whole'}.")
