# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One at a time."""

from __future__ import annotations

import threading
import time

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.alone import alone


def test_one_at_a_time_and_whoever_asks_for_something_else_at_once() -> None:
    order: list[str] = []

    def second() -> None:
        with alone("howdah test", Deadline(20)):
            order.append("second")

    with alone("howdah test", Deadline(20)):
        other = threading.Thread(target=second)
        other.start()
        with alone("howdah other test", Deadline(20)):
            time.sleep(0.3)
        order.append("first")
    other.join(20)
    assert order == ["first", "second"]


def test_who_is_held_up_for_too_long_goes_on() -> None:
    with alone("howdah test", Deadline(20)):
        started = time.monotonic()
        with alone("howdah test", Deadline(0.5)):
            assert time.monotonic() - started >= 0.4
