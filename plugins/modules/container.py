#!/usr/bin/python
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Run a container, exactly as described
version_added: 1.0.0
author: ["howdah.postgresql authors (@howdah)"]
description:
  - Creates, changes, starts, stops, restarts and removes a container, or several at a time.
  - Compares what is asked for with what was asked for when the container was made, and with what the engine reports.
    Both comparisons are exact, so that removed variables, labels, volumes and capabilities are seen, too.
  - Changes memory, CPUs, the restart policy and networks (but for the first one) of the running container. For
    anything else the container is replaced - the former one goes when the new one serves, and comes back if not.
  - Waits for the container on the engine's events, and fails at once, with its last log lines, when it exits, is
    restarted by the engine or becomes unhealthy.
  - A container that was made by other means is taken over as it is, and replaced only where it differs.
extends_documentation_fragment:
  - howdah.postgresql.attributes
  - howdah.postgresql.attributes.docker
  - howdah.postgresql.docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Values of environment variables whose names tell of secrets (password, token, key and the like) are hidden.
  idempotent:
    support: partial
    details: O(state=restarted) restarts each time.
options:
  name:
    description: Name of the container. Exactly one of O(name) and O(containers) is needed.
    type: str
  image: &image
    description:
      - Name of the image. It must be on the engine.
      - When the image of that name is another one than the container was made of, the container is replaced,
        whatever O(drift) says.
      - Without it only the state of an existing container is changed.
    type: str
  state:
    description: What the container is to be.
    type: str
    default: started
    choices:
      present: It exists as described. It is not started, and not stopped either.
      started: It exists as described, and runs.
      stopped: It exists as described, and does not run.
      restarted: It exists as described, and has been started anew by this task.
      absent: It does not exist. Its networks and volumes stay, but for O(remove_networks) and O(remove_volumes).
  command: &command
    description: Command and its arguments. Default is the image's.
    type: list
    elements: str
  env: &env
    description:
      - Environment variables. Values that are not strings or whole numbers must be quoted.
      - Variables that were removed here are removed from the container, unless they are the image's.
    type: dict
  bootstrap_env: &bootstrap_env
    description:
      - Environment variables that are given to the container when it is made, and never compared.
      - Meant for secrets that count at the first start only. Ansible masks their values wherever they occur in
        its output, so leave short and common words to O(env).
    type: dict
  user: &user
    description: User, or user and group, that the container runs as. Default is the image's.
    type: str
  hostname: &hostname
    description: Host name inside the container. Default is the engine's choice.
    type: str
  ports: &ports
    description:
      - Ports to publish, as C([host_ip:]host_port:container_port[/proto]), for example V(5432:5432),
        V(0.0.0.0:5432:5432) or V([::1]:5432:5432).
      - Without an address a port is published on 127.0.0.1 only, as published ports bypass the host's firewall.
    type: list
    elements: str
  volumes: &volumes
    description:
      - Volumes and paths of the host to mount, as C(name_or_/path:/target[:ro]).
      - Volumes that do not exist are created. Paths must exist.
      - Volumes that the engine made for the image's C(VOLUME) stay with the container when it is replaced.
    type: list
    elements: str
  tmpfs: &tmpfs
    description: File systems in memory, as C(/path[:options]), for example V(/run:size=16m,mode=0755).
    type: list
    elements: str
  networks: &networks
    description:
      - User networks that the container is attached to, and to no other. Default is the engine's bridge.
      - Networks that do not exist are created, as bridges.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
      aliases:
        description: Further names of the container in that network.
        type: list
        elements: str
      ipv4_address:
        description: A fixed IPv4 address. The network must exist and have a subnet of its own.
        type: str
      ipv6_address:
        description: A fixed IPv6 address. The network must exist and have an IPv6 subnet of its own.
        type: str
  network_mode: &network_mode
    description: V(host) for the network of the engine's host, V(none) for no network. Excludes O(networks).
    type: str
    choices: [host, none]
  shm_size: &shm_size
    description: Size of C(/dev/shm), for example V(256m). Default is the engine's, mostly 64 MiB.
    type: str
  memory: &memory
    description: Limit of memory, for example V(2g). Default is none. An engine that would not hold to it is an error.
    type: str
  cpus: &cpus
    description: Limit of CPUs, for example V(1.5). Default is none.
    type: float
  ulimits: &ulimits
    description: Limits of processes, as C(name=soft[:hard]), for example V(nofile=65536).
    type: list
    elements: str
  sysctls: &sysctls
    description: Kernel parameters of the container's namespaces.
    type: dict
  read_only: &read_only
    description: Whether the root file system is read-only. Default is V(false).
    type: bool
  cap_drop: &cap_drop
    description: Capabilities to drop, or V(ALL).
    type: list
    elements: str
  cap_add: &cap_add
    description: Capabilities to add.
    type: list
    elements: str
  devices: &devices
    description: Devices of the host, as C(/dev/host[:/dev/container][:rwm]), owner and mode as there.
    type: list
    elements: str
  security_opt: &security_opt
    description: Security options, for example V(no-new-privileges).
    type: list
    elements: str
  init: &init
    description: Whether the engine's init runs as process 1. Default is the engine's.
    type: bool
  stop_signal: &stop_signal
    description: Signal that stops the container, for example V(SIGINT). Default is the image's, else SIGTERM.
    type: str
  stop_timeout: &stop_timeout
    description:
      - Seconds, 0 or more, from the stop signal to the kill, whoever stops it. Default is the engine's, 10.
      - When this module stops the container, what is left of O(timeout) bounds it as well.
    type: int
  restart_policy: &restart_policy
    description: When the engine restarts the container - V(no), V(always), V(unless-stopped) or V(on-failure[:n]).
      Default is V(no).
    type: str
  healthcheck: &healthcheck
    description: How the engine tells whether the container is healthy. What is not given, or is 0, is the image's.
    type: dict
    suboptions:
      test:
        description: A command line for the container's shell, or a list of a program and its arguments.
        type: raw
      interval:
        description: Time between two checks, for example V(5s).
        type: str
      timeout:
        description: Time that a check may take, for example V(3s).
        type: str
      retries:
        description: Number of failed checks in a row that make the container unhealthy.
        type: int
      start_period:
        description: Time after the start during which failed checks do not count, for example V(1m30s).
        type: str
      disabled:
        description: Whether there is no health check, not even the image's.
        type: bool
        default: false
  log_driver: &log_driver
    description: Log driver. Default is the engine's.
    type: str
  log_options: &log_options
    description: Options of the log driver.
    type: dict
  labels: &labels
    description: Labels.
    type: dict
  hosts: &hosts
    description: Further entries of C(/etc/hosts), host name to address.
    type: dict
  image_pending:
    description:
      - Whether a task before this one builds O(image) anew, and in check mode has only said so.
      - Counts in check mode only. The container is then planned to be made of the new image, whose ID is not
        known yet; that the engine does not have the image at all is no failure.
    type: bool
    default: false
  drift:
    description:
      - What to do when the container differs from its description although the description is the same
        as when the container was made, that is, when somebody else changed or made it.
      - Memory, CPUs, restart policy and networks are always put right.
    type: str
    default: recreate
    choices:
      recreate: Replace it.
      warn: Leave it, with a warning.
      ignore: Leave it.
  wait:
    description:
      - Whether to wait until a container that is to run is healthy or, without a health check, has run for
        O(stable_for) seconds.
    type: bool
    default: true
  stable_for:
    description: Seconds that a container without a health check must run.
    type: float
    default: 1
  timeout:
    description: Limit in seconds for the whole task. Undoing a failed change may take some seconds more.
    type: float
    default: 60
  remove_volumes: &remove_volumes
    description: Names of volumes to remove with O(state=absent). No others are removed.
    type: list
    elements: str
  remove_networks: &remove_networks
    description: Networks to remove with O(state=absent), if this module made them, once nobody else is attached.
    type: list
    elements: str
  keep_on_failure:
    description:
      - Whether a new container that fails is left for inspection, with its networks and volumes.
      - When it was to replace another one, it is left stopped, under its name with C(.howdah-new) appended,
        until the next run of the task.
    type: bool
    default: false
  containers:
    description:
      - Several containers in one call, worked on side by side. Each takes nearly all the options of the task; one that
        it does not give itself counts as the task gives it.
      - A container that fails does not keep the others from their work, but fails the task in the end.
      - Networks and volumes that do not exist are created first, once for all of them, and removed last.
      - As they are worked on at the same time, none may need a port or an address that another one gives up.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the container.
        type: str
        required: true
      image: *image
      state:
        description: As O(state), for this container.
        type: str
        choices: [present, started, stopped, restarted, absent]
      command: *command
      env: *env
      bootstrap_env: *bootstrap_env
      user: *user
      hostname: *hostname
      ports: *ports
      volumes: *volumes
      tmpfs: *tmpfs
      networks: *networks
      network_mode: *network_mode
      shm_size: *shm_size
      memory: *memory
      cpus: *cpus
      ulimits: *ulimits
      sysctls: *sysctls
      read_only: *read_only
      cap_drop: *cap_drop
      cap_add: *cap_add
      devices: *devices
      security_opt: *security_opt
      init: *init
      stop_signal: *stop_signal
      stop_timeout: *stop_timeout
      restart_policy: *restart_policy
      healthcheck: *healthcheck
      log_driver: *log_driver
      log_options: *log_options
      labels: *labels
      hosts: *hosts
      image_pending:
        description: As O(image_pending), for this container.
        type: bool
      drift:
        description: As O(drift), for this container.
        type: str
        choices: [recreate, warn, ignore]
      wait:
        description: As O(wait), for this container.
        type: bool
      stable_for:
        description: As O(stable_for), for this container.
        type: float
      remove_volumes: *remove_volumes
      remove_networks: *remove_networks
      keep_on_failure:
        description: As O(keep_on_failure), for this container.
        type: bool
