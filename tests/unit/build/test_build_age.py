# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old an image is: when the oldest of its own steps ran."""
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_age import oldest_step


def history(**steps: int) -> list[dict[str, Any]]:
    """As the engine tells it, newest first, from steps and their times, oldest first."""
    return [{"CreatedBy": name, "Created": created} for name, created in reversed(steps.items())]


BASE = history(ADD=100)


@pytest.mark.parametrize(
    ("image", "bases", "oldest"),
    [
        pytest.param(history(ADD=100, RUN=500, COPY=900), [BASE], 500, id="its own oldest step"),
        pytest.param(history(ADD=100, RUN=500, COPY=900), [[], history(ADD=99), BASE], 500, id="of several bases"),
        pytest.param(history(ADD=100, RUN=500), [], 100, id="no base"),
        pytest.param(history(ADD=100, RUN=500), [history(ADD=99, RUN=500)], 100, id="another base"),
        pytest.param(history(ADD=100, ENV=0, RUN=500), [BASE], 500, id="a step without a time"),
        pytest.param(history(ADD=100), [BASE], None, id="nothing of its own"),
        pytest.param(BASE, [history(ADD=100, RUN=500)], 100, id="a base that has more"),
    ],
)
def test_oldest_step(image: list[Any], bases: list[Any], oldest: int | None) -> None:
    assert oldest_step(image, bases) == oldest
