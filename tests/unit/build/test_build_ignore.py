# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ignore files: the rules of Docker's own documentation and tests."""
from __future__ import annotations

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.ignore import IgnoreRules
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("a", "ab", False),
        ("/a/", "a/b", True),
        ("//a", "a", True),
        ("./a/../b", "b", True),
        ("*", "a", True),
        ("*.go", "a.go", True),
        ("*.go", "x/a.go", False),
        ("*/temp*", "x/temporary.txt", True),
        ("*/*/temp*", "x/y/temporary.txt", True),
        ("*/*/temp*", "x/temporary.txt", False),
        ("temp?", "tempa", True),
        ("temp?", "temp", False),
        ("temp?", "temp/", False),
        ("**", "a/b/c", True),
        ("**/", "a", True),
        ("**/b", "b", True),
        ("**/b", "a/x/b", True),
        ("**/b", "a/xb", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a**/b", "axx/b", True),
        ("a**b", "ab", True),
        ("**/*.txt", "d/e/f.txt", True),
        ("[a-c]d", "bd", True),
        ("[^a-c]d", "bd", False),
        ("[^a-c]d", "ed", True),
        ("a.b", "axb", False),
        ("a+b|(c){d}$", "a+b|(c){d}$", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("#a", "#a", False),
        (" #a", "#a", True),
        ("  b  ", "b", True),
        ("\ufeffb", "b", True),
        ("..", "a", False),
    ],
)
def test_pattern(pattern: str, path: str, ignored: bool) -> None:
    assert IgnoreRules(pattern).ignores(path) is ignored


@pytest.mark.parametrize(
    ("text", "path", "ignored"),
    [
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md", "x.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
        ("*\n!image\n!plugins/utils", "image/x/y", False),
        ("*\n!image\n!plugins/utils", "plugins/utils/a.py", False),
        ("*\n!image\n!plugins/utils", "plugins/b.py", True),
        ("*\n! image", "image", False),
        ("**/__pycache__\n", "a/__pycache__/x.pyc", True),
    ],
)
def test_last_match_decides(text: str, path: str, ignored: bool) -> None:
    assert IgnoreRules(text).ignores(path) is ignored


@pytest.mark.parametrize(
    ("text", "folder", "prunes"),
    [
        ("*", "a", True),
        ("*\n!b", "a", True),
        ("*\n!a/b", "a", False),
        ("*\n!a/b", "a/b", False),
        ("*\n!ab", "a", True),
        ("*\n!**/x", "a", False),
    ],
)
def test_prunes_only_what_nothing_takes_in_again(text: str, folder: str, prunes: bool) -> None:
    assert IgnoreRules(text).prunes(folder) is prunes


@pytest.mark.parametrize("text", ["!", "! ", "[", "[b-a]"])
def test_bad_pattern_names_its_file(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^Dockerfile\.dockerignore: "):
        IgnoreRules(text, "Dockerfile.dockerignore")


@pytest.mark.filterwarnings("ignore::FutureWarning")  # Python may once give nested brackets a meaning
@given(st.text(alphabet="ab/*?[]!\\#. ^-", max_size=20), st.text(alphabet="ab/.", min_size=1, max_size=8))
def test_any_text_gives_a_verdict_or_a_clear_error(text: str, path: str) -> None:
    try:
        assert IgnoreRules(text).ignores(path) in (True, False)
    except InvalidInput as error:
        assert ".dockerignore" in error.message


NAMES = st.sampled_from(["a", "b", "ab", "c.d"])


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=4), NAMES, NAMES)
def test_what_is_pruned_holds_nothing(readmitted: list[str], folder: str, name: str) -> None:
    rules = IgnoreRules("\n".join(["*", *("!" + path for path in readmitted)]))
    if rules.ignores(folder) and rules.prunes(folder):
        assert rules.ignores(f"{folder}/{name}")
