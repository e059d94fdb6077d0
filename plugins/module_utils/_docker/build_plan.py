# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether an image must be built, pulled for, tagged or removed. Pure.

An image built here carries a label with the digest of each input of its build. Equal digests mean
that a build would give the same image; that can be told without a build, exactly and offline.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, Sequence

from .._core.canonical import canonical_json, digest
from .._core.errors import ImageInUse, InvalidInput
from .._core.plan import Action, Plan
from .image_marks import FILES_LABEL, INPUTS_LABEL

# In the place of the inputs while the labels are yet to be added that the build itself tells.
UNFINISHED = "unfinished"

# Part of the inputs: raise it when the meaning of a digest changes.
_SCHEMA = 1
_NAMED = 10

# Docker defines these for every build and keeps them out of the image and its cache. They say how
# the site is reached and may hold a proxy's credentials, so they do not get into the label either.
_PROXY_ARGS = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]+)(?::[0-9]+)?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*(?P<tag>:\w[\w.-]{{0,127}})?",
    re.ASCII,
)


@dataclass(frozen=True)
class Sources:
    """What the controller knows of a build's sources.

    :param digests: of ``context``, ``dockerfile`` and ``files``.
    :param files: short digests of the context's files by path; empty when there are too many.
    :param bases: the images that the Dockerfile names.
    """

    digests: Mapping[str, str]
    files: Mapping[str, str]
    bases: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """For the option ``prepared``; ``Sources(**options)`` is the way back."""
        return asdict(self)


@dataclass(frozen=True)
class Request:
    """The image that is wanted.

    :param names: complete references, the first is the main one.
    :param inputs: digests by name, without ``bases``.
    :param max_age: days after which an image counts as out of date; None for never.
    """

    names: tuple[str, ...]
    sources: Sources
    inputs: Mapping[str, Any]
    always: bool
    max_age: float | None = None


@dataclass(frozen=True)
class Observed:
    """What the engine has.

    :param images: the image ID, or None, of each wanted name.
    :param labels: those of the image with the main name.
    :param bases: the image ID, or None, of each base.
    :param outdated: bases for which a registry has something else.
    :param age: of the image with the main name, in days; see image_age.py.
    """

    images: Mapping[str, str | None]
    labels: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str | None] = field(default_factory=dict)
    outdated: Sequence[str] = ()
    age: float | None = None


@dataclass(frozen=True)
class BuildPlan(Plan):
    """A plan that says whether it needs the build context.

    :param afresh: whether every step is to run again, be it in the build cache or not.
    """

    afresh: bool = False

    @property
    def builds(self) -> bool:
        """Whether an image is built."""
        return any(action.verb == "build" for action in self.actions)


@dataclass(frozen=True)
class Removal:
    """What the engine has of an image that shall go.

    :param images: the image ID, or None, of each name.
    :param tags: all tags of each image, by ID.
    :param users: names of the containers that use each image, by ID.
    :param children: names of the images that were built upon each image, by ID.
    """

    images: Mapping[str, str | None]
    tags: Mapping[str, Sequence[str]]
    users: Mapping[str, Sequence[str]]
    children: Mapping[str, Sequence[str]] = field(default_factory=dict)


def complete_reference(name: str) -> str:
    """The name of an image with its tag.

    :raises InvalidInput: when it is not one.
    """
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise InvalidInput(
            f"{name!r} is not the name of an image: it must be like repository:tag, the repository in lower case."
        )
    return name if match.group("tag") else name + ":latest"


