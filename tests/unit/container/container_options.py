# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as the module hands them over, and specs made at random: shared by unit and integration tests."""
from __future__ import annotations

import os
from typing import Any

from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import (
    container_apply,
    container_decide,
    reconcile,
    spec,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.container_options import ARGUMENT_SPEC
from hypothesis import strategies as st


def params(name: str = "box", **given: Any) -> dict[str, Any]:
    """All options of the module, those not given at their defaults."""
    options = {option: entry.get("default") for option, entry in ARGUMENT_SPEC.items()}
    options["docker_host"] = os.environ.get("DOCKER_HOST", options["docker_host"])
    return {**options, "name": name, "image": "img", "stable_for": 0.0, **given}


def run(client: Any, options: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    """What the module does between its arguments and its result; the result's part that the plan gives."""
    wish, deadline = spec.parse(options), Deadline(options["timeout"])
    _observed, decided = container_decide.decide(client, wish, deadline)
    if not check_mode and (decided.plan.changed or reconcile.must_wait(wish, decided)):
        container_apply.apply(client, wish, decided, deadline)
    return decided.plan.result()


_words = st.text("abcXYZ019 =ü$'\"", min_size=0, max_size=8)
_names = st.sampled_from(["A", "B", "LANG", "MY_TOKEN"])


def given_options(volume_prefix: str, image_user: str = "postgres") -> st.SearchStrategy[dict[str, Any]]:
    """Options of the module that every engine accepts, ports and networks left to the caller."""
    return st.fixed_dictionaries(
        {},
        optional={
            "env": st.dictionaries(_names, _words, max_size=3),
            "user": st.sampled_from([image_user, "0:0", "1000"]),
            "hostname": st.sampled_from(["one", "two"]),
            "volumes": st.lists(
                st.sampled_from([f"{volume_prefix}1:/data", f"{volume_prefix}2:/more:ro", "/tmp:/host:ro"]),
                unique=True,
            ),
            "tmpfs": st.sampled_from([[], ["/run"], ["/run:size=1m,mode=0755", "/scratch/"]]),
            "shm_size": st.sampled_from(["64m", "1 MiB"]),
            "memory": st.sampled_from(["64m", "0.125g"]),
            "cpus": st.sampled_from([0.5, 1.0]),
            "ulimits": st.sampled_from([[], ["nofile=1024"], ["nofile=512:1024", "core=0"]]),
            "sysctls": st.sampled_from([{}, {"net.ipv4.ip_local_port_range": "20000 40000"}]),
            "read_only": st.booleans(),
            "cap_drop": st.sampled_from([[], ["ALL"], ["cap_chown", "KILL"], ["KILL", "CHOWN"]]),
            "cap_add": st.sampled_from([[], ["CHOWN"]]),
            "devices": st.sampled_from([[], ["/dev/null:/dev/other:rw"]]),
            "security_opt": st.sampled_from([[], ["no-new-privileges"], ["no-new-privileges:true"]]),
            "init": st.booleans(),
            "stop_signal": st.sampled_from(["SIGINT", "term", "9"]),
            "stop_timeout": st.integers(1, 3),
            "restart_policy": st.sampled_from(["no", "always", "unless-stopped", "on-failure", "on-failure:3"]),
            "healthcheck": st.sampled_from(
                [{"disabled": True}, {"test": ["true"], "interval": "1s"}, {"test": "true", "retries": 2}]
            ),
            "log_driver": st.sampled_from(["json-file", "local"]),
            "log_options": st.sampled_from([{}, {"max-size": "1m"}]),
            "labels": st.dictionaries(st.sampled_from(["a", "b.c"]), _words, max_size=2),
            "hosts": st.sampled_from([{}, {"db": "127.0.0.2", "v6": "::1"}]),
        },
    )
