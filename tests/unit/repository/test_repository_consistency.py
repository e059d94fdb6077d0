# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said in several places of the repository must agree, and some things must not be in it at all."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from ansible_collections.howdah.postgresql.plugins import module_utils
from ansible_collections.howdah.postgresql.plugins.doc_fragments import attributes
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import HowdahError
from testrun import artifact, mutants
from testrun.tree import read_tree

ROOT = Path(__file__).resolve().parents[3]
TREE = read_tree(ROOT)
LONGEST = 500  # lines of a file that people are meant to read in one go
COLLECTION = "howdah.postgresql"


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def text_files() -> Iterator[tuple[str, str]]:
    for name in TREE.files:
        if (ROOT / name).is_file() and not name.endswith((".png", ".gz")):
            yield name, (ROOT / name).read_text(encoding="utf-8")


# --- The image -----------------------------------------------------------------------------------


def test_labels_of_the_image_are_those_of_the_collection_and_of_the_pinned_packages() -> None:
    dockerfile = (ROOT / "image/Dockerfile").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", (ROOT / "image/setup/requirements.txt").read_text("utf-8")))
    assert f'image.revision="{load("galaxy.yml")["version"]}"' in dockerfile
    assert f'io.howdah.postgresql.patroni="{pinned["patroni"]}"' in dockerfile


# --- Errors --------------------------------------------------------------------------------------


def all_errors() -> list[type[HowdahError]]:
    for found in pkgutil.walk_packages(module_utils.__path__, f"{module_utils.__name__}."):
        importlib.import_module(found.name)
    errors, todo = [], [HowdahError]
    while todo:
        errors.append(todo.pop())
        todo += errors[-1].__subclasses__()
    return errors


@pytest.mark.parametrize("attribute", ["number", "code"])
def test_errors_are_told_apart(attribute: str) -> None:
    errors = all_errors()
    assert len(errors) > 20
    values = [getattr(error, attribute) for error in errors]
    assert sorted(values) == sorted(set(values))


def test_error_numbers_are_no_small_numbers() -> None:
    assert [error.__name__ for error in all_errors() if error.number < 1000] == []


def test_errors_say_their_own_number_and_code() -> None:
    silent = [error.__name__ for error in all_errors() if not {"number", "code"} <= vars(error).keys()]
    assert silent == []


# --- Modules -------------------------------------------------------------------------------------


def documentation(module: str) -> dict[str, Any]:
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(node.value))  # type: ignore[no-any-return]
    raise AssertionError(f"{module} has no DOCUMENTATION")


@pytest.mark.parametrize("module", TREE.modules)
def test_module_states_its_attributes(module: str) -> None:
    doc = documentation(module)
    assert f"{COLLECTION}.attributes" in doc["extends_documentation_fragment"]
    assert {"check_mode", "diff_mode", "idempotent"} <= doc["attributes"].keys()


def membership(fragment: str) -> set[str]:
    """The action groups that a fragment of attributes puts its modules in."""
    name = fragment.removeprefix(f"{COLLECTION}.attributes").removeprefix(".").upper() or "DOCUMENTATION"
    text = getattr(attributes.ModuleDocFragment, name)
    return {group.rpartition(".")[2] for group in yaml.safe_load(text)["attributes"]["action_group"]["membership"]}


def test_action_groups_are_what_the_modules_say() -> None:
    said: dict[str, list[str]] = {}
    for module in TREE.modules:
        fragments = documentation(module)["extends_documentation_fragment"]
        groups = {group for name in fragments if f"{COLLECTION}.attributes" in name for group in membership(name)}
        for group in groups:
            said.setdefault(group, []).append(module)
    assert said == load("meta/runtime.yml")["action_groups"]


def test_defaults_for_the_engine_reach_every_module_that_talks_to_one() -> None:
    talking = [
        module
        for module in TREE.modules
        if f"{COLLECTION}.docker" in documentation(module)["extends_documentation_fragment"]
    ]
    assert talking == load("meta/runtime.yml")["action_groups"]["docker"]


# --- Roles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", TREE.roles)
def test_role_is_described(role: str) -> None:
    assert {f"roles/{role}/README.md", f"roles/{role}/meta/argument_specs.yml"} <= set(TREE.files)


@pytest.mark.parametrize("role", TREE.roles)
def test_defaults_of_role_are_as_described(role: str) -> None:
    defaults = load(f"roles/{role}/defaults/main.yml") or {}
    options = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})
    optional = {name for name, option in options.items() if not option.get("required")}
    assert sorted(defaults) == sorted(optional), "an option without a default, or a default that is not described"
    # A default that is a template of another type cannot be stated; a str can.
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    assert {name: defaults[name] for name in stated} == stated
    unstated = {name: value for name, value in defaults.items() if name not in stated}
    assert {
        name: value for name, value in unstated.items() if "{{" not in str(value) and value not in ("", [], {})
    } == {}


@pytest.mark.parametrize("role", TREE.roles)
def test_variables_of_role_begin_with_its_name(role: str) -> None:
    names = list(load(f"roles/{role}/defaults/main.yml") or {})
    assert [name for name in names if not name.startswith(f"{role}_")] == []


# --- Files ---------------------------------------------------------------------------------------


def test_nothing_but_true_and_false_says_whether_errors_end_a_run() -> None:
    """Ansible takes a template there for true, whatever comes of it."""
    lines = [
        (name, line.strip())
        for name, text in text_files()
        if name.startswith(("playbooks/", "roles/"))
        for line in text.splitlines()
        if "any_errors_fatal:" in line
    ]
    assert len(lines) > 10
    assert [line for line in lines if not re.fullmatch(r"any_errors_fatal: (true|false)( #.*)?", line[1])] == []


