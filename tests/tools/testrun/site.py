# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that makes the HTML site, from the guides and from what modules and roles say of themselves.

The guides keep their places, so a link between two of them is the same in the repository and on the site. The reference
is antsibull-docs' work. Sphinx makes the pages, and refuses links that lead nowhere; what it made is looked at again.
"""

from __future__ import annotations

import re
import shutil
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from .outcome import Outcome, checked, failure
from .tree import COLLECTION, Tree
from .workplace import Workplace

PLACE = ".site"  # in the checkout; git ignores it
# Of the product; what is in tests/ and image/ is told by the contributor's guide.
_PAGES = re.compile(r"README\.md|CONTRIBUTING\.md|(?:docs|roles|tests|image)/.*\.md")
# What pages link to besides pages.
_FILES = re.compile(r"LICENSE|CHANGELOG\.rst|docs/.*\.(?:svg|png|json)|roles/[^/]+/meta/argument_specs\.yml")
_CONTENTS_OF_PAGE = re.compile(r"^\.\. contents::\n(?: +:.*\n)*", re.MULTILINE)
# What the theme shows in a fixed width, word by word; and after what such a word may go on in the next line.
_WORD = re.compile(r'(?<=<span class="pre">)[^<]+')
_JOINT = re.compile(r"[._/=:,](?=\w)")
_SETTINGS = f"""\
project = "{COLLECTION}"
html_title = "{COLLECTION}"
copyright = "the {COLLECTION} authors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "index"
html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 4
exclude_patterns = ["README.md"]
smartquotes = False
extensions += ["sphinx.ext.intersphinx"]
intersphinx_mapping = {{"ansible": ("https://docs.ansible.com/ansible/latest/", "objects.inv")}}
intersphinx_disabled_reftypes = ["doc"]
"""
# What the reference refers to in Ansible's own manual, which is not asked: builds go without a network.
_ANSIBLE = {
    "action_plugins": "plugins/action.html",
    "ansible_collections.ansible.builtin.copy_module": "collections/ansible/builtin/copy_module.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
_CONTENTS = """

