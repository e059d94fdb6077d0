#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_config
short_description: Bring about the dynamic configuration of a Patroni cluster
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Reads the configuration that a cluster's members share, compares it in depth with what is declared, and sends the
    difference in one request.
  - A setting that the server does not know is refused before anything changes; those of extensions, which have a dot,
    are not looked at.
  - Then looks whether the server has the settings. Patroni answers with success even to settings that it drops, for
    example because a member's own configuration beats them; here that is a failure which names them.
  - Settings that need a restart count as taken; M(howdah.postgresql.patroni_restart) does the restarts.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.patroni
  - howdah.postgresql.docker
  - howdah.postgresql.patroni
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Values of settings whose names tell of secrets (password, key and the like) are hidden.
  idempotent:
    support: full
options:
  config:
    description:
      - The part of the configuration that is to be as declared, in the structure that Patroni has it in.
      - What is not named stays as it is, unless O(tracked) or O(exact_parameters) is set; what is V(null) is removed.
    type: dict
    required: true
  exact_parameters:
    description: Whether settings below C(postgresql.parameters) that are not named are removed.
    type: bool
    default: false
  tracked:
    description:
      - Whether settings that were declared before, and are not any more, are removed. What was declared is noted in the
        configuration itself, below C(howdah). Where there is no note yet, nothing is removed.
      - What others have set, or this module without the option, stays.
    type: bool
    default: false
  members:
    description:
      - Names of all members that the cluster is to have. If they are given, the module first waits until the cluster is
        whole, as M(howdah.postgresql.patroni_wait) does. In check mode it does nothing more where the cluster is not.
      - A cluster that has further members is refused, before anything changes; one whose container was removed is
        waited for until its lease has ended.
    type: list
    elements: str
  leaving:
    description: Names of members that are about to leave; they may still be there.
    type: list
    elements: str
    default: []
  reloaded:
    description:
      - Names of members that were just told to read their own settings anew. They do so before the next round, and
        only then tell what waits for a restart; so two rounds of each are waited for.
    type: list
    elements: str
    default: []
  watched:
    description: Names of further containers on this engine; waiting ends when one of them does.
    type: list
    elements: str
    default: []
  timeout:
    description: Limit in seconds for the whole task, waiting until the server has the settings included.
    type: float
    default: 60
seealso:
  - module: howdah.postgresql.patroni_restart
"""

EXAMPLES = r"""
- name: Declared configuration
  howdah.postgresql.patroni_config:
    containers: [pg1, pg2, pg3]
    config:
      ttl: 20
      postgresql:
        parameters:
          work_mem: 16MB
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["set postgresql.parameters.work_mem: 4MB becomes 16MB"]
ready:
  description: Whether the cluster is whole. In check mode it may not be.
  returned: success, with O(members)
  type: bool
leader:
  description: Name of the leader.
  returned: success
  type: str
pending:
  description: Names of the members whose settings wait for a restart; in check mode also those whose will.
  returned: success
  type: list
  elements: str
dropped:
  description: Settings that the server does not have as declared, each with what it has instead.
  returned: failure with V(settings_dropped)
  type: dict
error:
  description: Name of the kind of failure, for example V(rest_unreachable), V(no_leader), V(patroni_refused).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1500), V(1504), V(1501).
  returned: failure
  type: int
