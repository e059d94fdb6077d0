# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that makes the HTML site: what it lays out, and what it refuses."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest
from testrun import site
from testrun.tree import read_tree

ROOT = Path(__file__).resolve().parents[3]
TREE = read_tree(ROOT)
HEAD = '<meta name="viewport" content="width=device-width,initial-scale=1">'


def faults(folder: Path, **pages: str) -> list[str]:
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return list(site.faults(site.read_site(folder), folder))


def test_pages_that_lead_somewhere_are_fine(tmp_path: Path) -> None:
    (tmp_path / "picture.svg").write_text("<svg/>")
    text = f'{HEAD}<a href="other.html#b%C3%BCch">x</a><a href="https://example.com/">y</a><img src="picture.svg">'
    assert faults(tmp_path, index=text, other=f'{HEAD}<h1 id="büch">z</h1><a href="#büch">t</a>') == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<a href="gone.html">x</a>', "links to gone.html, which is not there"),
        ('<a href="index.html#gone">x</a>', "links to index.html#gone, which has no such place"),
        ('<a href="#gone">x</a>', "links to #gone, which has no such place"),
        ("<p> ERROR: no such thing</p>", "shows 'ERROR: no such thing'"),
        ('<script src="https://example.com/x.js"></script>', "loads https://example.com/x.js from elsewhere"),
        ('<link rel="stylesheet" href="//example.com/x.css">', "loads //example.com/x.css from elsewhere"),
    ],
)
def test_pages_that_do_not_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(tmp_path, index=HEAD + text) == [f"index.html {fault}."]


def test_pages_that_are_too_wide_for_a_phone_are_refused(tmp_path: Path) -> None:
    assert faults(tmp_path, index="<p>x</p>") == ["index.html does not say that it fits a narrow screen."]


def test_long_names_may_go_on_in_the_next_line(tmp_path: Path) -> None:
    names = '<a href="a.b.html">a.b</a> <span class="pre">howdah.postgresql.base_image</span>'
    (tmp_path / "deep").mkdir()
    for page in (tmp_path / "index.html", tmp_path / "deep/x.html"):
        page.write_text(names, encoding="utf-8")
        site.break_words(tmp_path)
        broken = names.replace("howdah.postgresql.base_image", "howdah.<wbr>postgresql.<wbr>base_<wbr>image")
        assert page.read_text(encoding="utf-8") == broken


def test_a_site_without_a_first_page_is_refused(tmp_path: Path) -> None:
    assert faults(tmp_path) == ["The site has no index.html."]


def test_every_page_is_in_the_contents_once(tmp_path: Path) -> None:
    site.lay_out(TREE, tmp_path)
    pages = {str(path.relative_to(tmp_path).with_suffix("")): path.read_text() for path in tmp_path.rglob("*.md")}
    listed = []
    for name in ("index", "docs/decisions/README"):
        for contents in re.findall(r"^```{toctree}\n(.*?)^```$", pages[name], re.MULTILINE | re.DOTALL):
            entries = [line for line in contents.splitlines() if line and not line.startswith(":")]
            listed += [str(Path(name).parent / re.sub(r".*<(.*)>", r"\1", entry)) for entry in entries]
    assert sorted(listed) == sorted({*pages, "CHANGELOG", "reference/index"} - {"README", "index"})


def test_labels_of_another_manual_are_written_as_sphinx_reads_them() -> None:
    *head, body = site.inventory({"a": "b.html#c"}).split(b"\n", 4)
    assert head[0] == b"# Sphinx inventory version 2"
    assert zlib.decompress(body) == b"a std:label -1 b.html#c -\n"
