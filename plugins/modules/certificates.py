#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of the same name does the work."""
from __future__ import annotations

DOCUMENTATION = r"""
module: certificates
short_description: Give nodes certificates of one authority
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Makes a certificate authority in a folder of the controller, once, or uses the one that is there, your own for
    example.
  - Gives each node a certificate of it, in a named volume - C(tls/ca.crt), C(tls/node.crt) and C(tls/node.key), for
    server
    and client alike. The names in it are the node's name, and O(nodes[].alt_names).
  - A certificate is renewed, in place, when it is missing, ends soon, has other names, or was issued by another
    authority,
    and when key and certificate do not belong together.
  - Keys are made in the controller's memory and travel through a pipe. The authority's key is the only one that is a
    file
    on the controller. No key is ever in a result, a diff or a log.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Keys are hidden.
  idempotent:
    support: full
options:
  authority:
    description:
      - Folder, on the controller, of the authority - C(ca.key) and C(ca.crt), in PEM, the key without a passphrase.
        When both
        are missing, an authority is made, valid for ten years; folder (0700) and files (0600) are for their owner
        alone.
      - The first certificate in C(ca.crt) is the one that issues; nodes trust the others as well. To replace an
        authority
        without interruption, add the new certificate as the second one and run, then swap certificates and key and run,
        then take the former one away.
      - Whoever has a certificate of this authority, and the name of a member, is taken for that member. Do not use one
        that
        signs certificates for users.
    type: path
    required: true
  authority_name:
    description: Common name of an authority that is made.
    type: str
    default: howdah
  replace_authority:
    description:
      - Whether to make an authority although nodes have certificates already, when the folder holds none.
      - Without it that is an error; a controller that lacks the folder would cut the nodes off from each other.
      - Whether to give certificates to nodes, too, that have one of an authority of another name than all in C(ca.crt).
        Without it that is an error; such a volume belongs to another cluster, whose host has the same name.
    type: bool
    default: false
  nodes:
    description: The nodes, all on the engine of this host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The node's name, the common name of its certificate.
        type: str
        required: true
      volume:
        description: Named volume that gets the files; as O(howdah.postgresql.volume_files#module:volumes[].volume).
        type: str
        required: true
      container:
        description: The container that has it; as O(howdah.postgresql.volume_files#module:volumes[].container).
        type: str
      alt_names:
        description:
          - Further names and addresses that the node is reached by.
          - An address with C(DNS:) in front is put into the certificate as a name, for programs that do not look for it
            among the addresses, such as pgBackRest 2.45.
        type: list
        elements: str
        default: []
      pem:
        description: Whether certificate and key are to be in one file as well, C(tls/node.pem), as HAProxy wants them.
        type: bool
        default: false
      signal:
        description: Sent to the container after a change; as O(howdah.postgresql.volume_files#module:volumes[].signal).
        type: str
      healthy_after:
        description: As O(howdah.postgresql.volume_files#module:volumes[].healthy_after).
        type: bool
        default: false
      files:
        description: Further files for the same volume; as O(howdah.postgresql.volume_files#module:volumes[].files).
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Path below the volume.
            type: str
            required: true
          content:
            description: What is in the file.
            type: str
          secret_content:
            description: What is in the file, and must not be shown.
            type: str
          mode:
            description: Permissions, octal and quoted.
            type: str
            default: "0600"
  days:
    description: Days that a certificate is valid, at most as long as the authority.
    type: int
    default: 365
  renew_before:
    description: Days before its end from which on a certificate is renewed.
    type: int
    default: 60
  renew_all:
    description: Whether to renew each certificate, however long it is valid. Then each run does.
    type: bool
    default: false
  owner:
    description: Number of the user that the files belong to; by default the one of this collection's images.
    type: int
    default: 999
  group:
    description: Number of the group that the files belong to.
    type: int
    default: 999
  image:
    description: Image on the engine that temporary containers are made of, for volumes that no container has yet.
    type: str
  timeout:
    description: Limit in seconds for each of the at most two looks at the engine.
    type: float
    default: 60
requirements:
  - cryptography 42 or newer on the controller
seealso:
  - module: howdah.postgresql.volume_files
"""

EXAMPLES = r"""
- name: Certificates for the members on this machine
  howdah.postgresql.certificates:
    authority: "{{ inventory_dir }}/authority"
    image: howdah/postgresql:15-bookworm
    nodes:
      - {name: pg1, volume: pg1-etc, container: pg1, signal: SIGHUP, alt_names: [localhost, 127.0.0.1]}
      - {name: pg2, volume: pg2-etc, container: pg2, signal: SIGHUP, alt_names: [localhost, 127.0.0.1]}
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order, with the reasons.
  returned: always
  type: list
  elements: str
authority:
  description: The authority.
  returned: success
  type: dict
  contains:
    path:
      description: Its folder.
      type: str
    created:
      description: Whether it was made, or would be in check mode.
      type: bool
    fingerprint:
      description: SHA-256 of its certificate. Of no meaning in check mode when it would be made.
      type: str
    not_after:
      description: When it ends, as ISO 8601.
      type: str
nodes:
  description: The nodes, in the order of O(nodes).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    renewed:
      description: Whether it got another certificate, or would in check mode.
      type: bool
    reason:
      description: Why; empty if not.
      type: str
    not_after:
      description: When its certificate ends, as ISO 8601.
      type: str
    written:
      description: Paths of the files that were written, or would be in check mode.
      type: list
      elements: str
    signalled:
      description: Whether the container was sent the signal, or would be in check mode.
      type: bool
error:
  description: Name of the kind of failure, for example V(authority_failed).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1600).
  returned: failure
  type: int
"""