"""

import time
from typing import Any, Mapping, Sequence

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    MembersUndeclared,
    NoLeader,
    RestUnreachable,
    SettingsDropped,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import client
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni import dynamic, rest, waiting
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.cluster import Cluster, undeclared
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

OPTIONS: dict[str, Any] = {
    **client.ARGUMENT_SPEC,
    **rest.ARGUMENT_SPEC,
    "config": {"type": "dict", "required": True},
    "exact_parameters": {"type": "bool", "default": False},
    "tracked": {"type": "bool", "default": False},
    "members": {"type": "list", "elements": "str"},
    "leaving": {"type": "list", "elements": "str", "default": []},
    "reloaded": {"type": "list", "elements": "str", "default": []},
    "watched": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 60},
}
RULES: dict[str, Any] = {"required_together": client.REQUIRED_TOGETHER}
# So long is a member listed whose container was removed: the lease (ttl, 20 s in the role), and Patroni's next round.
_LEASE_SECONDS = 30.0
_PAUSE = 0.3
# Members look at the configuration once in their loop; this much later, they have done what they will.
_MARGIN_SECONDS = 5.0


def _verify(
    patroni: rest.Rest, config: Mapping[str, Any], patience: float, deadline: Deadline, seen: Cluster | None = None
) -> Cluster:
    """Wait until the settings are in force, or wait for a restart.

    :param patience: seconds that they may take.
    :param seen: the cluster as it was a moment ago, if nothing was done since.
    :raises SettingsDropped: when some are not.
    """
    wanted = dynamic.parameters(config)
    until = deadline.elapsed() + patience
    while True:
        cluster, seen = seen or patroni.cluster(), None
        if not wanted:
            return cluster
        place = _place(patroni, cluster)
        told = patroni.command(place, _shown(wanted))
        member = cluster.member(place)
        pending = member.pending if member else ()
        unsettled = dynamic.unsettled(wanted, told["settings"], pending, told.get("settings_unlike"))
        # Each notices by itself that it waits for a restart. As long as only some have, a leader would be taken for the
        # only one to be restarted, and hand over to a member that has yet to be.
        noticed = {one.pending_restart for one in cluster.members if one.serves}
        if not unsettled and (len(noticed) < 2 or deadline.elapsed() >= until):
            return cluster
        if deadline.elapsed() >= until:
            listed = "; ".join(f"{name}: {why}" for name, why in unsettled.items())
            raise SettingsDropped(
                f"{place} does not have settings as declared ({listed}). Patroni drops what the server does not know;"
                " and what a member sets itself (POSTGRESQL_CONFIG_*, patroni.yml) goes before. Its log tells which.",
                dropped=unsettled,
            )
        time.sleep(min(_PAUSE, max(0.01, deadline.check("waiting for the settings to be in force"))))


def _shown(wanted: Mapping[str, str]) -> dict[str, Any]:
    """The agent's request for what a server has, and whether that is as wanted."""
    return {"command": "info", "settings": list(wanted), "declared": dict(wanted)}


def _place(patroni: rest.Rest, cluster: Cluster) -> str:
    """Whom to ask for settings. Any member will do: they share the configuration."""
    leader = cluster.need_leader()
    # Where it is at hand, it is the first to have it.
    return leader.name if leader.name in patroni.containers else patroni.containers[0]


def _look_ahead(
    patroni: rest.Rest, changed: Mapping[str, str | None], cluster: Cluster
) -> tuple[list[str], list[str]]:
    """Those of the settings that change which servers take over only when they start, and those that this one does not
    have yet.

    :param changed: settings that change, with their values to be; None for what goes.
    :raises SettingsDropped: for what no server has, before Patroni stores it.
    """
    place = _place(patroni, cluster)
    values = {name: value for name, value in changed.items() if value is not None}
    told = patroni.command(place, {**_shown(values), "settings": list(changed), "wanted": values})
    have, unlike = told["settings"], told.get("settings_unlike")
    unknown = [name for name, value in changed.items() if value is not None and "." not in name and have[name] is None]
    if unknown:
        # An image that is older than this tells neither.
        similar = told.get("settings_similar", {})
        named = ", ".join(f"{name} ({similar[name]}?)" if name in similar else name for name in sorted(unknown))
        raise SettingsDropped(
            f"The server of {place} does not know {named}, and Patroni would drop it."
            " The cluster's configuration was not changed.",
            dropped=dict.fromkeys(unknown, dynamic.UNKNOWN),
        )
    refused = told.get("settings_refused", {})
    if refused:
        raise SettingsDropped(
            f"The server of {place} refuses {'; '.join(refused.values())}. Patroni would have it do without."
            " The cluster's configuration was not changed.",
            dropped=refused,
        )
    restart = told.get("settings_restart", [])
    ahead = [
        name
        for name in restart
        if (value := changed[name]) is None or dynamic.differs(name, value, have[name], unlike)
    ]
    return restart, ahead