seealso:
  - module: howdah.postgresql.container_info
  - module: howdah.postgresql.image
"""

EXAMPLES = r"""
- name: A PostgreSQL server
  howdah.postgresql.container:
    name: pg1
    image: howdah/postgresql:15-bookworm
    ports: ["5432:5432"]
    volumes: ["pg1-data:/var/lib/postgresql/data"]
    tmpfs: [/tmp, /run/postgresql]
    read_only: true
    cap_drop: [ALL]
    security_opt: [no-new-privileges]
    shm_size: 256m
    restart_policy: unless-stopped
    stop_timeout: 60
    bootstrap_env: {POSTGRES_PASSWORD: "{{ verifier }}"}

- name: Three members, side by side
  howdah.postgresql.container:
    image: example/member:1
    networks: [{name: members}]
    containers:
      - {name: member1, env: {MEMBER: 1}}
      - {name: member2, env: {MEMBER: 2}}
      - {name: member3, env: {MEMBER: 3}}

- name: Restart it, as it is
  howdah.postgresql.container: {name: pg1, state: restarted}

- name: Remove it with its data, and the network if nobody else is on it
  howdah.postgresql.container: {name: pg1, state: absent, remove_volumes: [pg1-data], remove_networks: [members]}
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order, with the reasons.
  returned: always
  type: list
  elements: str
  sample: ["recreate container pg1: image"]
