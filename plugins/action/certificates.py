# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module certificates: the authority and the keys' making are the controller's."""
from __future__ import annotations

from contextlib import suppress
from typing import Any, Collection, Mapping

from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    AuthorityFailed,
    InvalidInput,
    NameConflict,
)
from ansible_collections.howdah.postgresql.plugins.modules import volume_files
from ansible_collections.howdah.postgresql.plugins.plugin_utils._action import HowdahAction
from ansible_collections.howdah.postgresql.plugins.plugin_utils._authority import (
    Authority,
    Issued,
    end_of,
    issuer_of,
    locked,
    pair_of,
)

# As in _quick.py: once, and not in the process of each task and host.
with suppress(ImportError):
    import cryptography.x509  # noqa: F401  # pylint: disable=unused-import
    import docker  # noqa: F401  # pylint: disable=unused-import

_TRUST = "tls/ca.crt"
_CERT = "tls/node.crt"
_KEY = "tls/node.key"
_PEM = "tls/node.pem"
_PAIR = "tls/node.pair"
_ENGINE = ("docker_host", "docker_ca_cert", "docker_client_cert", "docker_client_key")

_FILE: dict[str, Any] = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "secret_content": {"type": "str", "no_log": True},
    "mode": {"type": "str", "default": "0600"},
}
_NODE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "volume": {"type": "str", "required": True},
    "container": {"type": "str"},
    "alt_names": {"type": "list", "elements": "str", "default": []},
    "pem": {"type": "bool", "default": False},
    "signal": {"type": "str"},
    "healthy_after": {"type": "bool", "default": False},
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
}
ARGUMENT_SPEC: dict[str, Any] = {
    **{name: {"type": "str", "no_log": False} for name in _ENGINE},
    "authority": {"type": "path", "required": True},
    "authority_name": {"type": "str", "default": "howdah"},
    "replace_authority": {"type": "bool", "default": False},
    "nodes": {"type": "list", "elements": "dict", "required": True, "options": _NODE},
    "days": {"type": "int", "default": 365},
    "renew_before": {"type": "int", "default": 60},
    "renew_all": {"type": "bool", "default": False},
    "owner": {"type": "int", "default": 999},
    "group": {"type": "int", "default": 999},
    "image": {"type": "str"},
    "timeout": {"type": "float", "default": 60},
}


class ActionModule(HowdahAction):
    """Action plugin of howdah.postgresql.certificates."""

    TRANSFERS_FILES = False
    libraries = ("docker",)

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        params = self.validated(ARGUMENT_SPEC).validated_parameters
        if not 0 <= params["renew_before"] < params["days"]:
            raise InvalidInput("renew_before must be less than days, or every run would renew the certificates.")
        nodes: list[dict[str, Any]] = params["nodes"]
        seen = self._volumes(params, [_volume(node, [], look=True) for node in nodes], task_vars, check=True)
        if seen.get("failed"):
            return seen

        authority, created = self._authority(params, seen["volumes"])
        issued, reasons = _issue(authority, params, seen["volumes"])
        due = created or any(reasons) or any(found["contents"][_TRUST] != authority.pem for found in seen["volumes"])
        if due or seen["changed"]:
            files = [_files(authority, one, node["pem"]) for one, node in zip(issued, nodes)]
            volumes = [_volume(node, extra) for node, extra in zip(nodes, files)]
            result = self._volumes(params, volumes, task_vars, check=self._task.check_mode)
        else:
            result = dict(seen)
        if created:
            result["actions"] = [f"create authority {params['authority']}", *result["actions"]]
            result["changed"] = True
        result["authority"] = {
            "path": params["authority"],
            "created": created,
            "fingerprint": authority.fingerprint,
            "not_after": authority.not_after.isoformat(),
        }
        if not result.get("failed"):
            ends = [found["contents"][_CERT] for found in seen["volumes"]]
            done = result.pop("volumes")
            result["nodes"] = [_told(*one) for one in zip(nodes, done, issued, reasons, ends)]
        return result

    def _authority(self, params: Mapping[str, Any], found: list[dict[str, Any]]) -> tuple[Authority, bool]:
        """The authority of the folder, and whether it is a new one."""
        folder = params["authority"]
        authority = Authority.load(folder)
        if not params["replace_authority"]:
            served = {volume["volume"]: volume["contents"][_CERT] for volume in found if volume["contents"][_CERT]}
            _refuse_strangers(served, authority.names if authority else {params["authority_name"]}, params)
            if authority is None and served:
                raise AuthorityFailed(
                    f"There is no authority in {folder} on the controller, but {', '.join(served)} has certificates of"
                    " one. Nodes that trust different authorities shut each other out: copy the folder from the"
                    " controller that made it. If it is lost, all nodes need new certificates, and have to be removed"
                    " for that: docs/operations.md (Another authority) has the three commands. Nothing was changed."
                )
        if authority is not None:
            return authority, False
        if self._task.check_mode:
            return Authority.create(params["authority_name"]), True
        with locked(folder):
            authority = Authority.load(folder)  # hosts are worked on at the same time
            if authority is not None:
                return authority, False
            authority = Authority.create(params["authority_name"])
            authority.store(folder)
        return authority, True

    def _volumes(
        self, params: Mapping[str, Any], volumes: list[dict[str, Any]], task_vars: dict[str, Any], check: bool
    ) -> dict[str, Any]:
        """Run the module volume_files on the host."""
        args = {name: params[name] for name in (*_ENGINE, "owner", "group", "image", "timeout") if params[name]}
        done = self.in_process(volume_files, {**args, "volumes": volumes}, check)
        if done is not None:
            return done
        # Keys go through a pipe: without this, Ansible writes a module and its arguments into files on the way.
        if self._connection.has_option("pipelining"):
            self._connection.set_option("pipelining", True)
        own = self._task.check_mode
        self._task.check_mode = check
        try:
            answer: dict[str, Any] = self._execute_module(
                module_name="howdah.postgresql.volume_files",
                module_args={**args, "volumes": volumes},
                task_vars=task_vars,
            )
        finally:
            self._task.check_mode = own
        answer.pop("invocation", None)
        return answer