```{{toctree}}
:hidden:
:caption: {caption}

{names}
```
"""
_CHAPTERS = {
    "Guide": ("install", "production", "image", "operations", "backup", "citus", "upgrade", "migration", "air-gapped"),
    "When something is wrong": ("troubleshooting", "errors", "faults"),
    "To know": ("security", "figures"),
}


def site(work: Workplace) -> Outcome:
    """Make the site in a scratch folder, check it, and leave it in the checkout."""
    source, html = work.folder("site-source"), work.scratch / "site"
    lay_out(work.tree, source)
    reference = source / "reference"
    reference.mkdir(mode=0o755)
    options = ["--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(reference)]
    described = work.tool("antsibull-docs", "collection", *options, COLLECTION)
    if described.code:
        return failure(described.output)
    for path in reference.glob("*.rst"):
        # The theme has a table of contents of its own, and shows an error for a second one.
        path.write_text(_CONTENTS_OF_PAGE.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
    made = work.tool("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", str(source), str(html))
    if made.code:
        return failure(made.output)
    shutil.rmtree(html / ".doctrees", ignore_errors=True)
    break_words(html)
    pages = read_site(html)
    problems = list(faults(pages, html))
    for kind, names in (("module", work.tree.modules), ("role", work.tree.roles)):
        problems += [
            f"The site has no page of the {kind} {name}."
            for name in names
            if f"reference/{name}_{kind}.html" not in pages
        ]
    if not problems:
        place = work.tree.root / PLACE
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(html, place)
    return checked(problems, f"{len(pages)} pages in {PLACE}/")


# --- Source --------------------------------------------------------------------------------------


def lay_out(tree: Tree, target: Path) -> None:
    """Put the guides and what they link to where Sphinx reads them, with settings and tables of contents."""
    for name in tree.files:
        if _PAGES.fullmatch(name) or _FILES.fullmatch(name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree.root / name, target / name)
    (target / "conf.py").write_text(_SETTINGS, encoding="utf-8")
    (target / "objects.inv").write_bytes(inventory(_ANSIBLE))
    decisions = sorted(Path(name).stem for name in tree.under("docs/decisions", ".md") if "README" not in name)
    with (target / "docs/decisions/README.md").open("a", encoding="utf-8") as page:
        page.write(_CONTENTS.format(caption="Decisions", names="\n".join(decisions)))
    index = (tree.root / "README.md").read_text(encoding="utf-8") + "".join(contents(tree))
    (target / "index.md").write_text(index, encoding="utf-8")


def contents(tree: Tree) -> Iterator[str]:
    """The tables of contents: chapters of guides, then the reference, then what is for developers."""
    chosen = [name for names in _CHAPTERS.values() for name in names]
    guides = [Path(name).stem for name in tree.under("docs", ".md") if name.count("/") == 1]
    for caption, names in _CHAPTERS.items():
        there = [name for name in names if name in guides]
        if caption == "Guide":
            there += sorted(set(guides) - set(chosen))
        yield _CONTENTS.format(caption=caption, names="\n".join(f"docs/{name}" for name in there))
    roles = [f"roles/{role}/README" for role in tree.roles]
    reference = "All modules, plugins and variables <reference/index>"
    yield _CONTENTS.format(caption="Reference", names="\n".join([*roles, reference]))
    others = [name[:-3] for name in tree.files if _PAGES.fullmatch(name) and name.endswith(".md")]
    rest = [name for name in others if not name.startswith(("docs/", "roles/")) and name != "README"]
    last = ["docs/decisions/README", "CHANGELOG"]
    yield _CONTENTS.format(caption="Development", names="\n".join([*rest, *last]))


def inventory(labels: Mapping[str, str]) -> bytes:
    """A Sphinx inventory: where the labels of another manual are, as its own build would tell.

    :param labels: the page of each label.
    """
    head = "# Sphinx inventory version 2\n# Project: ansible\n# Version:\n# The rest is compressed with zlib.\n"
    lines = "".join(f"{label} std:label -1 {page} -\n" for label, page in labels.items())
    return head.encode() + zlib.compress(lines.encode())


# --- Result --------------------------------------------------------------------------------------


def break_words(html: Path) -> None:
    """Let long names go on in the next line, where they would push a table's other columns off a phone's screen."""
    for path in html.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        path.write_text(_WORD.sub(lambda word: _JOINT.sub(r"\g<0><wbr>", word[0]), text), encoding="utf-8")


class Page(HTMLParser):
    """What a page has and refers to.

    :ivar anchors: what a fragment may name.
    :ivar links: where it leads.
    :ivar loads: what a browser fetches to show it.
    :ivar narrow: whether it says that it fits a phone's width.
    :ivar errors: what Sphinx or the theme complain of in the page itself.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.narrow = False
        self.errors: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        """A text."""
        if data.strip().startswith("ERROR: "):
            self.errors.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(given.get("href", ""))
        if tag in ("script", "img", "iframe", "source") and given.get("src"):
            self.loads.append(given["src"])
        if tag == "meta" and given.get("name") == "viewport":
            self.narrow = "width=device-width" in given.get("content", "")


def read_site(html: Path) -> dict[str, Page]:
    """All pages, by their place."""
    return {
        str(path.relative_to(html)): Page(path.read_text(encoding="utf-8")) for path in sorted(html.rglob("*.html"))
    }


def faults(pages: dict[str, Page], html: Path) -> Iterator[str]:
    """What is wrong with the pages, a sentence each: dead links, things fetched from elsewhere, no phone."""
    if "index.html" not in pages:
        yield "The site has no index.html."
    for place, page in pages.items():
        if not page.narrow:
            yield f"{place} does not say that it fits a narrow screen."
        yield from (f"{place} shows {error!r}." for error in page.errors)
        yield from (f"{place} loads {load} from elsewhere." for load in page.loads if "//" in load)
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (html / place).parent / unquote(parts.path) if parts.path else html / place
            found = target.resolve()
            if not found.is_file():
                yield f"{place} links to {link}, which is not there."
            elif parts.fragment and found.suffix == ".html":
                there = pages[str(found.relative_to(html.resolve()))].anchors
                if unquote(parts.fragment) not in there:
                    yield f"{place} links to {link}, which has no such place."
