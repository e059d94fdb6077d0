#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module engine_info: whether a container engine answers, and what it is."""
from __future__ import annotations

DOCUMENTATION = r"""
module: engine_info
short_description: Tell whether a container engine answers, and what it is
version_added: 1.0.0
author:
  - howdah.postgresql authors (@howdah)
description:
  - Asks the container engine for its version and properties.
  - Does not fail because no engine answers, or because it is too old; RV(error), RV(code) and RV(msg) then say why.
  - Needs nothing but Python, so that it works before the engine and its SDK are installed,
    which P(howdah.postgresql.engine#role) does.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: Changes nothing.
  idempotent:
    support: full
notes:
  - The requirements are what the collection's other modules need. This module needs neither the SDK nor an engine.
options:
  wait:
    description: Keep asking until an engine answers, or O(timeout) has passed; for an engine that was just started.
    type: bool
    default: false
  timeout:
    description: Seconds after which the module has returned, whatever the engine does.
    type: float
    default: 10.0
"""

EXAMPLES = r"""
- name: Ask for the engine
  howdah.postgresql.engine_info:
  register: found

- name: Stop where no engine can be used
  ansible.builtin.fail:
    msg: "{{ found.msg }}"
  when: found.code is defined
"""

RETURN = r"""
reachable:
  description: Whether an engine answers, be it too old or not.
  type: bool
  returned: always
error:
  description: "Name of the reason why no engine can be used: V(engine_unreachable), V(timeout) or V(engine_too_old)."
  type: str
  returned: when no engine can be used
code:
  description: "Number of the reason: V(1100), V(1002) or V(1101)."
  type: int
  returned: when no engine can be used
msg:
  description: What is wrong and what to do.
  type: str
  returned: when no engine can be used
docker_host:
  description: The address that was asked.
  type: str
  returned: always
engine:
  description: What the engine tells of itself.
  type: dict
  returned: when RV(reachable)
  contains:
    version:
      description: Version of the engine.
      type: str
      sample: 20.10.24+dfsg1
    api_version:
      description: Newest version of the API that the engine speaks.
      type: str
      sample: "1.41"
    os:
      description: Kind of operating system that containers run on.
      type: str
      sample: linux
    os_name:
      description: Name of the engine's operating system.
      type: str
      sample: Debian GNU/Linux 12 (bookworm)
    architecture:
      description: Architecture in the words of image manifests.
      type: str
      sample: amd64
    cgroup_version:
      description: Version of the control groups, V(1) or V(2).
      type: str
      sample: "2"
    cgroup_driver:
      description: Who manages the control groups.
      type: str
      sample: systemd
    storage_driver:
      description: How the engine stores layers.
      type: str
      sample: overlay2
    rootless:
      description: Whether the engine runs without root's rights.
      type: bool
dockerd:
  description: Path of the engine's program on the host that the module runs on; V(null) if there is none.
  type: str
  returned: always
  sample: /usr/sbin/dockerd
python:
  description: The Python that modules run with on this host.
  type: dict
  returned: always
  contains:
    executable:
      description: Its path.
      type: str
      sample: /usr/bin/python3
    system:
      description: Whether it is the operating system's own, so that Debian packages add libraries to it.
      type: bool
    docker:
      description: Version of the Docker SDK for Python; V(null) if it is missing.
      type: str
      sample: 5.0.3
    psycopg2:
      description: Version of psycopg2; V(null) if it is missing.
      type: str
      sample: 2.9.5
"""

import os
import shutil
import sys
from importlib import metadata
from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    DeadlineExceeded,
    EngineUnreachable,
    HowdahError,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import ARGUMENT_SPEC, REQUIRED_TOGETHER
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.engine import probe, too_old
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **ARGUMENT_SPEC,
    "wait": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 10.0},
}
RULES: dict[str, Any] = {"required_together": REQUIRED_TOGETHER}


def _installed(*distributions: str) -> str | None:
    """The version of the first of these distributions that this Python has; cheaper than an import by 100 ms."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _python() -> dict[str, Any]:
    same = os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3")
    return {
        "executable": sys.executable,
        "system": same and sys.prefix == sys.base_prefix,  # a venv's python may be a link to the system's
        "docker": _installed("docker"),
        "psycopg2": _installed("psycopg2", "psycopg2-binary"),
    }


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    """Ask, and report what answered or why nothing did."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    report.add(
        docker_host=params["docker_host"], dockerd=shutil.which("dockerd", path=path), python=_python(), reachable=False
    )
    problem: HowdahError | None
    try:
        facts = probe(params, deadline, params["wait"])
    except (EngineUnreachable, DeadlineExceeded) as error:
        problem = error
    else:
        report.add(reachable=True, engine=facts.result())
        problem = too_old(facts, params["docker_host"])
    if problem:
        report.add(error=problem.code, code=problem.number, msg=problem.message)


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
