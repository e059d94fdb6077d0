# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which PostgreSQL server to log in to."""
from __future__ import annotations


class ModuleDocFragment:
    """Options of C(module_utils/_postgres/options.py)."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Names or addresses of the server, each optionally with C(:port), as seen from the host that the module runs on.
      - With several, the first that is not a standby is used. A silent one costs a quarter of a second.
      - Without it, and without O(container), the login goes through a Unix socket.
    type: list
    elements: str
  login_port:
    description: Port, where O(login_host) names none. It is a part of the Unix socket's name, too. V(5432) by default.
    type: int
  login_user:
    description:
      - Role to log in as.
      - By default V(postgres); with O(container), the one that the container was created with (C(POSTGRES_USER)).
    type: str
  login_password:
    description: Password of O(login_user).
    type: str
  login_unix_socket:
    description: Directory of the server's Unix socket. C(/var/run/postgresql) by default.
    type: str
  login_db:
    description: Database to connect to.
    type: str
    default: postgres
  ssl_mode:
    description: How much TLS has to be, as libpq's C(sslmode). Libpq's default is V(prefer).
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
  ssl_root_cert:
    description: Path of the CA certificate that the server's certificate is checked against.
    type: path
  ssl_cert:
    description: Path of the client certificate.
    type: path
  ssl_key:
    description: Path of the key of O(ssl_cert).
    type: path
  container:
    description:
      - Name of a container that runs an image of this collection. The module then works inside it, through the engine,
        as the container's own user and over its Unix socket, so that no password for the login is needed.
      - Needs the Docker SDK for Python; psycopg2 is in the image.
    type: str
  timeout:
    description:
      - Seconds that the whole call may take, name resolution included.
    type: float
    default: 5.0
requirements:
  - psycopg2 2.9 or newer (C(python3-psycopg2) of Debian 12, or C(psycopg2-binary) of PyPI), unless O(container) is used
"""
