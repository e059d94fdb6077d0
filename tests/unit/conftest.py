# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share."""

from __future__ import annotations

from hypothesis import settings

# A loaded machine makes single examples slow; that is no fault of the code under test.
settings.register_profile("howdah", deadline=None, print_blob=True)
settings.load_profile("howdah")
