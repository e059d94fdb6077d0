# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module image: it reads the build context and shows the progress."""
from __future__ import annotations

import errno
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Iterable

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import HowdahError, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.build_plan import Sources, strings
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.client import REQUIRED_TOGETHER
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.context import (
    Context,
    Entry,
    extra_file,
    read_context,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.dockerfile import base_references
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.image_options import ARGUMENT_SPEC, REQUIRED_IF
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.progress import ProgressView
from ansible_collections.howdah.postgresql.plugins.modules import image
from ansible_collections.howdah.postgresql.plugins.plugin_utils._action import HowdahAction

# Asked here because strategies load action plugins before they fork, and a worker has no terminal.
_ON_TERMINAL = sys.stdout.isatty()
_REFRESH_SECONDS = 0.2
_PIPE_SECONDS = 0.002
# Each look costs a command over the connection, and a look for the result a module.
_REMOTE_REFRESH_SECONDS = 1.0
_REMOTE_LOOKS_PER_STATUS = 10
# The module keeps its own time limit and says what was slow; the wrapper's is for its death.
_ASYNC_MARGIN_SECONDS = 60

display = Display()


class ActionModule(HowdahAction):
    """Action plugin of howdah.postgresql.image."""

    TRANSFERS_FILES = True
    libraries = ("docker",)  # for registries, and labels from a file of the image

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        validation = self.validated(ARGUMENT_SPEC, required_if=REQUIRED_IF, required_together=REQUIRED_TOGETHER)
        params = validation.validated_parameters
        deadline = Deadline(params["timeout"])
        if params["prepared"] is not None:
            raise InvalidInput("prepared cannot be set: the action plugin does that.")
        args = {name: value for name, value in self._task.args.items() if name != "files"}
        own = self.is_own_process()
        secrets = validation._no_log_values
        if params["state"] == "absent":
            return self._here(params, deadline, secrets) if own else self._module(args, task_vars)

        extra = [self._extra(file) for file in params["files"]]
        context = read_context(self._loader.path_dwim(params["path"]), params["dockerfile"], extra)
        bases = base_references(context.dockerfile_text, strings(params["args"]))
        sources = Sources(context.digests(), context.file_digests(), bases)
        args["prepared"] = {"sources": sources.as_dict()}
        view = self._view(params["progress"], task_vars)
        if own and self._task.check_mode:
            return self._here(_with(params, **args["prepared"]), deadline, secrets)
        if own:
            return self._build_beside(
                lambda **more: self._here(_with(params, **args["prepared"], **more), deadline, secrets), context, view
            )
        if not self._task.check_mode and self._connection.transport == "local" and not self._is_become_unprivileged():
            args["prepared"]["spent"] = deadline.elapsed()
            return self._build_beside(lambda **more: self._module(_with(args, **more), task_vars), context, view)
        result = self._module(args, task_vars)
        if not result.pop("context_wanted", False):
            return result
        with tempfile.TemporaryDirectory(prefix="howdah-image-", dir=_local_tmp()) as folder:
            archive = os.path.join(folder, "context.tar")
            _write_archive(context, archive)
            deadline.check("reading the build context")
            args["prepared"]["spent"] = deadline.elapsed()
            return self._build_remotely(args, task_vars, archive, int(params["timeout"]) + _ASYNC_MARGIN_SECONDS, view)

    def _extra(self, file: dict[str, Any]) -> Entry:
        mode = int(file["mode"], 8)
        if file["src"] is None:
            return extra_file(file["path"], file["content"].encode("utf-8"), mode)
        try:
            return extra_file(file["path"], str(self._find_needle("files", file["src"])), mode)
        except (AnsibleError, OSError) as error:
            raise InvalidInput(f"files: {file['src']} cannot be read on the controller: {error}") from error

    def _module(self, args: dict[str, Any], task_vars: dict[str, Any], wrap_async: bool = False) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="howdah.postgresql.image", module_args=args, task_vars=task_vars, wrap_async=wrap_async
        )
        return answer

    def _here(self, params: dict[str, Any], deadline: Deadline, secrets: Iterable[str]) -> dict[str, Any]:
        """Do the module's part in this process; its result."""
        return self.here(image.work, params, deadline, secrets, self._task.check_mode)

    def _build_beside(
        self, run: Callable[..., dict[str, Any]], context: Context, view: ProgressView
    ) -> dict[str, Any]:
        """Offer the context through a pipe: it is read if there is something to build, and nothing is asked twice.

        :param run: does the rest, given what is prepared for it.
        """
        with tempfile.TemporaryDirectory(prefix="howdah-image-", dir=_local_tmp()) as folder:
            archive, events = os.path.join(folder, "context.tar"), os.path.join(folder, "progress")
            os.mkfifo(archive, 0o600)
            with open(events, "xb", opener=_private):
                pass  # the build appends to it
            sender = _Sender(archive, context)
            with sender, _Follower(events, view):
                result = run(archive=archive, progress_file=events)
            if sender.error is not None:
                raise sender.error
            return result

    def _build_remotely(
        self, args: dict[str, Any], task_vars: dict[str, Any], archive: str, limit: int, view: ProgressView
    ) -> dict[str, Any]:
        """Send the context and build in the background, as a connection runs one command at a time."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        folder = shell.tmpdir
        remote = shell.join_path(folder, "context.tar")
        events = shell.join_path(folder, "progress")
        self._transfer_file(archive, remote)
        self._transfer_data(events, b"")
        self._fixup_perms2((folder, remote, events), execute=False)
        self._task.async_val = limit
        try:
            # Ansible forgets the folder here, as the job's wrapper removes it: up to 5 s after the end.
            job = self._module(_with(args, archive=remote, progress_file=events), task_vars, wrap_async=True)
            if "ansible_job_id" not in job:
                return job
            return self._follow_job(job["ansible_job_id"], events, view, Deadline(limit), task_vars)
        finally:
            self._task.async_val = 0
            current = shell.tmpdir
            self._remove_tmp_path(folder)
            shell.tmpdir = current if current != folder else None

    def _follow_job(
        self, job: str, events: str, view: ProgressView, deadline: Deadline, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        def status(mode: str) -> dict[str, Any]:
            answer: dict[str, Any] = self._execute_module(
                module_name="ansible.legacy.async_status",
                module_args={
                    "jid": job,
                    "mode": mode,
                    "_async_dir": self.get_shell_option("async_dir", default="~/.ansible_async"),
                },
                task_vars=task_vars,
            )
            return answer

        seen = looks = 0
        while True:
            deadline.check("waiting for the build on the managed host, whose module seems to have died")
            time.sleep(_REMOTE_REFRESH_SECONDS)
            looks += 1
            answer = self._low_level_execute_command(f"tail -c +{seen + 1} {shlex.quote(events)}")
            data = answer["stdout"].encode("ascii", "replace")
            seen += len(data)
            view.feed(data)
            view.tick()
            if answer["rc"] == 0 and not view.ended and looks % _REMOTE_LOOKS_PER_STATUS:
                continue
            result = status("status")
            if result.get("finished") or result.get("failed"):
                break
        view.close()
        status("cleanup")
        job_keys = ("ansible_job_id", "started", "finished", "results_file", "stdout", "stdout_lines", "stderr",
                    "stderr_lines")
        return {name: value for name, value in result.items() if name not in job_keys}

    def _view(self, progress: str, task_vars: dict[str, Any]) -> ProgressView:
        def show(text: str, newline: bool) -> None:
            if progress != "quiet" and not self._task.no_log:
                display.display(text, newline=newline, screen_only=not newline)

        # Between the hosts of a play, somebody else's output would end in our line.
        alone = self._task.run_once or len(task_vars.get("ansible_play_batch", ())) == 1
        in_place = progress == "auto" and _ON_TERMINAL and alone
        return ProgressView(
            prefix=f"{task_vars['inventory_hostname']}: ",
            show=show,
            columns=display.columns if in_place else None,
        )


class _Companion(threading.Thread):
    """Does something while the worker's main thread waits for the engine, or for a module."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._done = threading.Event()

    def __enter__(self) -> None:
        # The kernel may hand a signal to any thread that does not block it, and then the main thread would sleep
        # on: Ctrl-C would seem to do nothing until the build has ended. A thread inherits the mask.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def __exit__(self, *_unused: object) -> None:
        self._done.set()
        self.join()


