#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a container image, if anything that goes into it has changed."""
from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Build a container image when its inputs changed
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Builds an image from a folder on the controller with the BuildKit inside the container engine. Neither a
    command line client nor buildx is needed, on the controller or on the managed host.
  - An image built by this module carries labels with digests of everything that went into it. As long as they are
    equal, nothing is sent or built; this is told without a build, so that check mode is exact and works offline.
  - Inputs are the files of the build context after its ignore rules, the Dockerfile, O(files), O(args), O(labels),
    O(labels_from), O(target), O(platform), O(network), O(extra_hosts), and the images that the Dockerfile names.
    Times, owners and modes of files do not count, except for the executable bit.
  - While it builds, the steps are shown on the controller's terminal, see O(progress).
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows digests of the inputs that changed, and names the files of the context that did.
  idempotent:
    support: partial
    details:
      - With O(rebuild=always), each run builds.
options:
  name:
    description:
      - Name of the image, as C(repository:tag). Without a tag, C(latest) is meant.
    type: str
    required: true
  tags:
    description:
      - Further names of the image, each as C(repository:tag).
    type: list
    elements: str
    default: []
  state:
    description:
      - Whether the image is there.
    type: str
    choices:
      present: The image is built unless it is there and its inputs are the same.
      absent: >-
        The names O(name) and O(tags) are removed, and the image with its last name. Fails if containers use it, or
        if images that stay were built upon it.
    default: present
  path:
    description:
      - The folder of the build context, on the controller. A relative path starts at the playbook's folder.
      - C(<dockerfile>.dockerignore) or else C(.dockerignore) in it say, as with Docker, what does not belong to it.
      - Required if O(state=present).
    type: path
  dockerfile:
    description:
      - Path of the Dockerfile, relative to O(path).
    type: str
    default: Dockerfile
  target:
    description:
      - The stage to build; the last one by default.
    type: str
  args:
    description:
      - Build arguments. They are no place for secrets, as an image's history shows them.
        Build secrets are not supported.
      - The arguments for proxies that Docker predefines (like C(http_proxy)) do not count as inputs.
    type: dict
    default: {}
  labels:
    description:
      - Labels of the image.
    type: dict
    default: {}
  labels_from:
    description:
      - Path, in the built image, of a file that tells further labels, for what only the build itself knows, like
        versions of the packages that it installed. The file is JSON, and its object C(labels) has texts by name.
        O(labels) beats it.
      - It costs a moment more in each build. The image has the same layers as without it.
    type: str
  platform:
    description:
      - The platform to build for, like V(linux/amd64); the engine's own by default.
    type: str
  network:
    description:
      - The network of the build's commands.
    type: str
    choices:
      default: The engine's default network.
      host: The network of the engine's host.
      none: No network.
    default: default
  extra_hosts:
    description:
      - Names and IPv4 addresses to be known to the build's commands.
    type: dict
    default: {}
  files:
    description:
      - Files to add to the build context for this build, like a site's CA certificates or package sources.
        They replace files of the folder, and no ignore rule applies to them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path in the build context.
        type: str
        required: true
      content:
        description:
          - The content. It is not shown; its digest is part of the image's label.
          - Exactly one of O(files[].content) and O(files[].src) is needed.
        type: str
      src:
        description:
          - A file on the controller that holds the content, looked for like the C(src) of M(ansible.builtin.copy).
        type: path
      mode:
        description: Permissions of the file.
        type: str
        choices: ["0644", "0755"]
        default: "0644"
  pull:
    description:
      - Whether to compare the images that the Dockerfile names with their registries, and to pull those that differ.
      - Images that are not on the engine are pulled in any case when a build needs them.
    type: bool
    default: false
  max_age:
    description:
      - Days after which the image is built anew, without the build cache, for security updates of its packages.
      - What counts is the oldest step of its own that ran, not one that came from the cache. The images that the
        Dockerfile names are not looked at; O(pull), or M(howdah.postgresql.base_image), renews them.
    type: float
  rebuild:
    description:
      - When to build.
    type: str
    choices:
      auto: When an input changed.
      always: In each run, without the build cache. That is how security updates of packages get into an image.
    default: auto
  progress:
    description:
      - How to show a build on the controller while it runs.
    type: str
    choices:
      auto: On a terminal, one line that shows what is being done; otherwise as with V(plain).
      plain: One line for each step that ended.
      quiet: Not at all.
    default: auto
  prepared:
    description:
      - What the action plugin has found out and prepared for the module. It cannot be set.
    type: dict
  timeout:
    description:
      - Seconds for everything, pulling included. A build that takes longer is cancelled on the engine.
    type: float
    default: 1800
