# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several containers in one call, side by side: each fails for itself, what they share is made once.

What changes containers is imported only where something is to be changed: managed hosts compile every import anew.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable, Mapping, NoReturn, Sequence

from .._core.deadline import Deadline
from .._core.errors import HowdahError, InvalidInput
from .._core.plan import Action, Plan
from . import container_decide, container_facts, reconcile, spec
from .client import connect as connect_to_engine
from .direct import Direct
from .reconcile import ContainerPlan
from .spec import Wish

if TYPE_CHECKING:
    from docker import APIClient


Connect = Callable[[Mapping[str, Any], Deadline], "APIClient"]
Look = Callable[[Mapping[str, Any], Deadline], Direct]
_Undo = Callable[[Deadline], None]


@dataclass
class Outcome:
    """What becomes of one container; filled while its worker goes on.

    :param decided: None until it is known what is to be done.
    :param facts: return values besides the plan's.
    :param error: why it failed; None as long as it did not.
    """

    wish: Wish
    decided: ContainerPlan | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    error: HowdahError | None = None

    @property
    def plan(self) -> Plan:
        """What is to be done; nothing if that could not be decided."""
        return self.decided.plan if self.decided else Plan()

    @property
    def goes_on(self) -> bool:
        """Whether it has not failed yet."""
        return self.error is None

    def result(self) -> dict[str, Any]:
        """The container's entry in the module's result."""
        told = {name: value for name, value in self.plan.result().items() if name != "diff"}
        result = {"name": self.wish.name, **told, **self.facts, "failed": self.error is not None}
        if self.error is None:
            return result
        error = {"msg": self.error.message, "error": self.error.code, "code": self.error.number}
        return {**self.error.details, **result, **error}


def parse(options: Sequence[Mapping[str, Any]]) -> list[Wish]:
    """What is asked of each container.

    :raises InvalidInput: for the first option that cannot work, before anything is done to any container.
    """
    wishes = []
    for given in options:
        try:
            wishes.append(spec.parse(given))
        except InvalidInput as error:
            if len(options) == 1:
                raise
            raise InvalidInput(f"{given['name']}: {error.message}") from error
    names = [wish.name for wish in wishes]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"containers has two entries for {name}.")
    leaving = frozenset(wish.name for wish in wishes if wish.state == "absent")
    return [replace(wish, leaving=leaving) for wish in wishes]


def work(
    params: Mapping[str, Any],
    wishes: Sequence[Wish],
    deadline: Deadline,
    check_mode: bool,
    look: Look = Direct,
    connect: Connect = connect_to_engine,
) -> list[Outcome]:
    """Bring all containers about; no error of one is raised, but noted in its outcome.

    :param params: the module's options, which name the engine.
    :param look: makes a connection to look at things; called once for each worker, as threads cannot share one.
    :param connect: makes a connection to change them; called once for each worker that does.
    """
    outcomes = [Outcome(wish) for wish in wishes]
    doors = _Doors(lambda: look(params, deadline), lambda: connect(params, deadline))
    # In check mode nobody finds out by trying whether ports are free. A remote engine's cannot be tried from here.
    forecast = params["docker_host"].startswith("unix:") if check_mode else None
    workers = [_Worker(doors, outcome, deadline, forecast) for outcome in outcomes]
    if not workers:
        return outcomes
    if len(workers) == 1:  # in the main thread, where an interrupt arrives
        workers[0].decide()
        if not check_mode:
            workers[0].apply()
        return outcomes
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(_Worker.decide, workers))
        shared = _Shared(doors, outcomes, deadline)
        if not check_mode:
            shared.make()
            list(pool.map(_Worker.apply, workers))
            shared.clear()
    return outcomes


def combined(outcomes: Sequence[Outcome]) -> Plan:
    """The plans of all containers as one; a step that several have counts once, and stands where it is done."""
    steps = dict.fromkeys(action for outcome in outcomes for action in outcome.plan.actions)
    actions = sorted(
        steps, key=lambda step: step.verb in reconcile.SHARED and (1 if step.verb in reconcile.REMOVALS else -1)
    )
    changed = [outcome for outcome in outcomes if outcome.plan.changed]
    return Plan(
        tuple(actions),
        {outcome.wish.name: outcome.plan.before for outcome in changed},
        {outcome.wish.name: outcome.plan.after for outcome in changed},
    )


