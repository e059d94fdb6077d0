# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates side by side, as many as there are cores."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import format_exception
from typing import Callable, Iterator, Sequence

from .outcome import Outcome, failure

HEARTBEAT = 60.0  # seconds of silence after which a line tells what still runs


@dataclass(frozen=True)
class Gate:
    """Something that must hold.

    :param name: for the report.
    :param part: the part of ``bin/test`` that it belongs to.
    :param check: finds out; runs in a thread of its own.
    :param needs: names of gates that must have passed before.
    :param cores: how many it keeps busy.
    """

    name: str
    part: str
    check: Callable[[], Outcome]
    needs: tuple[str, ...] = ()
    cores: int = 1


@contextmanager
def _stopped_when_broken(stop: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stop()
        raise


def run_gates(
    gates: Sequence[Gate],
    cores: int,
    report: Callable[[Gate, Outcome, float], None],
    alive: Callable[[Sequence[str]], None],
    stop: Callable[[], None],
) -> dict[str, Outcome]:
    """Run all gates, in the order given as far as cores and needs allow.

    :param cores: how many there are; a gate that wants more gets all of them.
    :param report: told of each gate when it has ended, with its seconds.
    :param alive: told the names of the running gates after each :data:`HEARTBEAT` without a report.
    :param stop: makes the running gates end soon; called when this function is interrupted, before it waits for them.
    :return: an outcome for every gate. One whose need failed is failed, never left out.
    :raises ValueError: when a gate needs what does not stand before it.
    """
    for index, gate in enumerate(gates):
        if not {earlier.name for earlier in gates[:index]}.issuperset(gate.needs):
            raise ValueError(f"{gate.name} needs {', '.join(gate.needs)} before it")
    outcomes: dict[str, Outcome] = {}
    waiting = list(gates)
    running: dict[Future[Outcome], tuple[Gate, float]] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(gates))) as pool, _stopped_when_broken(stop):
        while waiting or running:
            for gate in list(waiting):
                broken = [need for need in gate.needs if need in outcomes and not outcomes[need].ok]
                if broken:
                    waiting.remove(gate)
                    outcomes[gate.name] = failure(f"Not run, because {', '.join(broken)} failed.")
                    report(gate, outcomes[gate.name], 0.0)
                    continue
                free = cores - sum(min(cores, other.cores) for other, _start in running.values())
                if all(need in outcomes for need in gate.needs) and free >= min(cores, gate.cores):
                    waiting.remove(gate)
                    running[pool.submit(gate.check)] = gate, time.monotonic()
            if not running:
                continue
            done = wait(running, timeout=HEARTBEAT, return_when=FIRST_COMPLETED).done
            if not done:
                alive([gate.name for gate, _start in running.values()])
            for future in done:
                gate, start = running.pop(future)
                error = future.exception()
                outcomes[gate.name] = failure("".join(format_exception(error))) if error else future.result()
                report(gate, outcomes[gate.name], time.monotonic() - start)
    return outcomes
