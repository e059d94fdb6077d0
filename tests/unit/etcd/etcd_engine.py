# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the role etcd without an engine: what they would do is noted in a file, which says what there is.

This file stands for each of them, under its name, in a collection that has nothing else but roles and filters.
"""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

# Some options of theirs; what they are given is looked at, and not whether it is allowed.
OPTIONS: dict[str, Any] = {
    name: {"type": "raw"}
    for name in (
        "authority", "authority_name", "containers", "docker_host", "image", "name", "nodes", "peer_url",
        "remove_volumes", "renew_all", "state", "timeout", "wait",
    )
}  # fmt: skip


def entry(world: dict[str, Any], given: dict[str, Any], check: bool, wait: bool) -> dict[str, Any]:
    """What the module container would tell of one container, once it has done what is to be done."""
    name, there = given["name"], world["containers"].get(given["name"])
    actions = []
    if "image" in given:
        volume = given["volumes"][0].split(":")[0]
        if there is None:
            actions = [f"create volume {volume}"] * (volume not in world["volumes"]) + [f"create container {name}"]
        elif there.get("outdated"):
            actions = [f"recreate container {name}"]
    if there is not None and there["state"] == "exited" and given.get("state", "started") == "started":
        actions.append(f"start container {name}")
    result = {"name": name, "changed": bool(actions), "actions": actions, "failed": False,
              "container": {"state": there["state"]} if there else {}}  # fmt: skip
    if check:
        return result
    if actions:
        joins = " (joins)" if "ETCD_INITIAL_CLUSTER_STATE" in (given.get("bootstrap_env") or {}) else ""
        world["log"].append(f"{actions[-1]}{joins}")
        there = world["containers"].setdefault(name, {})
        there["state"] = "running"
    there = there or {"state": "absent"}
    result["container"] = {"state": there["state"]}
    if there["state"] == "absent" or (wait and there["state"] == "running" and name in world["broken"]):
        result |= {"failed": True, "code": 1301, "msg": f"Container {name} does not serve."}
    return result


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    file, kind = Path(os.environ["ETCD_ENGINE"]), Path(__file__).stem
    world, given = json.loads(file.read_text(encoding="utf-8")), module.params
    if "etcd_member" in kind:
        world["log"].append(f"announce {given['name']} to {given['containers'][0]}")
        told: dict[str, Any] = {"changed": True, "actions": ["announce"], "initial_cluster": "all"}
    elif "certificates" in kind or given["state"] == "absent":
        told = {"changed": False}
    else:
        single = given["containers"] is None
        wanted = [{"name": given["name"], "state": given["state"]}] if single else given["containers"]
        found = [entry(world, one, module.check_mode, given["wait"] is not False) for one in wanted]
        told = {"changed": any(one["changed"] for one in found), "containers": found}
        if single:
            told["container"] = found[0]["container"]
        failed = [one for one in found if one["failed"]]
        if failed:
            told |= {"failed": True, "code": 1301, "msg": failed[0]["msg"]}
    if not module.check_mode:
        file.write_text(json.dumps(world), encoding="utf-8")
    if told.get("failed"):
        module.fail_json(**told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