def fail(failed: Sequence[Outcome], total: int) -> NoReturn:
    """Raise what failed as one error, of the kind of the first.

    :param failed: the containers that did; at least one.
    :param total: how many there were.
    """
    errors = [(outcome.wish.name, outcome.error) for outcome in failed if outcome.error is not None]
    first = errors[0][1]
    told = "\n".join(f"{name}: {error.message}" for name, error in errors)
    raise type(first)(
        f"{len(errors)} of {total} containers failed.\n{told}", failed_containers=[name for name, _error in errors]
    ) from first


@dataclass(frozen=True)
class _Doors:
    """The ways to the engine: to look at things, and to change them."""

    look: Callable[[], Direct]
    connect: Callable[[], APIClient]


class _Worker:
    """One container's way, in a thread of its own.

    :param forecast: whether ports on this machine can be tried; None if nobody needs to know whether they are free.
    """

    def __init__(self, doors: _Doors, outcome: Outcome, deadline: Deadline, forecast: bool | None) -> None:
        self.doors = doors
        self.outcome = outcome
        self.deadline = deadline
        self.forecast = forecast

    def decide(self) -> None:
        outcome = self.outcome
        try:
            engine = self.doors.look()
            try:
                observed, outcome.decided = container_decide.decide(engine, outcome.wish, self.deadline)
                if self.forecast is not None and outcome.plan.changed:
                    self.warn_of_failure(engine, outcome.decided)
            finally:
                engine.close()
        except HowdahError as error:
            outcome.error = error
            return
        outcome.facts["container"] = container_facts.facts(outcome.wish.name, observed.container)

    def warn_of_failure(self, engine: Direct, decided: ContainerPlan) -> None:
        from . import limits, ports

        wish = self.outcome.wish
        error: HowdahError | None = ports.forecast(engine, wish, decided, bool(self.forecast), self.deadline)
        error = error or limits.forecast(engine, wish.name, decided, self.deadline)
        if error is not None:
            warning = f"As things are now, this will fail. {error.message}"
            self.outcome.decided = replace(decided, warnings=(*decided.warnings, warning))

    def apply(self) -> None:
        outcome = self.outcome
        decided = outcome.decided
        if decided is None or not outcome.goes_on:
            return
        if not (decided.plan.changed or reconcile.must_wait(outcome.wish, decided)):
            return
        from . import container_apply

        try:
            applied = container_apply.apply(self.doors.connect(), outcome.wish, decided, self.deadline)
        except HowdahError as error:
            outcome.error = error
            return
        outcome.facts["container"] = container_facts.facts(outcome.wish.name, applied.container)
        if applied.ready_after is not None:
            outcome.facts["ready_after"] = round(applied.ready_after, 2)


class _Shared:
    """Networks and volumes, which several containers may want made or removed: taken out of what each does itself."""

    def __init__(self, doors: _Doors, outcomes: Sequence[Outcome], deadline: Deadline) -> None:
        self.connect = doors.connect
        self.deadline = deadline
        self.wanted: dict[Action, list[Outcome]] = {}
        self.made: dict[Action, _Undo] = {}
        for outcome in outcomes:
            if outcome.decided is None:
                continue
            shared = tuple(action for action in outcome.plan.actions if action.verb in reconcile.SHARED)
            for action in shared:
                self.wanted.setdefault(action, []).append(outcome)
            outcome.decided = replace(outcome.decided, done_elsewhere=frozenset(shared))

    def make(self) -> None:
        """Create what is missing; whoever needs what cannot be created has failed."""
        from . import container_apply

        for action, outcomes in self.wanted.items():
            if action.verb in container_apply.MAKERS:
                try:
                    self.made[action] = container_apply.MAKERS[action.verb](
                        self.connect(), action.target, self.deadline
                    )
                except HowdahError as error:
                    _note(outcomes, error)

    def clear(self) -> None:
        """Remove volumes and networks that are to go, and what was made for containers that have all failed."""
        from . import container_apply

        for action, outcomes in self.wanted.items():
            going = [outcome for outcome in outcomes if outcome.goes_on]
            try:
                if action.verb in container_apply.REMOVERS and going:
                    container_apply.REMOVERS[action.verb](self.connect(), action.target, self.deadline)
                elif action in self.made and not any(map(_needs, outcomes)):
                    self.made[action](Deadline(container_apply.GRACE))
            except HowdahError as error:
                _note(outcomes, error)


def _needs(outcome: Outcome) -> bool:
    """Whether there is a new container, be it one that failed and is kept, and so what was made for it stays."""
    return outcome.error is None or "kept" in outcome.error.details


def _note(outcomes: Sequence[Outcome], error: HowdahError) -> None:
    for outcome in outcomes:
        if outcome.error is None:
            outcome.error = error
        elif outcome.error is not error:
            outcome.error.details.setdefault("not_undone", []).append(error.message)