container:
  description: The container, as M(howdah.postgresql.container_info) returns it. In check mode, as it was before.
  returned: O(name) is given, and the container could be looked at
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    exists:
      description: Whether it exists. If not, there is nothing but the name besides.
      type: bool
      returned: always
    id:
      description: Its ID.
      type: str
      returned: when it exists
    state:
      description: V(created), V(running), V(paused), V(restarting), V(exited) or V(dead).
      type: str
      returned: when it exists
    health:
      description: V(starting), V(healthy) or V(unhealthy); empty without a health check.
      type: str
      returned: when it exists
ready_after:
  description: Seconds from the start of the container until it was healthy.
  returned: when it was started, and waited for
  type: float
containers:
  description: The containers in the order of O(containers), each with what the task returns for a single one.
  returned: O(containers) is given
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    changed:
      description: Whether anything was done to it.
      type: bool
      returned: always
    actions:
      description: As RV(actions), for this container.
      type: list
      elements: str
      returned: always
    failed:
      description: Whether it failed. If so, RV(error), RV(code) and the like of it are here, and its C(msg).
      type: bool
      returned: always
    container:
      description: As RV(container).
      type: dict
      returned: unless it could not be looked at
failed_containers:
  description: Names of the containers that failed. RV(error) and RV(code) are those of the first.
  returned: when containers of O(containers) failed
  type: list
  elements: str
error:
  description: Name of the kind of failure, for example V(container_failed), V(port_taken), V(timeout).
  returned: failure
  type: str
code:
  description: Number of the kind of failure, for example V(1301), V(1302), V(1002).
  returned: failure
  type: int
logs:
  description: Last log lines of a container that failed. Lines in JSON are returned as severity and message.
  returned: when a container failed
  type: list
  elements: str
rolled_back:
  description: Whether a running container was to be replaced, and runs again because the new one failed.
  returned: when it does
  type: bool
kept:
  description: Name of the failed container, when O(keep_on_failure) has kept it.
  returned: when it is kept
  type: str
exit_code:
  description: Exit code of a container that failed.
  returned: when a container exited
  type: int
"""

from typing import Any, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import container_list, reconcile
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import REQUIRED_TOGETHER
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.container_options import (
    ARGUMENT_SPEC as OPTIONS,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.container_options import (
    MUTUALLY_EXCLUSIVE,
    REQUIRED_ONE_OF,
    each,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._shell import Report, run

RULES: dict[str, Any] = {
    "mutually_exclusive": MUTUALLY_EXCLUSIVE,
    "required_one_of": REQUIRED_ONE_OF,
    "required_together": REQUIRED_TOGETHER,
}


def work(params: Mapping[str, Any], deadline: Deadline, report: Report) -> None:
    options = each(params)
    for given in options:
        given["image_pending"] = given["image_pending"] and report.check_mode
        secrets = (value for name, value in (given["env"] or {}).items() if reconcile.secret_name(str(name)))
        report.mask(*map(str, secrets))
    wishes = container_list.parse(options)
    outcomes = container_list.work(params, wishes, deadline, report.check_mode)
    for outcome in outcomes:
        for warning in outcome.decided.warnings if outcome.decided else ():
            report.warn(warning)
    if params["containers"] is None:
        report.plan(outcomes[0].plan)
        report.add(**outcomes[0].facts)
        if outcomes[0].error is not None:
            raise outcomes[0].error
        return
    report.plan(container_list.combined(outcomes))
    report.add(containers=[outcome.result() for outcome in outcomes])
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        container_list.fail(failed, len(outcomes))


def main() -> None:
    run(work, OPTIONS, RULES)


if __name__ == "__main__":
    main()
