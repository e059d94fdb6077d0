# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module image_transfer: it keeps the archive."""
from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from ansible.utils.display import Display
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import (
    InvalidInput,
    TransferFailed,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_transfer import (
    ARGUMENT_SPEC,
    REQUIRED_IF,
    Recorded,
    sha256,
)
from ansible_collections.howdah.postgresql.plugins.plugin_utils._action import HowdahAction

_COMPANION = ".json"
_UNFINISHED = ".new"
_MB = 1e6
# Reading what has just been written: a disk that needs longer than this is broken.
_HASH_SECONDS = 600

display = Display()


class ActionModule(HowdahAction):
    """Action plugin of howdah.postgresql.image_transfer."""

    TRANSFERS_FILES = True

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        params = self.validated(ARGUMENT_SPEC, required_if=REQUIRED_IF).validated_parameters
        if params["prepared"] is not None:
            raise InvalidInput("prepared cannot be set: the action plugin does that.")
        if params["state"] in ("pushed", "pulled"):
            return self._module(task_vars, {})
        path = self._loader.path_dwim(params["path"])
        recorded = _recorded(path)
        prepared: dict[str, Any] = {"recorded": recorded.as_dict() if recorded else None}
        act = self._save if params["state"] == "saved" else self._load
        return act(path, prepared, task_vars)

    def _save(self, path: str, prepared: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result = self._module(task_vars, prepared)
        if not result.pop("archive_wanted", False):
            return result
        unfinished = path + _UNFINISHED
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            elsewhere = not self._is_local()
            archive = self._remote_file(b"") if elsewhere else unfinished
            self._tell("saving", task_vars)
            result = self._module(task_vars, {**prepared, "archive": archive})
            made = result.pop("recorded", None)
            if made is None:
                return result
            recorded = Recorded(**made)
            if elsewhere:
                self._tell(f"fetching {recorded.size / _MB:.0f} MB of", task_vars)
                self._connection.fetch_file(archive, unfinished)
                with open(unfinished, "rb") as file:
                    if sha256(file, Deadline(_HASH_SECONDS)) != recorded.sha256:
                        raise TransferFailed("The archive was damaged on its way to the controller: run this again.")
            # In this order a companion never tells of an archive that is not whole.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + _COMPANION)
            os.replace(unfinished, path)
            with open(unfinished, "w", encoding="utf-8") as companion:
                json.dump(recorded.as_dict(), companion)
            os.replace(unfinished, path + _COMPANION)
            return result
        except OSError as error:
            raise TransferFailed(
                f"The archive cannot be kept on the controller as {path}: {error.strerror}.", path=path
            ) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished)

    def _load(self, path: str, prepared: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if self._is_local():
            return self._module(task_vars, {**prepared, "archive": path})
        result = self._module(task_vars, prepared)
        if not result.pop("archive_wanted", False):
            return result
        self._tell(f"sending {os.path.getsize(path) / _MB:.0f} MB of", task_vars)
        return self._module(task_vars, {**prepared, "archive": self._remote_file(path)})

    def _tell(self, doing: str, task_vars: dict[str, Any]) -> None:
        """What takes minutes is not done in silence."""
        if not self._task.no_log:
            display.display(f"{task_vars['inventory_hostname']}: {doing} {self._task.args['name']}")

    def _remote_file(self, content: bytes | str) -> str:
        """A file on the managed host that this login and the module can use; from bytes, or the file of a path."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        remote: str = shell.join_path(shell.tmpdir, "image.tar")
        if isinstance(content, bytes):
            self._transfer_data(remote, content)
        else:
            self._transfer_file(content, remote)
        self._fixup_perms2((shell.tmpdir, remote), execute=False)
        return remote

    def _is_local(self) -> bool:
        return self._connection.transport == "local" and not self._is_become_unprivileged()

    def _module(self, task_vars: dict[str, Any], prepared: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="howdah.postgresql.image_transfer",
            module_args={**self._task.args, "prepared": prepared},
            task_vars=task_vars,
        )
        return answer


def _recorded(path: str) -> Recorded | None:
    """What is known of the archive; None without a whole one."""
    try:
        with open(path + _COMPANION, encoding="utf-8") as file:
            recorded = Recorded(**json.load(file))
        return recorded if os.path.getsize(path) == recorded.size else None
    except (OSError, ValueError, TypeError):
        return None
