# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the guides: what they name exists, and has values that it takes."""

from __future__ import annotations

import ast
import importlib
import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any, Iterator, Mapping

import decision_index
import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from guides import Block, blocks, commands, words
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from testrun.tree import read_tree

ROOT = Path(__file__).resolve().parents[3]
TREE = read_tree(ROOT)
COLLECTION = "howdah.postgresql"
GROUPS = {"all", "postgres", "etcd", "proxy", "backup", "retired"}
# Of all roles and playbooks.
COMMON = {"docker_host", "cluster_name", "cluster_network_mode", "cluster_version", "target"}
# Where pages with examples are.
PAGES = [
    name
    for name in TREE.files
    if re.fullmatch(r"README\.md|CONTRIBUTING\.md|docs/[^/]+\.md|roles/[^/]+/README\.md|tests/README\.md", name)
]
PROGRAMS = {
    *("ansible-doc", "antsibull-changelog", "curl", "docker", "export", "gunzip", "gzip", "openssl", "pip"),
    *("python3", "python3.11", "source", "tar", "pg_dump", "pg_dumpall", "pg_restore", "psql"),
}


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def options(role: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"].values():
        found |= entry.get("options") or {}
    return found


OPTIONS = {role: options(role) for role in TREE.roles}
PLAYBOOKS = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in TREE.under("playbooks", ".yml"))


def known(name: str) -> bool:
    """Whether a variable is one that the roles or the playbooks read."""
    role = name.partition("_")[0]
    return (
        name.startswith("ansible_")
        or name in COMMON
        or name in OPTIONS.get(role, {})
        or bool(re.search(rf"\b{re.escape(name)}\b", PLAYBOOKS))
    )


def plain(value: Any) -> bool:
    """Whether a value is what it says, and no template."""
    return "{{" not in json.dumps(value, default=str)


def complaints(variables: Mapping[str, Any]) -> Iterator[str]:
    """What roles would say of variables."""
    yield from (f"nobody reads the variable {name}" for name in variables if not known(name))
    for spec in OPTIONS.values():
        given = {name: value for name, value in variables.items() if name in spec and plain(value)}
        # Without defaults, which are templates, and without what others need.
        wanted = {
            name: {key: value for key, value in spec[name].items() if key in ("type", "elements", "choices", "options")}
            for name in given
        }
        yield from ArgumentSpecValidator(wanted).validate(given).error_messages


def inventory_complaints(text: str, folder: Path) -> Iterator[str]:
    path = folder / "inventory.yml"
    path.write_text(text, encoding="utf-8")
    inventory = InventoryManager(loader=DataLoader(), sources=[str(path)])
    if not inventory.hosts:
        yield "an inventory without hosts"
    yield from (f"nobody deploys the group {name}" for name in set(inventory.groups) - GROUPS - {"ungrouped"})
    for group in inventory.groups.values():
        yield from complaints(group.get_vars())
    for host in inventory.hosts.values():
        own = {name: value for name, value in host.vars.items() if name not in ("inventory_file", "inventory_dir")}
        yield from complaints(own)


def module_options(module: str) -> set[str]:
    """The names of a module's options, those of its fragments included."""
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text(encoding="utf-8"))
    (text,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION"
    ]
    doc = yaml.safe_load(text)
    names = set(doc.get("options") or {})
    for fragment in doc["extends_documentation_fragment"]:
        file, _dot, part = fragment.removeprefix(f"{COLLECTION}.").partition(".")
        place = importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.doc_fragments.{file}")
        names |= set(
            yaml.safe_load(getattr(place.ModuleDocFragment, part.upper() or "DOCUMENTATION")).get("options") or {}
        )
    return names


def module_complaints(task: Mapping[str, Any]) -> Iterator[str]:
    for name, arguments in task.items():
        if name.startswith(f"{COLLECTION}."):
            module = name.removeprefix(f"{COLLECTION}.")
            if module not in TREE.modules:
                yield f"there is no module {name}"
                continue
            unknown = set(arguments or {}) - module_options(module)
            yield from (f"{name} has no option {option}" for option in unknown)


def play_complaints(play: Mapping[str, Any]) -> Iterator[str]:
    for role in play.get("roles", ()):
        given = role if isinstance(role, dict) else {"role": role}
        name = given["role"].removeprefix(f"{COLLECTION}.")
        if name not in TREE.roles:
            yield f"there is no role {given['role']}"
        yield from complaints(given.get("vars") or {})
    for task in play.get("tasks", ()):
        yield from module_complaints(task)


def example_complaints(text: str, folder: Path) -> Iterator[str]:
    """What is wrong with an example in YAML."""
    content = yaml.safe_load(text)
    if isinstance(content, dict) and GROUPS & content.keys():
        yield from inventory_complaints(text, folder)
    for entry in content if isinstance(content, list) else []:
        yield from play_complaints(entry) if "hosts" in entry else module_complaints(entry)


def extra_variables(command: list[str]) -> Iterator[str]:
    """The names of variables that a command line sets."""
    for position, word in enumerate(command[:-1]):
        if word in ("-e", "--extra-vars"):
            value = command[position + 1]
            yield from yaml.safe_load(value) if value.startswith("{") else [value.partition("=")[0]]


