# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name resolution within a budget.

libpq resolves names inside PQconnectStart, where nothing can bound it. Names are therefore resolved
here, in threads that are left behind when a name server does not answer.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import queue
import threading
from typing import Mapping

from .._core.deadline import Deadline
from . import target

# While one name server is silent, the names that were resolved shall still be tried.
_SHARE = 0.4


def look_up(
    names: Mapping[int, str], deadline: Deadline, resolved: bool
) -> tuple[dict[int, list[str]], dict[int, str]]:
    """Ask name servers, all names at once: the addresses by number of the name, and why others have none.

    :param resolved: whether there are other addresses already.
    """
    answers: queue.Queue[tuple[int, list[str] | OSError]] = queue.Queue()

    def ask(index: int, host: str) -> None:
        try:
            answers.put((index, target.addresses_of(host)))
        except OSError as error:
            answers.put((index, error))
        except UnicodeError:
            answers.put((index, OSError(0, "the name is not a host name")))

    for index, host in names.items():
        threading.Thread(target=ask, args=(index, host), daemon=True).start()
    early = deadline.left() * _SHARE
    found: dict[int, list[str]] = {}
    why = dict.fromkeys(names, "the name server does not answer")
    for _name in names:
        # As long as nothing is resolved there is nothing better to do with the time.
        left = deadline.left() - (early if resolved else 0.0)
        try:
            index, answer = answers.get(timeout=max(0.0, left))
        except queue.Empty:
            break
        if isinstance(answer, OSError):
            why[index] = answer.strerror or str(answer)
        else:
            found[index] = answer
            del why[index]
            resolved = True
    return found, why
