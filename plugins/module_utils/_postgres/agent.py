# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent: the engine inside the container, for those who may exec into it.

It reads one request, a line of JSON, from its standard input, connects over the Unix socket as
the container's own user (peer authentication), and writes one line of JSON. Nothing secret is in its
arguments or environment, and the kernel ends it soon after the request's time limit, come what may:
an exec cannot be killed from outside.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any, Mapping, Sequence

from .._core.deadline import Deadline
from .._core.errors import DeadlineExceeded, HowdahError, InvalidInput, RestUnreachable
from .citus import citus_facts
from .citus_change import citus_call
from .citus_check import citus_check
from .engine import Outcome, set_passwords
from .info import server_info
from .logins import check_logins
from .mark import mark
from .password import wishes
from .rest import Rest, ask
from .target import Target
from .wire import ARRIVAL_SECONDS, GRACE_SECONDS, failure

# The part of the time limit in which logins are tried. Who asks has to start this process within its own limit, and is
# to hear which logins were not taken rather than that there was no answer.
_TRYING = 0.75
# A member that does not answer for so long is passed over.
_REST_SECONDS = 5.0
# What is asked along with something else gets no more.
_ALONG_SECONDS = 1.0


def main() -> int:
    """Answer the request on standard input; the exit code is 0 whenever there is an answer."""
    # SIGALRM's default action is the kernel's: it ends this process even when Python does not run.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, ARRIVAL_SECONDS)
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        sys.stderr.write("The request, one line of JSON, did not arrive.\n")
        return 2
    request = json.loads(line)
    signal.setitimer(signal.ITIMER_REAL, request["timeout"] + GRACE_SECONDS)
    sys.stdout.write(json.dumps(answer(request)) + "\n")
    sys.stdout.flush()
    return 0


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request; see wire.py for the form of both."""
    outcome = Outcome()
    try:
        deadline = Deadline(request["timeout"])
        if request["command"] == "rest":
            return {"result": _rest(request, deadline)}
        if request["command"] == "several":
            return {"result": {"answers": _several(request["messages"], deadline)}}
        target = _target(request)
        if request["command"] == "info":
            values = (request.get("wanted"), request.get("declared"))
            return {"result": server_info(target, request["settings"], deadline, *values)}
        if request["command"] == "mark":
            return {"result": {"marked": mark(target, deadline)}}
        if request["command"] == "citus":
            clusters = _Clusters(request["groups"], deadline)
            return {"result": {**citus_facts(target, request["parts"], deadline), "clusters": clusters.found()}}
        if request["command"] == "clusters":
            return {"result": {"clusters": _Clusters(request["groups"], deadline).found()}}
        if request["command"] == "citus_call":
            return {"result": {"returned": citus_call(target, request["what"], request["values"], deadline)}}
        if request["command"] == "citus_check":
            return {"result": citus_check(target, request["steps"], deadline)}
        if request["command"] == "citus_passwords":
            from .citus_passwords import citus_passwords  # few formations use passwords between nodes
            from .scram import ITERATIONS

            leaders = {int(group): address for group, address in request["leaders"].items()}
            wished = wishes(request["roles"], ITERATIONS)
            outside = [role["name"] for role in request["roles"] if not role["between_groups"]]
            return {"result": citus_passwords(target, leaders, wished, outside, deadline, request["check"])}
        if request["command"] == "logins":
            # Over the network, as clients come: the container's own socket would ask for no password.
            away = Target(port=request.get("port") or 5432, dbname=target.dbname)
            trying = Deadline(request["timeout"] * _TRYING)
            return {"result": {"logins": check_logins(away, request["hosts"], request["roles"], trying)}}
        if request["command"] != "password":
            raise InvalidInput(f"The agent in the image does not know the command {request['command']!r}: it is older.")
        wished = wishes(request["roles"], request["iterations"])
        set_passwords(target, wished, deadline, request["check"], outcome)
        return {"result": vars(outcome)}
    except HowdahError as error:
        return {"result": vars(outcome), "error": failure(error)}


def _rest(request: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
    """What Patroni's REST interface answers: of this node, or of another that the request names."""
    own, tls = os.environ.get("PATRONI_REST"), os.environ.get("PATRONI_TLS", "")
    if own is None:  # nobody has said yet what this container is: on a busy machine that takes seconds
        raise RestUnreachable("The container is starting, and no Patroni runs in it yet.")
    if not own:
        raise InvalidInput(
            "No Patroni runs in this container: its command is not `patroni`, as that of a single server. Such a"
            " server does not become the member of a cluster: give the member another name, and bring the data there"
            " by a dump."
        )
    address = request.get("url_host")
    try:
        rest = Rest.at(address, tls) if address else Rest.at(own, tls, own=True)
    except ValueError as error:
        raise InvalidInput(f"The address of the REST interface must be host:port; {error}.") from error
    body = request.get("body")
    spelled = None if body is None else json.dumps(body)
    status, text = ask(
        rest, request["method"], request["path"], spelled, lambda: deadline.check("asking Patroni's REST interface")
    )
    try:
        return {"status": status, "body": json.loads(text)}
    except ValueError:
        return {"status": status, "body": text}


def _several(messages: Sequence[Mapping[str, Any]], deadline: Deadline) -> list[dict[str, Any]]:
    """The answers to several requests, in which the others delay the first one's by little; only its where it fails."""
    answers = [answer({**messages[0], "timeout": deadline.left()})]
    if "error" not in answers[0]:
        answers += [answer({**one, "timeout": min(_ALONG_SECONDS, deadline.left())}) for one in messages[1:]]
    return answers


class _Clusters:
    """What Patroni tells of each group's cluster. All are asked at the same time.

    :param groups: addresses of members' REST interfaces, by group.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], deadline: Deadline) -> None:
        self._deadline = deadline
        self._found: dict[str, Any] = dict.fromkeys(groups)
        self._threads = [
            threading.Thread(target=self._ask, args=(group, addresses), daemon=True)
            for group, addresses in groups.items()
        ]
        for thread in self._threads:
            thread.start()

    def found(self) -> dict[str, Any]:
        """By group; None where nobody answers.

        :raises DeadlineExceeded: when it takes too long.
        """
        for thread in self._threads:
            thread.join(self._deadline.check("asking the groups"))
        self._deadline.check("asking the groups")
        return self._found

    def _ask(self, group: str, addresses: Sequence[str]) -> None:
        for number, address in enumerate(addresses):
            # Whoever is silent shall leave time for all who come after it.
            share = self._deadline.left() / (1 + len(addresses) - number)
            message = {"method": "GET", "path": "/cluster", "url_host": address}
            try:
                answered = _rest(message, Deadline(min(_REST_SECONDS, share)))
            except (RestUnreachable, DeadlineExceeded):
                continue
            if answered["status"] == 200:
                self._found[group] = answered["body"]
                return


def _target(request: Mapping[str, Any]) -> Target:
    """The container's own server; what the request leaves open, the image's environment says."""
    return Target(
        port=request.get("port") or int(os.environ.get("PGPORT", "5432")),
        socket_dir=os.environ.get("PGHOST", "/var/run/postgresql"),
        user=request.get("user") or os.environ.get("POSTGRES_USER") or "postgres",
        dbname=request.get("dbname") or "postgres",
    )