def command_complaints(command: str) -> Iterator[str]:
    """What is wrong with a command."""
    for part in re.split(r" (?:&&|\|) ", command):
        given = words(part)
        program = given[0]
        if program.startswith("bin/"):
            if program not in TREE.files:
                yield f"there is no {program}"
        elif program == "ansible-playbook":
            names = [word.removeprefix(f"{COLLECTION}.") for word in given if word.startswith(f"{COLLECTION}.")]
            if len(names) != 1 or names[0] not in (*TREE.playbooks, "<playbook>"):
                yield f"{names} is no playbook"
            yield from (f"nobody reads the variable {name}" for name in extra_variables(given) if not known(name))
        elif program == "ansible":
            module = given[given.index("-m") + 1].removeprefix(f"{COLLECTION}.")
            if f"plugins/modules/{module}.py" not in TREE.files:
                yield f"{module} is no module"
        elif program == "ansible-galaxy":
            archive = f"howdah-postgresql-{load('galaxy.yml')['version']}.tar.gz"
            if "install" in given and archive not in given:
                yield f"what is installed is not {archive}"
        elif program not in PROGRAMS:
            yield f"who has the program {program}?"
        for path in re.findall(r"/opt/container/bin/[a-z-]+", part):
            if f"image/rootfs{path}" not in TREE.files:
                yield f"the image has no {path}"


def found(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{name}-{number}")
        for name in PAGES
        for number, block in enumerate(blocks((ROOT / name).read_text(encoding="utf-8"), language), 1)
    ]


@pytest.mark.parametrize("block", found("yaml"))
def test_example_names_what_exists(block: Block, tmp_path: Path) -> None:
    assert list(example_complaints(block.text, tmp_path)) == []


@pytest.mark.parametrize("block", found("console"))
def test_command_can_be_typed(block: Block) -> None:
    typed = commands(block)
    assert typed, "a console block without a command"
    assert [f"{command}: {what}" for command in typed for what in command_complaints(command)] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("postgres: {hosts: {pg1: {server_prot: 5}}}", "nobody reads the variable server_prot"),
        ("postgres: {hosts: {pg1: {server_port: five}}}", "server_port"),
        ("postgres: {hosts: {pg1: {server_networks: [{name: a}], patroni_timings: 5}}}", "patroni_timings"),
        ("all: {children: {postgre: {hosts: {pg1: {}}}}}", "nobody deploys the group postgre"),
        ("[{hosts: all, roles: [howdah.postgresql.servr]}]", "there is no role"),
        ("[{howdah.postgresql.password: {nam: x}}]", "has no option nam"),
    ],
)
def test_wrong_examples_are_noticed(text: str, complaint: str, tmp_path: Path) -> None:
    assert any(complaint in said for said in example_complaints(text, tmp_path))


@pytest.mark.parametrize(
    "command",
    [
        "bin/quikstart",
        "ansible-playbook howdah.postgresql.statsu",
        "ansible-playbook howdah.postgresql.status -e no_such_variable=1",
        "ansible-galaxy collection install howdah-postgresql-0.9.0.tar.gz",
        "docker exec pg1 /opt/container/bin/healt disk",
        "frobnicate",
    ],
)
def test_wrong_commands_are_noticed(command: str) -> None:
    assert list(command_complaints(command))


def test_the_list_of_decisions_is_up_to_date() -> None:
    assert len(decision_index.pages()) > 10
    written = decision_index.PAGE.read_text(encoding="utf-8")
    assert written == decision_index.index(), "run tests/tools/decision_index.py"


def named(text: str) -> list[str]:
    return re.findall(r"`[^`\n]+`", text)


@pytest.mark.parametrize("kind", ["modules", "roles", "playbooks"])
def test_the_readme_names_all(kind: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in getattr(TREE, kind) if not {f"`{COLLECTION}.{name}`", f"`{name}`"} & set(named(text))]
    assert missing == []


def needed(package: str) -> set[str]:
    """A package and all that it needs, by what is installed here."""
    found, left = set(), [package]
    while left:
        name = canonicalize_name(left.pop())
        if name not in found:
            found.add(name)
            wanted = map(Requirement, metadata.requires(name) or ())
            left += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_a_page_names_all_packages_that_the_collection_runs_with(page: str) -> None:
    (named,) = re.findall(r"(?:`|^\$ )pip install ([\w -]+)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "bin/requirements/run.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert set().union(*map(needed, named.split())) == {canonicalize_name(name) for name in pinned}


def test_what_the_readme_says_is_not_there_is_not() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Both commands are in a checkout of the project." in readme and "bin" in load("galaxy.yml")["build_ignore"]


def test_a_reader_may_go_from_the_readmes_repository_to_that_of_the_guide() -> None:
    # What has been used cannot be encrypted otherwise later.
    pages = ((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/backup.md"))
    texts = [next(block.text for block in blocks(page, "yaml") if "backup1" in block.text) for page in pages]
    lines = [re.findall(r"^ *(backup_(?:repositories|secrets): .*)$", text, re.MULTILINE) for text in texts]
    assert lines[0] == lines[1] and len(lines[0]) == 2
