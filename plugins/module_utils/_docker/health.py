# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a container serves, or is known never to.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from .._core.deadline import Deadline
from .._core.errors import ContainerFailed, ContainerNotFound, DeadlineExceeded, EngineError
from . import container_logs, observe
from .client import request
from .exec import Executed
from .exec import run as run_command
from .observe import Container
from .values import nanoseconds

if TYPE_CHECKING:
    from docker import APIClient

# What can change the verdict. A container's probes make many other events.
_EVENTS = ["die", "health_status", "destroy", "pause"]
# Seconds after which the health check is run again by us; each time longer by half.
_FIRST_PAUSE = 0.2
# HAProxy tries for two seconds to bind to a port that is taken.
_SIGNAL_SECONDS = 10.0
_LINES_SINCE_SIGNAL = 5000
_ENGINES_CHECK_TIMEOUT = 30 * 10**9  # nanoseconds


@dataclass(frozen=True)
class Verdict:
    """Whether a container serves; ``failure`` says why it never will, as in "container x …"."""

    ready: bool = False
    failure: str = ""


def judge(container: Container, restarts: int, running_for: float, stable_for: float, exit_code: int | None) -> Verdict:
    """What a container's state means. Pure.

    :param restarts: how often the engine had restarted it when the wait began.
    :param running_for: seconds that it has been seen running.
    :param stable_for: seconds of running that count as serving when there is no health check.
    :param exit_code: with which it exited since the wait began; None if it did not.
    """
    code = container.exit_code if exit_code is None else exit_code
    memory = " (it ran out of memory)" if (container.inspected.get("State") or {}).get("OOMKilled") else ""
    if container.status == "restarting" or container.restart_count > restarts:
        return Verdict(failure=f"exited with code {code}{memory} and is restarted again and again by the engine")
    if exit_code is not None or not container.running:
        return Verdict(failure=f"exited with code {code}{memory}")
    if container.health == "unhealthy":
        return Verdict(failure="is unhealthy")
    if container.status == "paused":
        return Verdict(failure="was paused by somebody else")
    if container.health:
        return Verdict(ready=container.health == "healthy")
    return Verdict(ready=running_for >= stable_for)


def wait(
    client: APIClient,
    container: Container,
    stable_for: float,
    secrets: Iterable[str],
    deadline: Deadline,
    restarts: int = 0,
) -> Container:
    """Return the container as soon as it is healthy, or without a health check has run long enough.

    The engine gives its first verdict only after one interval of the health check. Until then the
    check is run from here as well, so a container that serves after one second is waited for one second.

    :param container: as it was inspected after its start.
    :param restarts: how often the engine may have restarted it before this call.
    :raises ContainerFailed: at once when it exits, is restarted or unhealthy; with its last log lines.
    :raises DeadlineExceeded: with its last log lines, too.
    """
    began = time.monotonic()
    since = nanoseconds(container.started_at)
    exit_code: int | None = None
    next_probe = _FIRST_PAUSE
    while True:
        running_for = time.monotonic() - began
        verdict = judge(container, restarts, running_for, stable_for, exit_code)
        if verdict.ready:
            return container
        if verdict.failure:
            # The engine knows what was before somebody mended it, until it runs the check again.
            if container.running and container.health == "unhealthy" and passes(client, container, deadline):
                return container
            raise _failed(client, container, verdict.failure, secrets, exit_code)
        if container.health == "starting" and not deadline.expired():
            if passes(client, container, deadline):
                return container
            pause = min(deadline.left(), next_probe)
            next_probe *= 1.5
        else:
            pause = deadline.left() if container.health else min(deadline.left(), stable_for - running_for)
        event = _next_event(client, container.id, since, pause, deadline) if pause > 0 else None
        if event is not None:
            since = event["timeNano"] + 1
            exit_code = _exit_code(event, exit_code)
        elif deadline.expired():
            raise _late(client, container, secrets, deadline)
        found = observe.container(client, container.id, deadline)
        if found is None:
            raise ContainerFailed(f"Container {container.name} was removed by somebody else while it started.", logs=[])
        container = found


def passes(client: APIClient, container: Container, deadline: Deadline) -> bool:
    """Whether the container's own health check succeeds now; False also when it cannot be run, or takes too long."""
    executed = _check(client, container, deadline)
    return executed is not None and executed.code == 0


def _check(client: APIClient, container: Container, deadline: Deadline) -> Executed | None:
    config = container.inspected["Config"]
    check = config["Healthcheck"]
    kind, *rest = check["Test"]
    command = rest if kind == "CMD" else [*(config.get("Shell") or ["/bin/sh", "-c"]), *rest]
    limit = (check.get("Timeout") or _ENGINES_CHECK_TIMEOUT) / 10**9
    bounded = Deadline(min(limit, deadline.check("waiting for the health check")))
    try:
        return run_command(client, container.id, command, b"", bounded)
    except (ContainerFailed, ContainerNotFound, EngineError, DeadlineExceeded):
        # It has just stopped, or its check hangs: what the engine sees of that decides.
        return None