class _Sender(_Companion):
    """Writes the build context into a pipe, once the other end is read from.

    :ivar error: why it could not.
    """

    def __init__(self, path: str, context: Context) -> None:
        super().__init__()
        self._path = path
        self._context = context
        self.error: HowdahError | None = None

    def run(self) -> None:
        descriptor = self._opened()
        if descriptor is None:
            return
        try:
            with open(descriptor, "wb") as file:
                self._context.write_archive(file)
        except HowdahError as error:
            self.error = error
        except BrokenPipeError:
            pass  # the reader has ended, and says why
        except OSError as error:
            self.error = InvalidInput(f"The build context cannot be read on the controller: {error.strerror}.")

    def _opened(self) -> int | None:
        """The pipe's end to write to; None when nobody is going to read from the other one."""
        while not self._done.wait(_PIPE_SECONDS):
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nobody reads yet
                    continue
                raise
            os.set_blocking(descriptor, True)
            return descriptor
        return None


class _Follower(_Companion):
    """Shows what is appended to a file. Display hands text to the controlling process through a queue."""

    def __init__(self, path: str, view: ProgressView) -> None:
        super().__init__()
        self._path = path
        self._view = view

    def run(self) -> None:
        with open(self._path, "rb") as file:
            while not self._done.wait(_REFRESH_SECONDS):
                self._view.feed(file.read())
                self._view.tick()
            self._view.feed(file.read())
        self._view.close()


def _with(args: dict[str, Any], **prepared: Any) -> dict[str, Any]:
    """The module's arguments, with more of what is prepared for it."""
    return {**args, "prepared": {**(args["prepared"] or {}), **prepared}}


def _write_archive(context: Context, path: str) -> None:
    try:
        with open(path, "xb", opener=_private) as file:
            context.write_archive(file)
    except OSError as error:
        raise InvalidInput(
            f"The build context cannot be archived on the controller as {path}: {error.strerror}."
        ) from error


def _local_tmp() -> str:
    """Ansible's folder for this run: private, and removed at the end even if this process is killed."""
    folder: str = C.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined]  # constants are made at run time
    return folder


def _private(path: str, flags: int) -> int:
    """An opener for files that nobody else may read."""
    return os.open(path, flags, 0o600)