def told(node: Any, key: str = "") -> Iterator[str]:
    """What tasks tell people: the strings of a YAML document under these keys."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from told(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from told(value, key)
    elif isinstance(node, str) and key in ("fail_msg", "text", "msg"):
        yield node


def test_no_sentence_breaks_in_its_middle() -> None:
    """A folded scalar keeps the line's end after a line that is indented more, unless it is within an expression."""
    broken = [
        f"{name}: {text}"
        for name in TREE.files
        if name.endswith(".yml") and name.startswith(("playbooks/", "roles/"))
        for text in told(load(name))
        if "\n" in re.sub(r"(?:\s*\{\{-|\{\{).*?(?:-\}\}\s*|\}\})", "x", text, flags=re.DOTALL).strip()
    ]
    assert broken == []


@pytest.mark.parametrize(("command", "last"), [("quickstart", "  --down "), ("test", "Without a PART")])
def test_help_is_the_comment_at_the_top_and_nothing_else(command: str, last: str) -> None:
    done = subprocess.run([ROOT / "bin" / command, "--help"], capture_output=True, text=True, check=True, timeout=30)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"bin/{command} ") and lines[-1].startswith(last), done.stdout


def test_no_file_is_too_long() -> None:
    code = [
        name for name in TREE.files if name.startswith(("plugins/", "image/", "tests/tools/")) and name.endswith(".py")
    ]
    assert len(code) > 10
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in code}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_path_of_a_machine_is_in_a_file() -> None:
    # Spelled apart, or this file would be a finding.
    paths = re.compile("|".join(["/" + "work/", "/tmp/" + "tree", "/opt/" + "pypi", "/opt/" + "wheels"]))
    found = [f"{name}: {match[0]}" for name, text in text_files() for match in paths.finditer(text)]
    assert found == []


def hosts_of_this_machine() -> set[str]:
    """Where this machine gets its packages from, as far as pip's settings and the proxies tell."""
    config = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings = [
        value for name, value in os.environ.items() if name.startswith("PIP_") or name.lower().endswith("_proxy")
    ]
    hosts = re.findall(r"(?<!/)//(?:[^/@\s]*@)?([A-Za-z0-9][A-Za-z0-9.-]+)", "\n".join([config.stdout, *settings]))
    return set(hosts) - {"localhost", "127.0.0.1"}


def test_no_package_index_is_named() -> None:
    """Where packages come from is the business of the machine: pip's and apt's own settings say it."""
    options = r"(?:--?(?:extra-)?index-url|--trusted-host|--find-links)[ =]+\S*//"
    unwanted = re.compile("|".join([options, *map(re.escape, sorted(hosts_of_this_machine()))]))
    found = [f"{name}: {match[0]}" for name, text in text_files() for match in unwanted.finditer(text)]
    assert found == []


@pytest.mark.parametrize("name", [name for name in TREE.files if name.startswith("bin/requirements/")])
def test_requirements_are_pinned(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def test_test_files_have_names_of_their_own() -> None:
    """pytest tells modules apart by their base names."""
    names = [Path(name).name for name in TREE.files if Path(name).name.startswith("test_") and name.endswith(".py")]
    assert sorted(names) == sorted(set(names))


def test_code_has_its_licence() -> None:
    code = [name for name in TREE.files if name.endswith(".py") and (ROOT / name).read_text(encoding="utf-8").strip()]
    silent = [
        name for name in code if "SPDX-License-Identifier: GPL-3.0-or-later" not in (ROOT / name).read_text()[:600]
    ]
    assert silent == []


def test_links_between_documents_lead_somewhere() -> None:
    link = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
    dead = []
    for name, text in text_files():
        if name.endswith(".md"):
            targets = [
                target for target in link.findall(text) if "://" not in target and not target.startswith("mailto:")
            ]
            dead += [f"{name}: {target}" for target in targets if not (ROOT / name).parent.joinpath(target).exists()]
    assert dead == []


def test_molecule_does_not_install_the_collection_over_itself() -> None:
    """Its prerun removes the place of installation first; where that is the checkout, all work is lost."""
    assert load(".config/molecule/config.yml") == {"prerun": False}


# --- The artifact --------------------------------------------------------------------------------


def ignored(name: str) -> bool:
    parts = name.split("/")
    paths = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    return any(fnmatch.fnmatch(path, pattern) for path in paths for pattern in load("galaxy.yml")["build_ignore"])


def test_build_ignore_keeps_the_product() -> None:
    product = [name for name in TREE.files if name.split("/")[0] in artifact.SHIPPED or name in artifact.SHIPPED_FILES]
    assert any(name.startswith("image/") for name in product)
    assert [name for name in product if ignored(name)] == []


def test_build_ignore_leaves_out_the_rest() -> None:
    ours = {*artifact.SHIPPED, *artifact.SHIPPED_FILES, "galaxy.yml"}  # galaxy.yml is left out without being told
    rest = [name for name in TREE.files if name.split("/")[0] not in ours]
    assert [name for name in rest if not ignored(name)] == []


def test_build_ignore_leaves_out_what_git_ignores() -> None:
    patterns = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if not line.startswith("#")]
    always = {"__pycache__", "*.pyc"}  # ansible-galaxy itself
    assert [pattern for pattern in patterns if pattern not in always and not ignored(pattern)] == []


# --- Planted faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("mutant", mutants.read_mutants(TREE), ids=lambda mutant: Path(mutant.patch).stem)
def test_mutant_applies_and_names_a_test(mutant: mutants.Mutant) -> None:
    assert mutants.plant(mutant, ROOT, dry_run=True) == ""
    path, *_names, name = mutant.test.split("::")
    assert re.search(
        rf"^\s*def {re.escape(name.partition('[')[0])}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE
    )
