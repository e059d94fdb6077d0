#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module base_image: makes sure that an engine has debian:<suite>, with or without a registry."""
from __future__ import annotations

DOCUMENTATION = r"""
module: base_image
short_description: Make sure that the engine has a Debian base image
version_added: 1.0.0
author:
  - howdah.postgresql authors (@howdah)
description:
  - Leaves an image that the engine already has as it is, wherever it came from, unless O(refresh=true).
  - Otherwise pulls it, if its registry has it and answers within 15 seconds.
  - Otherwise bootstraps it with C(mmdebstrap) from the Debian mirror that the host's apt is configured with, its
    updates and security updates included, so that sites without a registry are served as well. Signatures are
    always verified. This needs root, and C(mmdebstrap) on the host that the module runs on.
  - A bootstrapped image holds Debian's minimal system without documentation, translations and apt's caches;
    what dpkg leaves out is configured in the image and holds for packages that are added later as well.
    Its package sources name the same mirror, without accounts and proxies. What the host tells apt about the mirror's
    dates, for a frozen mirror, is kept.
  - Labels of a bootstrapped image, C(io.howdah.base.origin), C(.mirror), C(.suites), C(.packages) and C(.created),
    tell where it came from. A pulled image is not altered; it is known by its registry digest.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
    details: With O(refresh=true), bootstraps into a temporary folder to know whether anything would change.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  suite:
    description: Code name of the Debian release, such as V(bookworm) or V(trixie).
    type: str
    default: bookworm
  name:
    description: Name and tag of the image. The default is C(debian:) followed by O(suite).
    type: str
  pull:
    description: Whether to ask the image's registry before bootstrapping.
    type: bool
    default: true
  refresh:
    description:
      - Whether to replace an image that the engine has by a newer one, for security updates.
      - A pulled image is pulled again if its registry has a newer one; a bootstrapped image is bootstrapped again,
        and replaced if its packages have changed. The way in which an image came is kept, unless a pulled one
        meets O(pull=false).
    type: bool
    default: false
  mirror:
    description:
      - Address of a mirror of Debian's archive to bootstrap from, instead of the host's.
      - It must not hold an account; the host's files in C(/etc/apt/auth.conf.d) are respected.
    type: str
  security_mirror:
    description:
      - Address of a mirror of Debian's security archive, instead of the host's.
      - If O(mirror) ends in C(/debian), the default is the same with C(/debian-security).
    type: str
  timeout:
    description: Seconds after which the module has returned. Bootstrapping takes about 15 s plus downloading 40 MB.
    type: float
    default: 600.0
seealso:
  - module: howdah.postgresql.image
"""

