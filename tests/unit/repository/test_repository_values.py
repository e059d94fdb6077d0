# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is given by ``-e name=value``, or in an INI inventory, is text: "false" is true, and "300" twice is "300300"."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from jinja2 import Environment, nodes
from testrun.tree import read_tree

ROOT = Path(__file__).resolve().parents[3]
TREE = read_tree(ROOT)
# Keywords of tasks that are expressions without braces, and are asked whether they are true.
CONDITIONS = ("when", "that", "until", "failed_when", "changed_when")
# Filters that leave a value as it is, and those that ask whether it is true.
PLAIN, ASKING = ("default", "d"), ("ternary", "ansible.builtin.ternary")
CALCULATED = (nodes.Mul, nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Mod)
ORDERED = ("gt", "gteq", "lt", "lteq")


def options(*kinds: str) -> set[str]:
    """Options of roles of these types."""
    found = set()
    for role in TREE.roles:
        specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))
        for entry in specs["argument_specs"].values():
            found |= {name for name, option in (entry.get("options") or {}).items() if option.get("type") in kinds}
    return found


def expressions(node: Any, key: str = "") -> Iterator[tuple[str, bool]]:
    """Templates of a YAML document, and whether each is a condition as a whole."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from expressions(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value, key)
    elif isinstance(node, str) and key in CONDITIONS:
        yield f"{{{{ {node} }}}}", True
    elif isinstance(node, str) and "{" in node:
        yield node, False


def templates() -> Iterator[tuple[str, str, bool]]:
    """All of roles and playbooks, each with its file."""
    for name in TREE.files:
        if not name.startswith(("playbooks/", "roles/")) or "/meta/" in name:
            continue
        text = (ROOT / name).read_text(encoding="utf-8") if name.endswith((".yml", ".j2")) else ""
        if name.endswith(".yml"):
            yield from ((name, *found) for found in expressions(yaml.safe_load(text)))
        elif name.endswith(".j2"):
            yield name, text, False


def variable(node: nodes.Node) -> str:
    """The variable that an expression has the value of, also of another host; empty, where it makes something of it."""
    while isinstance(node, nodes.Filter) and node.name in PLAIN and node.node is not None:
        node = node.node
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.name if isinstance(node, nodes.Name) else ""


def asked(tree: nodes.Node, whole: bool) -> Iterator[nodes.Node]:
    """Expressions that are asked whether they are true."""
    if whole:
        yield from (part for output in tree.find_all(nodes.Output) for part in output.nodes)
    for node in tree.find_all((nodes.And, nodes.Or)):
        yield from (node.left, node.right)
    for node in tree.find_all((nodes.CondExpr, nodes.If)):
        yield node.test
    yield from (node.node for node in tree.find_all(nodes.Not))
    yield from (node.node for node in tree.find_all(nodes.Filter) if node.name in ASKING and node.node is not None)


def reckoned(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Expressions that are reckoned with, or that are more or less than another."""
    for node in tree.find_all(CALCULATED):
        yield from (node.left, node.right)
    for node in tree.find_all(nodes.Compare):
        if any(operand.op in ORDERED for operand in node.ops):
            yield from (node.expr, *(operand.expr for operand in node.ops))


def told(text: str, whole: bool, truths: set[str], numbers: set[str]) -> Iterator[str]:
    """The options that a template takes for what they are declared as, while they may be text."""
    tree = Environment().parse(text)
    yield from (name for name in map(variable, asked(tree, whole)) if name in truths)
    yield from (name for name in map(variable, reckoned(tree)) if name in numbers)


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        ("{{ on }}", True, ["on"]),
        ("{{ on }}", False, []),
        ("{{ on | default(true) }}", True, ["on"]),
        ("{{ on | default(true) | bool and hostvars[one].on }}", True, ["on"]),
        ("{{ on | bool or not (on | bool) }}", True, []),
        ("{{ 'a' if not on else 'b' }} {{ on | ternary(1, 2) }}", False, ["on", "on"]),
        ("{% if on %}a{% endif %}", False, ["on"]),
        ("{{ many * 2 }} {{ many | int * 2 }} {{ 2 + (many | default(5)) }} {{ many > 0 }}", False, ["many"] * 3),
        ("{{ many | int > 0 and many == 1 and one > 1 }}", True, []),
    ],
)
def test_what_is_looked_for_is_found(text: str, whole: bool, expected: list[str]) -> None:
    assert list(told(text, whole, {"on"}, {"many"})) == expected


def test_truths_and_numbers_may_be_text() -> None:
    truths, numbers = options("bool"), options("int", "float")
    assert {"engine_install", "backup_first"} <= truths and {"patroni_timeout", "proxy_port"} <= numbers
    seen = list(templates())
    assert len(seen) > 500 and any(name.endswith(".j2") for name, _text, _whole in seen)
    found = {f"{name}: {option}" for name, text, whole in seen for option in told(text, whole, truths, numbers)}
    assert sorted(found) == [], "`| bool`, `| int` or `| float` is missing"