seealso:
  - module: howdah.postgresql.container
notes:
  - The module has an action plugin of the same name, which reads the build context on the controller. The context is
    only sent to the managed host when a build is needed.
  - On a managed host that is not the controller, a build runs in the background. If the playbook is interrupted, it
    goes on until it ends or O(timeout) has passed; on the controller itself it is cancelled.
  - An image that loses its last name to a new build is removed, unless a container uses it.
"""

EXAMPLES = r"""
- name: Build the image of the application
  howdah.postgresql.image:
    name: example/application:1.4
    path: "{{ playbook_dir }}/../application"
    args:
      SUITE: bookworm

- name: Build it for a site with a certificate authority of its own
  howdah.postgresql.image:
    name: example/application:1.4
    tags: ["example/application:latest"]
    path: application
    files:
      - path: site/ca.pem
        src: /etc/ssl/certs/site.pem

- name: Take in security updates
  howdah.postgresql.image:
    name: example/application:1.4
    path: application
    pull: true
    rebuild: always

- name: Take them in once a fortnight
  howdah.postgresql.image:
    name: example/application:1.4
    path: application
    pull: true
    max_age: 14
"""

RETURN = r"""
image_id:
  description: The ID of the image that O(name) stands for. In check mode, the one before.
  returned: O(state=present), if there is such an image
  type: str
  sample: sha256:f6fa0725af5d3d7785fff2f9bdc5365b6c8493aed33998f6c884cda4e2d4bf52
size:
  description: The size of the image in bytes.
  returned: like RV(image_id)
  type: int
inputs:
  description: Digest of all inputs.
  returned: O(state=present)
  type: str
steps:
  description: The steps of the build, in the order in which they began to be known.
  returned: after a build
  type: list
  elements: dict
  contains:
    name:
      description: The step and its command.
      type: str
      sample: "[setup 2/5] RUN apt-get update"
    seconds:
      description: How long it took.
      type: float
    cached:
      description: Whether its result came from the build cache.
      type: bool
elapsed:
  description: Seconds that the build took, pulling included.
  returned: after a build
  type: float
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["build example/application:1.4: changed: args, context"]
step:
  description: The step that failed.
  returned: when a build failed
  type: str
exit_code:
  description: The exit code of that step's command; null if it failed in another way.
  returned: when a build failed
  type: int
output:
  description: The last lines that the step printed.
  returned: when a build failed
  type: list
  elements: str
error:
  description: The name of the error.
  returned: on failure
  type: str
  sample: build_failed
code:
  description: The number of the error.
  returned: on failure
  type: int
  sample: 1201
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils import _shell
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import image_run
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import REQUIRED_TOGETHER
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_options import ARGUMENT_SPEC, REQUIRED_IF

RULES: dict[str, Any] = {"required_if": REQUIRED_IF, "required_together": REQUIRED_TOGETHER}


def work(params: Mapping[str, Any], deadline: Deadline, report: _shell.Report) -> None:
    image_run.run(params, report.check_mode, deadline, report)


def main() -> None:
    _shell.run(work, ARGUMENT_SPEC, RULES)


if __name__ == "__main__":
    main()
