# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that turns what is particular about the build site into files of the build context."""
from __future__ import annotations

DOCUMENTATION = r"""
name: build_site
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Files that tell an image build about its site
description:
  - Turns certificate authorities, pip's index, a wheelhouse and apt repositories into the files that
    C(image/site/README.md) describes, as the option O(howdah.postgresql.image#module:files) takes them.
  - The build sees them, the image does not hold them.
options:
  _input:
    description:
      - Repositories, as the variable C(image_repositories) of the role P(howdah.postgresql.image#role) lists them.
    type: list
    elements: dict
    required: true
  suite:
    description: Debian release of the image, for presets.
    type: str
    default: bookworm
  major:
    description: Major version of PostgreSQL in the image, for presets.
    type: int
    default: 15
  extra_ca:
    description: Path, on the controller, of certificate authorities that apt and pip trust besides the public ones.
    type: str
    default: ""
  pip_index_url:
    description: Index that pip uses instead of PyPI.
    type: str
    default: ""
  wheelhouse:
    description: Folder, on the controller, of wheels that take the place of every index.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what the build gets
  ansible.builtin.debug:
    msg: "{{ [] | howdah.postgresql.build_site(extra_ca='/etc/ssl/certs/ca-certificates.crt') }}"
"""

RETURN = r"""
_value:
  description: Files, each with a C(path) in the context, and C(content) or C(src).
  type: list
  elements: dict
"""

import os
from typing import Any, Callable, Iterable, Mapping

from ansible.errors import AnsibleFilterError

_SITE = "image/site"
# Debian's postgresql-common brings the first one's key. Keys of the others are the user's to supply.
_PRESETS: dict[str, dict[str, Any]] = {
    "pgdg": {
        "uris": ["https://apt.postgresql.org/pub/repos/apt"],
        "suites": ["{suite}-pgdg"],
        "signed_by": "/usr/share/postgresql-common/pgdg/apt.postgresql.org.asc",
    },
    "citus": {"uris": ["https://repos.citusdata.com/community/debian"], "suites": ["{suite}"]},
    "percona": {"uris": ["https://repo.percona.com/ppg-{major}/apt"], "suites": ["{suite}"]},
}


def _complete(repository: Mapping[str, Any], suite: str, major: int) -> dict[str, Any]:
    """A repository as the user gave it, with what its preset or its folder says."""
    given = {name: value for name, value in repository.items() if value is not None}
    preset = given.get("preset")
    if preset is not None:
        if preset not in _PRESETS:
            raise AnsibleFilterError(f"There is no preset {preset!r} for apt repositories, only {', '.join(_PRESETS)}.")
        known = dict(_PRESETS[preset])
        for field in ("uris", "suites"):
            known[field] = [value.format(suite=suite, major=major) for value in known[field]]
        given = {"name": preset, "components": ["main"], **known, **given}
    if "name" not in given:
        raise AnsibleFilterError("An apt repository needs a `name`, or a `preset`.")
    if "folder" in given:
        given = {"suites": ["./"], **given, "uris": [f"file:/run/site/apt/{given['name']}"]}
    missing = [field for field in ("uris", "suites") if not given.get(field)]
    if missing:
        raise AnsibleFilterError(f"The apt repository {given['name']!r} has no {' and no '.join(missing)}.")
    return given


def _tree(folder: str, target: str) -> list[dict[str, str]]:
    """All files below a folder of the controller."""
    if not os.path.isdir(folder):
        raise AnsibleFilterError(f"The folder {folder!r} of an apt repository does not exist.")
    found = []
    for parent, below, names in os.walk(folder):
        below.sort()
        for path in (os.path.join(parent, name) for name in sorted(names)):
            found.append({"path": f"{target}/{os.path.relpath(path, folder)}", "src": path})
    return found


def _repository(repository: Mapping[str, Any]) -> list[dict[str, str]]:
    """The files of one apt repository: its deb822 source, its key, and the packages to install from it."""
    stem = f"{_SITE}/apt/{repository['name']}"
    source = {
        "Types": "deb",
        "URIs": " ".join(repository["uris"]),
        "Suites": " ".join(repository["suites"]),
        "Components": " ".join(repository.get("components") or []),
    }
    files = _tree(repository["folder"], stem) if "folder" in repository else []
    key = repository.get("key")
    if key:
        # apt tells an armoured key from a binary one by the name of the file.
        suffix = ".asc" if key.endswith(".asc") else ".gpg"
        files.append({"path": stem + suffix, "src": key})
        source["Signed-By"] = f"/run/site/apt/{repository['name']}{suffix}"
    elif repository.get("signed_by"):
        source["Signed-By"] = repository["signed_by"]
    elif repository.get("trusted"):
        source["Trusted"] = "yes"
    else:
        raise AnsibleFilterError(
            f"The apt repository {repository['name']!r} has no key to verify its packages with: set `key` to the path"
            " of one on the controller, or `trusted: true` for a repository that you made yourself."
        )
    text = "".join(f"{field}: {value}\n" for field, value in source.items() if value)
    packages = "".join(f"{package}\n" for package in repository.get("packages") or [])
    return [
        {"path": f"{stem}.sources", "content": text},
        {"path": f"{stem}.packages", "content": packages},
        *files,
    ]


def build_site(
    repositories: Iterable[Mapping[str, Any]],
    suite: str = "bookworm",
    major: int = 15,
    extra_ca: str = "",
    pip_index_url: str = "",
    wheelhouse: str = "",
) -> list[dict[str, str]]:
    """See DOCUMENTATION.

    :raises AnsibleFilterError: for a repository that lacks something, or a folder that does not exist.
    """
    completed = [_complete(repository, suite, int(major)) for repository in repositories]
    files = [file for repository in completed for file in _repository(repository)]
    if extra_ca:
        files.append({"path": f"{_SITE}/ca.crt", "src": extra_ca})
    if pip_index_url:
        files.append({"path": f"{_SITE}/pip.conf", "content": f"[global]\nindex-url = {pip_index_url}\n"})
    if wheelhouse:
        try:
            wheels = sorted(os.listdir(wheelhouse))
        except OSError as error:
            raise AnsibleFilterError(f"The wheelhouse {wheelhouse!r} cannot be read: {error.strerror}.") from error
        files += [{"path": f"{_SITE}/wheelhouse/{name}", "src": os.path.join(wheelhouse, name)} for name in wheels]
    return files


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"build_site": build_site}