EXAMPLES = r"""
- name: Provide debian:bookworm
  howdah.postgresql.base_image:

- name: Bring in security updates
  howdah.postgresql.base_image:
    suite: trixie
    refresh: true

- name: Bootstrap from a mirror of the site
  howdah.postgresql.base_image:
    pull: false
    mirror: http://mirror.example.org/debian
    security_mirror: http://mirror.example.org/security
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in this order.
  type: list
  elements: str
  returned: always
  sample: ["bootstrap image debian:bookworm: from http://mirror.example.org/debian"]
image:
  description: The image.
  type: dict
  returned: success, if the engine has it
  contains:
    name:
      description: Its name.
      type: str
    id:
      description: Its ID.
      type: str
    origin:
      description: How it came, V(pulled) or V(bootstrapped); empty where that cannot be told.
      type: str
    labels:
      description: Its labels.
      type: dict
reason:
  description:
    - "Why a base image could not be had: V(no_mirror), V(not_root), V(no_mmdebstrap), V(no_keyring),
      V(unknown_suite), V(mirror_unreachable), V(mirror_refused), V(bad_signature), V(expired), V(no_space),
      V(not_permitted), V(bootstrap_failed), V(import_failed), V(pull_failed) or V(registry)."
  type: str
  returned: when RV(code) is 1202
registry:
  description: Why the image was not pulled.
  type: str
  returned: when it was to be pulled, and could not
log:
  description: The last lines that mmdebstrap and apt wrote.
  type: list
  elements: str
  returned: when mmdebstrap failed
error:
  description: Name of the error.
  type: str
  returned: failure
code:
  description: Number of the error; V(1202) when no base image could be had.
  type: int
  returned: failure
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Mapping
from urllib.parse import urlsplit

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import BaseImageFailed, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import base, bootstrap, sources
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import (
    ARGUMENT_SPEC,
    REQUIRED_TOGETHER,
    connect,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

if TYPE_CHECKING:
    from docker import APIClient

OPTIONS: dict[str, Any] = {
    **ARGUMENT_SPEC,
    "suite": {"type": "str", "default": "bookworm"},
    "name": {"type": "str"},
    "pull": {"type": "bool", "default": True},
    "refresh": {"type": "bool", "default": False},
    "mirror": {"type": "str"},
    "security_mirror": {"type": "str"},
    "timeout": {"type": "float", "default": 600.0},
}
RULES: dict[str, Any] = {"required_together": REQUIRED_TOGETHER}


def _bootstrap(
    client: APIClient, params: Mapping[str, Any], name: str, here: base.Base | None, deadline: Deadline, report: Report
) -> None:
    """Plan and apply the bootstrapping of the image."""
    suite = params["suite"]
    origins = sources.base_sources(
        bootstrap.host_sources(), bootstrap.host_release(), suite, params["mirror"], params["security_mirror"]
    )
    bootstrap.check_host(origins)
    labels = base.origin_labels(origins)
    with ExitStack() as stack:
        root = None
        if here or not report.check_mode:
            root = stack.enter_context(bootstrap.bootstrap(suite, origins, deadline))
        else:
            bootstrap.try_out(suite, origins, deadline)
        if here and root:  # whether a newer image would differ can be known only by making it
            labels[base.LABELS + "packages"] = base.manifest(root.packages)
        plan = base.plan_import(name, here, labels)
        report.plan(plan)  # not before: until here, nothing has been changed that a failure would have to tell
        if root and plan.changed and not report.check_mode:
            base.load(client, deadline, name, root, labels)
            base.drop(client, deadline, here)


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    """Find the image; else pull it; else bootstrap it."""
    for option in ("mirror", "security_mirror"):
        report.mask(urlsplit(params[option] or "").password)  # refused, but not shown either
    name = _name(params)
    client = connect(params, deadline)
    here = base.find(client, deadline, name)
    if here and not params["refresh"]:
        report.plan(base.plan_nothing(name, here))
    else:
        digest = ""
        if params["pull"] and not (here and here.origin == base.BOOTSTRAPPED):
            digest, why = base.registry_digest(client, deadline, name)
            report.add(**({"registry": why} if why else {}))
        if digest:
            plan = base.plan_pull(name, here, digest)
            report.plan(plan)
            if plan.changed and not report.check_mode:
                base.fetch(client, deadline, name)
                base.drop(client, deadline, here)
        elif here and here.origin == base.PULLED and params["pull"]:
            raise BaseImageFailed(
                f"The image {name} came from a registry, which does not answer for it now, so it cannot be refreshed."
                " Try later, or set pull: false to bootstrap it instead.",
                reason="registry",
            )
        else:
            _bootstrap(client, params, name, here, deadline, report)
    found = base.find(client, deadline, name)
    if found:
        _tell(report, name, found)


def look(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    """The part of the work that is quick: report the image if it is there, and that is all that is asked for."""
    if params["refresh"]:
        return
    name = _name(params)
    here = base.find(connect(params, deadline), deadline, name)
    if here:
        report.plan(base.plan_nothing(name, here))
        _tell(report, name, here)


def _name(params: Mapping[str, Any]) -> str:
    name: str = params["name"] or f"debian:{params['suite']}"
    if ":" not in name.rpartition("/")[2] or "@" in name:
        raise InvalidInput(f"The image name {name!r} has no tag: write it as NAME:TAG.")
    return name


def _tell(report: Report, name: str, found: base.Base) -> None:
    report.add(image={"name": name, "id": found.id, "origin": found.origin, "labels": dict(found.labels)})


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
