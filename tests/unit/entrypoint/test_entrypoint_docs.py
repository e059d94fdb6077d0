# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/image.md says what the code does. Run as a program, this file writes the table of variables anew."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs/image.md"
_TABLE = re.compile(r"(<!-- variables: [^\n]*-->\n).*(<!-- /variables -->)", re.DOTALL)

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    importlib.import_module("conftest")  # makes the entrypoint's package known

from howdah.entrypoint import command, environment, faults, health, layout  # noqa: E402


def with_table(page: str) -> str:
    """The page, with a table of what the entrypoint knows."""
    rows = [f"| `{one.name}` | {one.values} | {one.default} | {one.meaning} |" for one in environment.VARIABLES]
    table = "\n".join(["| Variable | Values | Default | Meaning |", "|---|---|---|---|", *rows])
    return _TABLE.sub(lambda match: f"{match[1]}{table}\n{match[2]}", page)


def test_the_table_of_variables_is_that_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("<!-- variables") == 1
    assert with_table(page) == page, f"Write it anew: python {Path(__file__).name}"


def test_ranges_and_defaults_are_those_of_the_code() -> None:
    settings = environment.Settings()
    documented = {one.name: one for one in environment.VARIABLES}
    assert documented["TIMEOUT_CHANGE_PASSWORD"].default == f"`{settings.timeout_change_password}`"
    assert documented["LOG_LEVEL"].default == f"`{settings.log_level}`"
    assert documented["POSTGRES_HOST_AUTH_METHOD"].default == f"`{settings.host_auth_method}`"
    low, high = map(int, re.findall(r"\d+", documented["TIMEOUT_CHANGE_PASSWORD"].values))
    allowed = [not environment.read({"TIMEOUT_CHANGE_PASSWORD": str(n)}).faults for n in (low - 1, low, high, high + 1)]
    assert allowed == [False, True, True, False]


def test_modes_aspects_paths_and_exit_codes_are_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    aspects = [name for name, value in vars(health).items() if callable(value) and value.__module__ == health.__name__]
    words = [*command.MODES, *(name for name in aspects if name != "main" and not name.startswith("_"))]
    assert [word for word in words if f"`{word}" not in page] == []
    place = layout.Layout(f"{layout.VOLUME}/<major>", staged=False)
    assert [path for path in (place.pgdata, place.lock, place.journal) if f"`{path}`" not in page] == []
    assert f"| {faults.STATUS_REFUSED} |" in page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
