#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings an image from one engine to others."""
from __future__ import annotations

DOCUMENTATION = r"""
module: image_transfer
short_description: Bring a container image from one engine to others
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Delivers an image that one engine has to engines on other machines, with a registry (O(state=pushed), then
    O(state=pulled)) or without one (O(state=saved), then O(state=loaded), by way of a file on the controller).
  - Nothing is sent to an engine that has the image. It is recognised by its content, not by its ID, which differs
    between engines that keep images in different ways.
  - An archive is streamed, never held in memory, and loaded only if its SHA-256 is that of what was saved.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the image, as C(repository:tag). Without a tag, C(latest) is meant.
      - With O(state=pushed) and O(state=pulled) it begins with the registry's address. The login is that of
        C(docker login) on the machine where the module runs.
    type: str
    required: true
  state:
    description: What is to be true.
    type: str
    required: true
    choices:
      saved: The file O(path) on the controller holds the engine's image O(name).
      loaded: The engine has the image in the file O(path) under the name O(name).
      pushed: The registry has the engine's image.
      pulled: The engine has the registry's image.
  path:
    description:
      - The archive, on the controller. A relative path starts at the playbook's folder.
      - Next to it a small file with C(.json) appended tells what it holds, so that it need not be read.
    type: path
  image_pending:
    description:
      - Whether a task before this one builds O(name) anew, and in check mode has only said so.
      - Counts in check mode only, where the image is then taken for another one than was delivered before.
    type: bool
    default: false
  fingerprint:
    description:
      - What the task with O(state=saved) or O(state=pushed) has returned as RV(fingerprint).
      - Counts in check mode only, where the image is compared with it, as it may not have been offered yet.
    type: str
  prepared:
    description:
      - What the action plugin has found out and prepared for the module. It cannot be set.
    type: dict
  timeout:
    description:
      - Seconds for the work on the engine. Sending an archive over the connection takes what it takes.
    type: float
    default: 600
seealso:
  - module: howdah.postgresql.image
notes:
  - The module has an action plugin of the same name, which keeps the archive on the controller. An archive is only
    sent to a managed host whose engine needs it.
"""