def _volume(node: Mapping[str, Any], more: list[dict[str, Any]], look: bool = False) -> dict[str, Any]:
    """What volume_files is asked of a node."""
    given = [{name: value for name, value in file.items() if value is not None} for file in node["files"]]
    asked: dict[str, Any] = {name: node[name] for name in ("volume", "healthy_after")}
    asked["files"] = [*more, *given]
    asked.update({name: node[name] for name in ("container", "signal") if node[name] is not None})
    if look:
        asked["contents"] = [_TRUST, _CERT, _PAIR]
    return asked


def _refuse_strangers(served: Mapping[str, str], trusted: Collection[str], params: Mapping[str, Any]) -> None:
    """Two clusters whose hosts are called alike must not take each other's containers.

    :param served: the certificates that there are, by volume.
    :param trusted: the names of the authorities whose certificates are this cluster's.
    :raises NameConflict: when one is of another authority.
    """
    issuers = {volume: issuer_of(certificate) for volume, certificate in served.items()}
    strange = [volume for volume, issuer in issuers.items() if issuer and issuer not in trusted]
    if strange:
        issuer = issuers[strange[0]]
        raise NameConflict(
            f"{', '.join(strange)}: the certificate there is of an authority that is called {issuer}, and not"
            f" {params['authority_name']} (cluster_name). If {issuer} is this cluster's name, correct cluster_name; if"
            f" it is this cluster's authority, copy its ca.crt and ca.key to {params['authority']} on the controller."
            " Otherwise it is another cluster's: on an engine, the hosts of all inventories are called differently,"
            " repositories of backups and proxies, too. What a cluster has left that is gone: docker volume rm"
            f" {strange[0]}. Nothing of it was changed."
        )


def _issue(
    authority: Authority, params: Mapping[str, Any], found: list[dict[str, Any]]
) -> tuple[list[Issued | None], list[str]]:
    """For each node the new certificate, if it needs one, and why."""
    issued: list[Issued | None] = []
    reasons = []
    for node, volume in zip(params["nodes"], found):
        names = sorted({node["name"], *node["alt_names"]})
        contents, digests = volume["contents"], volume["digests"]
        fits = contents[_PAIR] == pair_of(digests.get(_CERT), digests.get(_KEY))
        if node["pem"]:
            fits = fits and _PEM in digests
        why = authority.why_renew(node["name"], names, params["renew_before"], contents[_CERT], fits)
        why = why or ("all are to be renewed" if params["renew_all"] else "")
        reasons.append(why)
        issued.append(authority.issue(node["name"], names, params["days"]) if why else None)
    return issued, reasons


def _files(authority: Authority, issued: Issued | None, pem: bool) -> list[dict[str, Any]]:
    """What a node gets. The pair comes last: without it, a run that was cut off is seen by the next one."""
    trust = [{"path": _TRUST, "content": authority.pem, "mode": "0644"}]
    if issued is None:
        return trust
    return [
        *trust,
        {"path": _KEY, "secret_content": issued.key, "mode": "0600"},
        {"path": _CERT, "content": issued.certificate, "mode": "0644"},
        *([{"path": _PEM, "secret_content": issued.certificate + issued.key, "mode": "0600"}] if pem else []),
        {"path": _PAIR, "content": issued.pair, "mode": "0644"},
    ]


def _told(
    node: Mapping[str, Any], done: Mapping[str, Any], issued: Issued | None, why: str, former: str | None
) -> dict[str, Any]:
    """A node's entry in the result."""
    certificate = issued.certificate if issued else former
    return {
        "name": node["name"],
        "renewed": issued is not None,
        "reason": why,
        "not_after": end_of(certificate) if certificate else None,
        "written": done["written"],
        "signalled": done["signalled"],
    }
