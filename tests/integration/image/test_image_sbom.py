# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/sbom lists what is in the image: every package of Debian and of Python, no other ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

SBOM = Path(__file__).parents[3] / "bin/sbom"
TIMEOUT = 300  # seconds; its tools may have to be installed


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SBOM), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@pytest.fixture(scope="module")
def made(test_image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The bill of the image under test."""
    file = tmp_path_factory.mktemp("sbom") / "bill.json"
    done = run(test_image, str(file))
    assert done.returncode == 0, done.stderr
    bill: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return bill


def packages(bill: dict[str, Any], kind: str) -> dict[str, str]:
    """Names and versions of a kind; sources of Debian's packages are none."""
    urls = [one["purl"] for one in bill["components"] if one.get("purl", "").startswith(f"pkg:{kind}/")]
    named = [url.partition("?")[0].rpartition("/")[2].rpartition("@") for url in urls if "arch=source" not in url]
    assert len(named) == len({name for name, _at, _version in named})
    return {unquote(name): unquote(version) for name, _at, version in named}


def test_the_bill_has_what_the_image_has(made: dict[str, Any], engine: Any, test_image: str) -> None:
    look = engine.start(command=["cat", "/opt/container/manifest.json"])
    look.wait_exit()
    manifest = json.loads("\n".join(look.raw_lines()))
    assert packages(made, "deb") == manifest["packages"]
    python = {name.lower().replace("_", "-"): version for name, version in manifest["python"].items()}
    assert packages(made, "pypi") == python and "patroni" in python
    assert made["bomFormat"] == "CycloneDX"
    assert ":".join(made["metadata"]["component"][name] for name in ("name", "version")) == test_image
    assert sum("licenses" in one for one in made["components"]) > 20


def test_what_has_no_bill_is_told() -> None:
    done = run("howdah-image-nothing:test")
    assert done.returncode == 1
    assert "The engine has no image howdah-image-nothing:test" in done.stderr and "Traceback" not in done.stderr
