# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/errors.md: names, numbers and meanings are those of the classes in plugins/module_utils/_core/errors.py,
and of those that it passes on. Causes and cures are in error_cures.yml, beside this file.

source bin/lib.sh; howdah_setup test; PYTHONPATH=$HOWDAH_TREE python tests/tools/error_table.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

import yaml
from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors

PAGE = Path(__file__).resolve().parents[2] / "docs/errors.md"
CURES = Path(__file__).with_name("error_cures.yml")
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

The message itself says more than this page: which container, which member, which option. Symptoms that are no errors of
modules are in [Troubleshooting](troubleshooting.md). This page is made by `tests/tools/error_table.py`.
"""
# Numbers go by hundreds; what is not here has no error yet.
AREAS = {
    10: "Anywhere",
    11: "Container engine",
    12: "Images",
    13: "Containers",
    14: "PostgreSQL",
    15: "Patroni and etcd",
    16: "Certificates",
    17: "Backups",
    18: "Citus",
}


def shown() -> list[type[errors.HowdahError]]:
    """All errors that a module can return, by number."""
    classes = [found for _name, found in inspect.getmembers(errors, inspect.isclass)]
    return sorted((found for found in classes if found is not errors.HowdahError), key=lambda found: found.number)


def cures() -> dict[int, dict[str, str]]:
    """Cause and cure by number."""
    read: dict[int, dict[str, str]] = yaml.safe_load(CURES.read_text(encoding="utf-8"))
    return read


def page() -> str:
    """The page as it should be.

    :raises KeyError: for an error without a cure, or of no area.
    """
    known, parts, area = cures(), [HEAD], None
    for error in shown():
        if error.number // 100 != area:
            area = error.number // 100
            parts.append(f"\n## {AREAS[area]}\n")
        cure = known[error.number]
        meaning = " ".join((error.__doc__ or "").split())
        parts.append(f"\n### {error.number} `{error.code}`\n\n")
        parts.append(f"{meaning}\n\n* *Why:* {cure['cause']}\n* *What to do:* {cure['cure']}\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