def strings(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as the engine takes them: YAML's numbers and booleans as people write them.

    :raises InvalidInput: for lists and mappings.
    """
    for name, value in values.items():
        if isinstance(value, (list, dict)) or value is None:
            raise InvalidInput(f"{name}: a text, number or boolean is needed here, not {value!r}.")
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}


def make_request(params: Mapping[str, Any], sources: Sources) -> Request:
    """What the module's options ask for.

    :raises InvalidInput: for names that no image can have.
    """
    for label in (INPUTS_LABEL, FILES_LABEL):
        if label in params["labels"]:
            raise InvalidInput(f"The label {label} is this module's own; choose another one.")
    names = tuple(dict.fromkeys(complete_reference(name) for name in (params["name"], *params["tags"])))
    args = {name: value for name, value in strings(params["args"]).items() if name.lower() not in _PROXY_ARGS}
    inputs: dict[str, Any] = {"schema": _SCHEMA, **sources.digests, "args": digest(args)}
    for option in ("labels", "extra_hosts"):
        inputs[option] = digest(strings(params[option]))
    for option in ("target", "platform", "network"):
        inputs[option] = digest(params[option])
    if params["labels_from"]:  # without it, images of before this option stay what they are
        inputs["labels_from"] = digest(params["labels_from"])
    max_age = params["max_age"]
    if max_age is not None and not max_age > 0:
        raise InvalidInput(f"max_age must be more than 0 days; got {max_age:g}.")
    return Request(names, sources, inputs, params["rebuild"] == "always", max_age)


def build_labels(request: Request, bases: Mapping[str, str | None]) -> dict[str, str]:
    """The labels by which a later call recognises the image."""
    labels = {INPUTS_LABEL: canonical_json({**request.inputs, "bases": dict(bases)})}
    if request.sources.files:
        labels[FILES_LABEL] = canonical_json(dict(request.sources.files))
    return labels


def inputs_digest(request: Request, bases: Mapping[str, str | None]) -> str:
    """One digest of all inputs."""
    return digest({**request.inputs, "bases": dict(bases)})


def plan_present(request: Request, observed: Observed) -> BuildPlan:
    """What makes the wanted image be there."""
    name = request.names[0]
    image = observed.images[name]
    recorded = _recorded(observed.labels, INPUTS_LABEL)
    known = recorded.get("bases")
    recorded_bases = known if isinstance(known, dict) else {}
    bases = {
        # An image may be on an engine without what it was built upon; nothing says that this changed.
        base: f"newer than {_short(current)}" if base in observed.outdated else current or recorded_bases.get(base)
        for base, current in observed.bases.items()
    }
    wanted = {**request.inputs, "bases": bases}
    changed = sorted(key for key in {*wanted, *recorded} if wanted.get(key) != recorded.get(key))
    too_old = request.max_age is not None and observed.age is not None and observed.age > request.max_age
    if image is None:
        why = "it does not exist"
    elif not recorded:
        unfinished = observed.labels.get(INPUTS_LABEL) == UNFINISHED
        why = "its last build was not finished" if unfinished else "it was not built by this module"
    elif changed:
        why = f"changed: {', '.join(changed)}"
    elif request.always:
        why = "rebuild is always"
    elif too_old:
        why = f"older than {request.max_age:g} days"
    else:
        return _plan_tags(request, observed, image)
    pulls = [Action("pull", base, "newer in its registry") for base in observed.outdated]
    pulls += [Action("pull", base, "not on the engine") for base, at in observed.bases.items() if at is None]
    before: dict[str, Any] = {"image": {tag: _short(observed.images[tag]) for tag in request.names}}
    after: dict[str, Any] = {"image": dict.fromkeys(request.names, "to be built")}
    if image is not None and recorded:
        before["inputs"] = {key: _shown(recorded.get(key)) for key in changed}
        after["inputs"] = {key: _shown(wanted.get(key)) for key in changed}
        if "context" in changed:
            before["files"], after["files"] = _changed_files(_recorded(observed.labels, FILES_LABEL), request)
    steps = (*pulls, Action("build", name, why))
    return BuildPlan(actions=steps, before=before, after=after, afresh=request.always or too_old)


def plan_absent(names: Sequence[str], observed: Removal) -> Plan:
    """What makes the image be gone.

    :raises ImageInUse: when containers need it, or images that stay were built upon it.
    """
    going = {name: image for name, image in observed.images.items() if image is not None}
    for image in dict.fromkeys(going.values()):
        stays = set(observed.tags[image]) - set(names)
        if stays:
            continue  # under another name
        users = observed.users[image]
        if users:
            raise ImageInUse(
                f"The image {', '.join(names)} is used by {_listed('container', users)}."
                " Remove what uses it first (module howdah.postgresql.container, state absent).",
                containers=list(users),
            )
        children = sorted(set(observed.children.get(image, ())) - set(names))
        if children:
            raise ImageInUse(
                f"The image {', '.join(names)} is used by {_listed('image', children)}, built upon it."
                " Remove what uses it first, or in the same call (option tags).",
                images=children,
            )
    return Plan(
        tuple(Action("remove", name) for name in going),
        {"image": {name: _short(image) for name, image in going.items()}},
        {"image": {name: _short(None) for name in going}},
    )


def _plan_tags(request: Request, observed: Observed, image: str) -> BuildPlan:
    missing = [tag for tag in request.names if observed.images[tag] != image]
    return BuildPlan(
        tuple(Action("tag", tag, f"as {request.names[0]}") for tag in missing),
        {"image": {tag: _short(observed.images[tag]) for tag in request.names}},
        {"image": {tag: _short(image) for tag in request.names}},
    )


def _changed_files(recorded: Mapping[str, Any], request: Request) -> tuple[Any, Any]:
    """What ``--diff`` shows of the context's files."""
    current = request.sources.files
    if not recorded or not current:
        return "not recorded", "too many to be named" if not current else f"{len(current)} files"
    paths = sorted(path for path in {*recorded, *current} if recorded.get(path) != current.get(path))
    before = {path: recorded.get(path, "absent") for path in paths[:_NAMED]}
    after = {path: current.get(path, "absent") for path in paths[:_NAMED]}
    if len(paths) > _NAMED:
        after["…"] = f"and {len(paths) - _NAMED} more"
    return before, after


def _recorded(labels: Mapping[str, str], label: str) -> dict[str, Any]:
    """The label's content; empty when it is not there, or is not what this module wrote."""
    try:
        value = json.loads(labels.get(label, ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _short(image: str | None) -> str:
    return image.partition(":")[2][:12] if image else "absent"


def _shown(value: Any) -> Any:
    """A digest, or the bases' digests, at a length that people can compare."""
    if isinstance(value, dict):
        return {key: _shown(inner) for key, inner in sorted(value.items())}
    if isinstance(value, str):
        return value.partition(":")[2][:12] if value.startswith("sha256:") else value[:30]
    return "absent" if value is None else value


def _listed(noun: str, names: Sequence[str]) -> str:
    return f"the {noun}{'s' if len(names) > 1 else ''} {', '.join(names)}"
