# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entrypoint's package as the image has it: `howdah`, with the collection's shared code inside."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_SHARED = str(_ROOT / "plugins/module_utils")

sys.path.insert(0, str(_ROOT / "image/rootfs/opt/container/lib"))

import howdah  # noqa: E402  # only now found

if _SHARED not in howdah.__path__:
    howdah.__path__.append(_SHARED)
