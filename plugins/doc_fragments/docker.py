# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which container engine to talk to."""
from __future__ import annotations


class ModuleDocFragment:
    """Options of C(module_utils/_docker/client.py)."""

    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Address of the container engine, as seen from the host that the module runs on.
      - C(unix://) followed by the path of a socket, or C(tcp://) followed by host and port.
        A TCP engine needs TLS, see O(docker_ca_cert).
      - If the environment variable E(DOCKER_HOST) is set on that host, it is the default.
    type: str
    default: unix:///var/run/docker.sock
  docker_ca_cert:
    description: Path, on that host, of the CA certificate that the engine's certificate is checked against.
    type: path
  docker_client_cert:
    description: Path, on that host, of the client certificate to show to the engine.
    type: path
  docker_client_key:
    description: Path, on that host, of the key of O(docker_client_cert).
    type: path
requirements:
  - Docker SDK for Python (C(python3-docker) of Debian 12, or C(docker) of PyPI) 5.0 or newer
  - Docker Engine 20.10 or newer
"""
