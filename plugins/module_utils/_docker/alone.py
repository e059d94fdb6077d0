# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process of a machine at a time: for what the engine does not keep apart.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import errno
import hashlib
import socket
import time
from contextlib import contextmanager
from typing import Iterator

from .._core.deadline import Deadline

_LOOK_SECONDS = 0.05


@contextmanager
def alone(what: str, deadline: Deadline) -> Iterator[None]:
    """Hold a name that only one process of this machine can have; a process that ends lets it go, however it ends.

    It is the name of a socket in Linux' own list (see unix(7), abstract), so that no file is left. Where there is no
    such list, or somebody holds it for longer than the deadline, nobody is kept out.

    :param what: the name.
    """
    with socket.socket(socket.AF_UNIX) as held:
        while True:
            try:
                held.bind("\0howdah." + hashlib.sha256(what.encode()).hexdigest())
            except OSError as error:
                if error.errno == errno.EADDRINUSE and deadline.left() > _LOOK_SECONDS:
                    time.sleep(_LOOK_SECONDS)
                    continue
            break
        yield
