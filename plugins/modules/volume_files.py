#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: volume_files
short_description: Keep files in named volumes
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Puts files into named volumes through the engine's archive API, of one volume or of many in one call.
  - It needs no shell in the container, works with a read-only one, running or stopped, and before there is a container
    at all. Nothing is restarted; the container can be sent a signal, so that it reads its files anew.
  - Meant for what is a file by nature, configuration and TLS keys. Passwords come by environment.
  - Files that are not named are left alone.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
    details: To look into a volume that no container has, a temporary container is made, never started, and removed.
  diff_mode:
    support: full
    details: O(volumes[].files[].secret_content) is hidden.
  idempotent:
    support: full
options:
  volumes:
    description: The volumes. They are created if they are missing and there is something to write.
    type: list
    elements: dict
    required: true
    suboptions:
      volume:
        description: Name of the volume.
        type: str
        required: true
      container:
        description:
          - Name of the container that has the volume. If it does not exist, or does not have the volume, the volume is
            reached through a temporary container.
        type: str
      files:
        description: Files that the volume is to hold.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Path below the volume. Folders are made as they are needed, for the owner alone.
            type: str
            required: true
          content:
            description: What is in the file. Exactly one of this and O(volumes[].files[].secret_content) is needed.
            type: str
          secret_content:
            description: What is in the file, and must not be shown.
            type: str
          mode:
            description: Permissions, octal and quoted.
            type: str
            default: "0600"
      signal:
        description:
          - Signal to send to the container's first process after a change, if the container runs, for example
            V(SIGHUP).
          - A signal that an interrupted run owes is sent by the next one.
        type: str
      healthy_after:
        description:
          - Whether to wait, after the signal, until the container's health check passes, for at most ten seconds.
          - If it does not, that is a failure, and the next run sends the signal again. Such a check must tell of files
            that could not be read.
        type: bool
        default: false
      contents:
        description: Paths of files whose content is to be returned. They must not be secret.
        type: list
        elements: str
        default: []
  owner:
    description: Number of the user that the files belong to; by default the one of this collection's images.
    type: int
    default: 999
  group:
    description: Number of the group that the files belong to.
    type: int
    default: 999
  image:
    description: Image on the engine that temporary containers are made of.
    type: str
  timeout:
    description: Limit in seconds for the whole task.
    type: float
    default: 60
seealso:
  - module: howdah.postgresql.certificates
  - module: howdah.postgresql.container
"""

EXAMPLES = r"""
- name: A node's settings, read anew when they change
  howdah.postgresql.volume_files:
    image: howdah/postgresql:15-bookworm
    volumes:
      - volume: pg1-etc
        container: pg1
        signal: SIGHUP
        files:
          - path: patroni.yml
            content: "{{ settings | to_json }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order, with the reasons.
  returned: always
  type: list
  elements: str
  sample: ["write file pg1-etc:patroni.yml: content", "signal container pg1: SIGHUP"]
volumes:
  description: The volumes, in the order of O(volumes).
  returned: success
  type: list
  elements: dict
  contains:
    volume:
      description: Its name.
      type: str
    written:
      description: Paths of the files that were written, or would be in check mode.
      type: list
      elements: str
    signalled:
      description: Whether the container was sent the signal, or would be in check mode.
      type: bool
    running:
      description: Whether the container runs.
      type: bool
    contents:
      description:
        - Path to what was found there before, for O(volumes[].contents). V(null) for what does not exist.
      type: dict
    digests:
      description:
        - Path to SHA-256 of what was found there before, for the files whose content is asked for, and for keys
          (C(*.key), C(*.pem)), which cannot be guessed.
      type: dict
error:
  description: Name of the kind of failure, for example V(image_not_found).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1200).
  returned: failure
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import volume_files
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import (
    ARGUMENT_SPEC,
    REQUIRED_TOGETHER,
    connect,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.volume_access import Volumes
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

_FILE: dict[str, Any] = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "secret_content": {"type": "str", "no_log": True},
    "mode": {"type": "str", "default": "0600"},
}
_VOLUME: dict[str, Any] = {
    "volume": {"type": "str", "required": True},
    "container": {"type": "str"},
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
    "signal": {"type": "str"},
    "healthy_after": {"type": "bool", "default": False},
    "contents": {"type": "list", "elements": "str", "default": []},
}
OPTIONS: dict[str, Any] = {
    **ARGUMENT_SPEC,
    "volumes": {"type": "list", "elements": "dict", "required": True, "options": _VOLUME},
    "owner": {"type": "int", "default": 999},
    "group": {"type": "int", "default": 999},
    "image": {"type": "str"},
    "timeout": {"type": "float", "default": 60},
}
RULES: dict[str, Any] = {"required_together": REQUIRED_TOGETHER}


def _told(wish: volume_files.Wish, observed: volume_files.Observed, decided: volume_files.VolumePlan) -> dict[str, Any]:
    """The volume's entry in the module's result."""
    wanted = {path: observed.files.get(path) for path in wish.contents}
    keys = {path: found for path, found in observed.files.items() if path.endswith((".key", ".pem"))}
    return {
        "volume": wish.volume,
        "written": [file.path for file in decided.write],
        "signalled": decided.signals,
        "running": observed.running,
        "contents": {path: found and found.data.decode("utf-8", "replace") for path, found in wanted.items()},
        "digests": {path: found and volume_files.fingerprint(found.data) for path, found in {**wanted, **keys}.items()},
    }


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    wishes = [volume_files.parse(given, params["owner"], params["group"]) for given in params["volumes"]]
    with Volumes(connect(params, deadline), wishes, params["image"], deadline) as volumes:
        observed = volumes.observe()
        plans = [volume_files.plan(wish, found) for wish, found in zip(wishes, observed)]
        report.plan(volume_files.combined(list(zip(wishes, plans))))
        if not report.check_mode:
            volumes.write(plans)
    report.add(volumes=[_told(*one) for one in zip(wishes, observed, plans)])


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
