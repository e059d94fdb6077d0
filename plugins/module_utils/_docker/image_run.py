# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``image`` does between its options and its result.

It runs in the module on a managed host, and in the action plugin where the engine is the controller's own.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

from typing import Any, Mapping, Protocol

from .._core.deadline import Deadline
from .._core.errors import InvalidInput
from .._core.plan import Plan
from . import build_plan, buildkit, image_labels, image_marks, image_store, progress
from .client import connect
from .direct import Direct


class Report(Protocol):
    """Where the result is told; see ``_shell.Report``."""

    def plan(self, plan: Plan) -> None:
        """Take over what the plan says."""

    def add(self, **values: Any) -> None:
        """Add return values."""


def run(params: Mapping[str, Any], check_mode: bool, deadline: Deadline, report: Report) -> None:
    """Do what the options ask for.

    :param params: the module's options, checked.
    :param check_mode: whether to change nothing.
    :raises HowdahError: for all that can be expected to fail.
    """
    engine = None
    try:
        if params["state"] == "absent":
            names = tuple(build_plan.complete_reference(name) for name in (params["name"], *params["tags"]))
            engine = Direct(params, deadline)
            _absent(engine, names, check_mode, deadline, report)
            return
        prepared = params["prepared"]
        if prepared is None:
            raise InvalidInput(
                "The module image works only through its action plugin; call it as howdah.postgresql.image."
            )
        deadline = Deadline(params["timeout"], spent=deadline.elapsed() + prepared.get("spent", 0.0))
        request = build_plan.make_request(params, build_plan.Sources(**prepared["sources"]))
        engine = Direct(params, deadline)
        _present(engine, params, request, check_mode, deadline, report)
    finally:
        if engine is not None:
            engine.close()


def _absent(engine: Direct, names: tuple[str, ...], check_mode: bool, deadline: Deadline, report: Report) -> None:
    observed = image_store.observe_removal(engine, deadline, names)
    plan = build_plan.plan_absent(names, observed)
    report.plan(plan)
    if not check_mode:
        for action in plan.actions:
            image_store.remove(engine, deadline, action.target)


def _present(
    engine: Direct,
    params: Mapping[str, Any],
    request: build_plan.Request,
    check_mode: bool,
    deadline: Deadline,
    report: Report,
) -> None:
    name = request.names[0]
    asking = (lambda: connect(params, deadline)) if params["pull"] else None
    observed = image_store.observe(engine, deadline, request, asking)
    plan = build_plan.plan_present(request, observed)
    bases = observed.bases
    if plan.builds and "archive" not in params["prepared"] and not check_mode:
        report.add(context_wanted=True)  # the action plugin comes again with the context
        return
    report.plan(plan)
    if not check_mode:
        for action in plan.actions:
            if action.verb == "pull":
                image_store.pull(connect(params, deadline), deadline, action.target)
            elif action.verb == "tag":
                image_store.tag(engine, deadline, str(observed.images[name]), action.target)
        if plan.builds:
            bases = {base: image_store.image_id(engine, deadline, base) for base in bases}
            replaced = observed.images[name]
            try:
                _build(engine, params, request, bases, plan.afresh, deadline, report)
            finally:
                # A build that fails after all its steps has taken the name as well.
                if replaced and image_marks.INPUTS_LABEL in observed.labels:
                    image_store.remove_superseded(engine, Deadline(10), replaced)
    about = image_store.inspect(engine, Deadline(10), name)
    if about:
        report.add(image_id=about["Id"], size=about["Size"])
    report.add(inputs=build_plan.inputs_digest(request, bases))


def _build(
    engine: Direct,
    params: Mapping[str, Any],
    request: build_plan.Request,
    bases: Mapping[str, str | None],
    afresh: bool,
    deadline: Deadline,
    report: Report,
) -> None:
    given, own = build_plan.strings(params["labels"]), build_plan.build_labels(request, bases)
    source = params["labels_from"]
    options = buildkit.BuildOptions(
        names=request.names,
        dockerfile=params["dockerfile"],
        target=params["target"],
        args=build_plan.strings(params["args"]),
        labels={**given, **({image_marks.INPUTS_LABEL: build_plan.UNFINISHED} if source else own)},
        platform=params["platform"],
        network=params["network"],
        extra_hosts=build_plan.strings(params["extra_hosts"]),
        no_cache=afresh,
    )
    tell = progress.ProgressWriter(params["prepared"].get("progress_file"))
    try:
        body = buildkit.read_archive(params["prepared"]["archive"], deadline)
        log = buildkit.build(engine, body, options, deadline, tell)
    finally:
        tell.end()
    if source:
        _label(engine, params, request, {"given": given, "own": own}, deadline)
    report.add(steps=log.steps(), elapsed=round(deadline.elapsed(), 3))


def _label(
    engine: Direct,
    params: Mapping[str, Any],
    request: build_plan.Request,
    labels: Mapping[str, Mapping[str, str]],
    deadline: Deadline,
) -> None:
    """Have the image that was just built replaced by one with all labels."""
    name = request.names[0]
    bare = image_store.image_id(engine, deadline, name)
    found = image_labels.read(connect(params, deadline), deadline, name, params["labels_from"])
    options = buildkit.BuildOptions(
        names=request.names,
        dockerfile="Dockerfile",
        labels=image_labels.merged(found, **labels),
        platform=params["platform"],
    )
    buildkit.build(engine, image_labels.context(name), options, deadline, lambda _event: None)
    if bare:
        image_store.remove_superseded(engine, Deadline(10), bare)
