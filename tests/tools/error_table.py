# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/errors.md from the classes in plugins/module_utils/_core/errors.py, and those that it passes on:

source bin/lib.sh; howdah_setup test; PYTHONPATH=$HOWDAH_TREE python tests/tools/error_table.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors

PAGE = Path(__file__).resolve().parents[2] / "docs/errors.md"
HEAD = """\
# Errors by number

A failed module returns a name in `error` and a number in `code`. Playbooks branch on the number: Ansible masks every
occurrence of a secret in results, and a short one may be a part of a name. Numbers are never reused.

```yaml
- name: Set the password, wherever the leader is
  howdah.postgresql.password:
    login_host: [pg1, pg2]
    login_password: "{{ vault_postgres_password }}"
    name: app
    password: "{{ vault_app_password }}"
  register: result
  failed_when: result is failed and result.code != 1404 # the role does not exist yet
```

This page is made by `tests/tools/error_table.py`.

| Number | Name | Meaning |
|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    classes = [found for _name, found in inspect.getmembers(errors, inspect.isclass)]
    shown = sorted((found for found in classes if found is not errors.HowdahError), key=lambda found: found.number)
    rows = [f"| {found.number} | `{found.code}` | {' '.join((found.__doc__ or '').split())} |" for found in shown]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