EXAMPLES = r"""
- name: Fetch the image from the machine that builds it
  howdah.postgresql.image_transfer:
    name: example/application:1.4
    state: saved
    path: ~/.cache/application.tar
  delegate_to: builder
  register: offered

- name: Bring it to all others
  howdah.postgresql.image_transfer:
    name: example/application:1.4
    state: loaded
    path: ~/.cache/application.tar
    fingerprint: "{{ offered.fingerprint }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["load example/application:1.4: it is not there"]
image_id:
  description: The ID of the engine's image. In check mode, the one before.
  returned: if there is one
  type: str
fingerprint:
  description: By what engines know the image again.
  returned: with O(state=saved) and O(state=pushed), unless O(image_pending) counts
  type: str
size:
  description: The size of the archive in bytes.
  returned: when it was saved
  type: int
error:
  description: The name of the error.
  returned: on failure
  type: str
  sample: transfer_failed
code:
  description: The number of the error.
  returned: on failure
  type: int
  sample: 1204
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import ImageNotFound, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import image_store, image_transfer
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.build_plan import complete_reference
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import REQUIRED_TOGETHER, connect
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_transfer import ARGUMENT_SPEC, REQUIRED_IF
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

_PENDING = "to be built"

RULES: dict[str, Any] = {"required_if": REQUIRED_IF, "required_together": REQUIRED_TOGETHER}


class _Transfer:
    """One transfer; a method for each state."""

    def __init__(self, params: Mapping[str, Any], deadline: Deadline, report: Report, check_mode: bool) -> None:
        self.name = complete_reference(params["name"])
        self.prepared: Mapping[str, Any] = params["prepared"] or {}
        self.recorded = image_transfer.recorded_of(params["prepared"])
        self.pending = params["image_pending"] and check_mode
        # In check mode nobody has offered it yet: it is told what would be.
        self.foreseen = (_PENDING if self.pending else params["fingerprint"] or "") if check_mode else ""
        self.deadline = deadline
        self.report = report
        self.check_mode = check_mode
        self.client = connect(params, deadline)

    def saved(self) -> None:
        if self.pending:
            self.report.plan(image_transfer.plan("save", self.name, self.fingerprint_saved(), _PENDING))
            return
        image = image_transfer.here(self.client, self.deadline, self.name)
        fingerprint = image_transfer.fingerprint(image)
        self.report.add(image_id=image["Id"], fingerprint=fingerprint)
        plan = image_transfer.plan("save", self.name, self.fingerprint_saved(), fingerprint)
        if plan.changed and not self.check_mode and "archive" not in self.prepared:
            self.report.add(archive_wanted=True)  # the action plugin comes again with a file for it
            return
        self.report.plan(plan)
        if plan.changed and not self.check_mode:
            made = image_transfer.save(self.client, self.deadline, self.name, image, self.prepared["archive"])
            self.report.add(recorded=made.as_dict(), size=made.size)

    def loaded(self) -> None:
        wanted = self.foreseen or self.fingerprint_saved()
        if not wanted:
            raise InvalidInput("There is no archive of the image on the controller: save it first (state=saved).")
        image = image_store.inspect(self.client, self.deadline, self.name)
        before = image_transfer.fingerprint(image) if image else ""
        plan = image_transfer.plan("load", self.name, before, wanted)
        if plan.changed and not self.check_mode and "archive" not in self.prepared:
            self.report.add(archive_wanted=True)  # the action plugin comes again with the archive
            return
        self.report.plan(plan)
        if plan.changed and not self.check_mode and self.recorded is not None:
            image_transfer.load(self.client, self.deadline, self.name, self.recorded, self.prepared["archive"])
            if image is not None:
                image_store.remove_superseded(self.client, Deadline(10), image["Id"])
        self.tell_id()

    def pushed(self) -> None:
        try:
            there = image_transfer.registry_digest(self.client, self.deadline, self.name)
        except ImageNotFound:
            there = ""  # if more is wrong than that it is not there yet, pushing tells
        if self.pending:
            self.report.plan(image_transfer.plan("push", self.name, there, _PENDING))
            return
        image = image_transfer.here(self.client, self.deadline, self.name)
        self.report.add(fingerprint=image_transfer.fingerprint(image))
        ours = image_transfer.local_digest(image, self.name)
        plan = image_transfer.plan("push", self.name, there, ours or image["Id"])
        self.report.plan(plan)
        if plan.changed and not self.check_mode:
            image_transfer.push(self.client, self.deadline, self.name)
        self.tell_id()

    def pulled(self) -> None:
        image = image_store.inspect(self.client, self.deadline, self.name)
        if self.foreseen:
            ours, there = image_transfer.fingerprint(image) if image else "", self.foreseen
        else:
            there = image_transfer.registry_digest(self.client, self.deadline, self.name)
            ours = image_transfer.local_digest(image, self.name) or (image["Id"] if image else "")
        plan = image_transfer.plan("pull", self.name, ours, there)
        self.report.plan(plan)
        if plan.changed and not self.check_mode:
            image_store.pull(self.client, self.deadline, self.name)
            if image is not None:
                image_store.remove_superseded(self.client, Deadline(10), image["Id"])
        self.tell_id()

    def fingerprint_saved(self) -> str:
        return self.recorded.fingerprint if self.recorded else ""

    def tell_id(self) -> None:
        found = image_store.image_id(self.client, Deadline(10), self.name)
        if found:
            self.report.add(image_id=found)


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    transfer = _Transfer(params, deadline, report, report.check_mode)
    {
        "saved": transfer.saved,
        "loaded": transfer.loaded,
        "pushed": transfer.pushed,
        "pulled": transfer.pulled,
    }[params["state"]]()


def main() -> None:
    run(work, ARGUMENT_SPEC, RULES)


if __name__ == "__main__":
    main()
