# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bin/test makes of Galaxy's importer, and the environments that it keeps beside the checkout's."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from testrun import artifact, cores, side
from testrun.tree import Tree, read_tree

ROOT = Path(__file__).resolve().parents[3]
TREE = Tree(Path("/nowhere"), ("plugins/modules/a.py", "playbooks/site.yml", "roles/r/tasks/main.yml"))
CONTENTS = [("module", "a"), ("playbook", "site.yml"), ("role", "r")]


def result(*leave_out: str) -> dict[str, Any]:
    return {"contents": [{"content_type": kind, "name": name} for kind, name in CONTENTS if kind not in leave_out]}


def test_an_import_that_finds_all_is_fine() -> None:
    assert list(artifact.imported(TREE, "INFO: fine\n", result())) == []


@pytest.mark.parametrize(("kind", "name"), CONTENTS)
def test_what_the_importer_does_not_find_is_missing(kind: str, name: str) -> None:
    assert list(artifact.imported(TREE, "", result(kind))) == [f"The importer has not found the {kind} {name}."]


@pytest.mark.parametrize("line", ["WARNING: no tags", "ERROR: no such file"])
def test_what_the_importer_complains_of_counts_though_it_ends_well(line: str) -> None:
    assert list(artifact.imported(TREE, f"INFO: x\n{line}\n", result())) == [line]


def test_later_pins_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("# about\nA==1\nb==1\n")
    (tmp_path / "two").write_text("a==2\n")
    assert side.pins(tmp_path / "one", tmp_path / "two") == ["a==2", "b==1"]


def test_interpreters_are_what_was_asked_for() -> None:
    here = "{}.{}".format(*sys.version_info)
    assert side.interpreter(here)
    assert side.interpreter("3.999") == ""


def test_every_core_has_its_list_and_the_readme_names_it() -> None:
    lists = {name[22:-4] for name in read_tree(ROOT).files if name.startswith("bin/requirements/core-")}
    assert lists == set(cores.CORES)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| ansible-core \|.*$", readme, re.MULTILINE)
    assert [core for core in cores.CORES if core not in row] == []
    for core in cores.CORES:
        names = {pin.partition("==")[0] for pin in cores.wanted(ROOT, core)}
        assert {"ansible-core", "docker", "hypothesis", "pytest", "psycopg2-binary"} <= names