def _await_rounds(patroni: rest.Rest, names: Sequence[str], patience: float, deadline: Deadline) -> None:
    """Wait until these members have read their settings, and told what waits for a restart.

    Patroni does not tell that it has read them. It does so before a round, and looks into the DCS in each: the second
    look from now on is of a round that began after the signal.

    :param patience: seconds after which a member that does not tell is let be.
    """
    until = deadline.elapsed() + patience
    looks: dict[str, set[int]] = {name: set() for name in names}
    while deadline.elapsed() < until:
        cluster = patroni.cluster()
        for name in looks:
            member = cluster.member(name)
            try:
                _status, told = patroni.ask("GET", "/patroni", member.rest) if member else (0, None)
            except RestUnreachable:  # it may have told another address than it has
                told = None
            if isinstance(told, dict) and "dcs_last_seen" in told:
                looks[name].add(told["dcs_last_seen"])
        if all(len(seen) > 2 for seen in looks.values()):
            return
        time.sleep(min(_PAUSE, max(0.01, deadline.check("waiting for members to read their settings"))))


def _refuse_undeclared(
    patroni: rest.Rest, cluster: Cluster, declared: Sequence[str], deadline: Deadline
) -> Cluster:
    """Wait until there are none; the cluster then, which is the given one where that has none."""
    until = deadline.elapsed() + _LEASE_SECONDS
    while True:
        strangers = undeclared(cluster, declared)
        if not strangers:
            return cluster
        if deadline.elapsed() >= until:
            # Where one of them leads, proxies that know only the declared ones would lead nowhere.
            raise MembersUndeclared(
                f"The cluster has members that are not declared: {', '.join(strangers)}. Declare them again; or, to"
                " have them leave, move them to the group `retired` of the inventory.",
                members=strangers,
            )
        time.sleep(min(_PAUSE, max(0.01, deadline.check("waiting for members that are not declared to go"))))
        cluster = patroni.cluster()


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    config = params["config"]
    dynamic.check(config)
    patroni = rest.Rest(params, deadline)
    wanted = dynamic.parameters(config)
    # A cluster that is as declared is seen to be so by one question, as long as that goes to the leader.
    if params["members"] and not params["reloaded"]:
        patroni.ask_along(rest.rest_message("GET", "/config"), *([_shown(wanted)] if wanted else []))
    # What was seen last; each question takes a process in a container.
    seen: Cluster | None = None
    have: dict[str, Any] = {}

    def further(_cluster: Cluster) -> list[str]:
        """After a restore the leader writes the configuration a round later than it is promoted."""
        nonlocal have
        try:
            have = patroni.config()
        except NoLeader:
            return ["it has no configuration yet"]
        return []

    if params["members"]:
        # In check mode the cluster may be yet to come about.
        cluster, ready = waiting.wait(
            patroni, params["members"], params["watched"], deadline, report.check_mode, further
        )
        report.add(ready=ready, leader=None, pending=[])
        if not ready or cluster is None:
            return
        seen = _refuse_undeclared(patroni, cluster, [*params["members"], *params["leaving"]], deadline)
    else:
        have = patroni.config()
    round_seconds = float({**have, **config}.get("loop_wait") or 10)
    if params["reloaded"] and not report.check_mode:
        _await_rounds(patroni, params["reloaded"], 2 * round_seconds + _MARGIN_SECONDS, deadline)
        if params["members"]:  # they may be known at other addresses now
            waiting.wait(patroni, params["members"], params["watched"], deadline, False)
        seen = None
    changes = dynamic.patch(config, have, params["exact_parameters"], params["tracked"])
    report.plan(dynamic.plan(changes, have))
    late: list[str] = []
    restart: list[str] = []
    changed = dynamic.changed_parameters(changes, have)
    if not changes:
        cluster = _verify(patroni, config, 0, deadline, seen)
    else:
        cluster = seen or patroni.cluster()
        if changed:
            late, restart = _look_ahead(patroni, changed, cluster)
            report.plan(dynamic.plan(changes, have, restart))
    if changes and not report.check_mode:
        leader = cluster.need_leader()
        patroni.must("PATCH", "/config", leader.rest, changes, 10, "change the configuration")
        patience = round_seconds + _MARGIN_SECONDS
        if None in changed.values() or late:
            # What the server has by itself is not known, so that nothing else tells when it has that, or waits for it.
            # And where the one that was asked has what is declared, others may yet notice that they have not.
            serving = [member.name for member in cluster.members if member.serves]
            _await_rounds(patroni, serving, round_seconds + patience, deadline)
        cluster = _verify(patroni, config, patience, deadline)
    report.add(
        leader=cluster.leader.name if cluster.leader else None,
        pending=[
            member.name
            for member in cluster.members
            if member.pending_restart or (restart and report.check_mode and member.serves)
        ],
    )


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