def await_pass(client: APIClient, name: str, after: str, deadline: Deadline) -> None:
    """Wait until the container's own health check, run from here, succeeds; without one there is nothing to wait for.

    What the engine knows is that of before, until it runs the check again.

    :param after: what the container was sent.
    :raises ContainerFailed: when it does not, with the container's last log lines.
    """
    patience = Deadline(min(_SIGNAL_SECONDS, deadline.check("waiting for a container to take a signal")))
    while True:
        container = observe.container(client, name, deadline)
        if container is None or not container.running or not container.inspected["Config"].get("Healthcheck"):
            return
        executed = _check(client, container, deadline)
        if executed is not None and executed.code == 0:
            return
        if patience.expired():
            said = (executed.stdout + executed.stderr).decode("utf-8", "replace").strip()[:500] if executed else ""
            # Clients may have made many lines since.
            lines = container_logs.read(client, container.id, (), Deadline(5), _LINES_SINCE_SIGNAL)
            logs = container_logs.errors(lines)
            raise ContainerFailed(
                f"Container {name} was sent {after}, so that it reads its files anew, and is not healthy since"
                f"{_tail(said, logs)}", logs=logs,
            )
        time.sleep(min(_FIRST_PAUSE, max(0.01, deadline.left())))


def _exit_code(event: Mapping[str, Any], before: int | None) -> int | None:
    if event["Action"] != "die":
        return before
    return int(event["Actor"]["Attributes"].get("exitCode", -1))


def _next_event(
    client: APIClient, container: str, since: int, pause: float, deadline: Deadline
) -> Mapping[str, Any] | None:
    """The first event of the container from ``since`` (nanoseconds) on; None after ``pause`` seconds without one."""
    from requests.exceptions import ConnectionError as Broken
    from requests.exceptions import ReadTimeout
    from urllib3.exceptions import ReadTimeoutError

    parameters = {
        "since": f"{since // 10**9}.{since % 10**9:09d}",
        "filters": json.dumps({"type": ["container"], "container": [container], "event": _EVENTS}),
    }
    with request(client, deadline, "waiting for the engine's events"):
        try:
            with client.get(client._url("/events"), params=parameters, stream=True, timeout=pause) as response:
                client._raise_for_status(response)
                for line in response.iter_lines(chunk_size=1):
                    if line:
                        event: Mapping[str, Any] = json.loads(line)
                        return event
        except ReadTimeout:
            return None
        except Broken as error:
            # A time-out in the middle of a stream comes as a broken connection.
            if not (error.args and isinstance(error.args[0], ReadTimeoutError)):
                raise
    return None


def _failed(
    client: APIClient, container: Container, failure: str, secrets: Iterable[str], exit_code: int | None
) -> ContainerFailed:
    logs = container_logs.read(client, container.id, secrets, Deadline(5))
    probe = container_logs.redact(_probe_output(container), secrets)
    code = container.exit_code if exit_code is None else exit_code
    details: dict[str, Any] = {"logs": logs, "health": container.health}
    if container.health != "unhealthy":
        details["exit_code"] = code
        probe = ""
    return ContainerFailed(f"Container {container.name} {failure}{_tail(probe, logs)}", **details)


def _late(client: APIClient, container: Container, secrets: Iterable[str], deadline: Deadline) -> DeadlineExceeded:
    logs = container_logs.read(client, container.id, secrets, Deadline(5))
    waited = "to become healthy" if container.health else "to run steadily"
    return DeadlineExceeded(
        f"The time limit of {deadline.seconds:g} s was reached while waiting for container {container.name} {waited}"
        f"{_tail(container_logs.redact(_probe_output(container), secrets), logs)}",
        logs=logs,
        health=container.health,
    )


def _tail(probe: str, logs: list[str]) -> str:
    line = container_logs.headline(logs)
    told = f". The health check says: {probe}" if probe else ""
    if not line:
        return f"{told}. It wrote nothing to its log."
    if container_logs.IN_USE in line:
        cure = "Something else has the port (`ss -ltnp` on its machine shows what): stop that, or choose another port"
        return f"{told}. {cure}. Its log: {line}"
    others = [entry for entry in logs[-5:] if entry != line]
    return f"{told}. Its log: {' | '.join([line, *others])}"


def _probe_output(container: Container) -> str:
    probes = ((container.inspected.get("State") or {}).get("Health") or {}).get("Log") or []
    return str(probes[-1].get("Output", "")).strip()[:500] if probes else ""
