# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of the controller's pip configuration."""
from __future__ import annotations

DOCUMENTATION = r"""
name: pip_config
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
short_description: Value of a pip option on the controller
description:
  - Returns what pip on the controller is configured with, so that an image build can reach PyPI in the same way.
  - Reads the environment (C(PIP_<OPTION>)) first, then the section C(global) of the configuration files of the user
    and of the system, as pip does. pip itself is not run.
options:
  _terms:
    description: Names of pip options, for example V(cert) or V(index-url).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the CA bundle that pip uses
  ansible.builtin.debug:
    msg: "{{ lookup('howdah.postgresql.pip_config', 'cert') }}"
"""

RETURN = r"""
_raw:
  description: One value for each name; an empty string for an option that is not set.
  type: list
  elements: str
"""

import configparser
import os
from typing import Any, Mapping

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def configuration_files(environ: Mapping[str, str]) -> list[str]:
    """Paths of pip's configuration files, the strongest first."""
    home = environ.get("HOME") or os.path.expanduser("~")
    user = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return [
        *([environ["PIP_CONFIG_FILE"]] if environ.get("PIP_CONFIG_FILE") else []),
        os.path.join(user, "pip", "pip.conf"),
        os.path.join(home, ".pip", "pip.conf"),
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
    ]


def option(name: str, environ: Mapping[str, str]) -> str:
    """The value of one pip option; empty when it is not set.

    :raises configparser.Error: when a configuration file cannot be parsed.
    """
    value = environ.get("PIP_" + name.upper().replace("-", "_"))
    if value:
        return value
    for path in configuration_files(environ):
        parser = configparser.RawConfigParser()
        parser.read(path, encoding="utf-8")  # a file that does not exist is no error
        if parser.has_option("global", name):
            return parser.get("global", name)
    return ""


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """See DOCUMENTATION."""
        try:
            return [option(term, os.environ) for term in terms]
        except configparser.Error as error:
            raise AnsibleLookupError(f"pip's configuration cannot be read: {error}") from error
