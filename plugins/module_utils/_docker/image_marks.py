# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels by which an image that was built here is recognised. Its containers inherit them.

They are kilobytes that mean nothing to people: no result has them.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Mapping

INPUTS_LABEL = "io.howdah.inputs"
FILES_LABEL = "io.howdah.files"


def without(labels: Mapping[str, str]) -> dict[str, str]:
    """All other labels."""
    return {name: value for name, value in labels.items() if name not in (INPUTS_LABEL, FILES_LABEL)}
