# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments beside the checkout's own, for tools and cores that want other versions. They are kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Sequence

LIMIT = 600  # seconds to make one


class NoEnvironment(Exception):
    """An environment could not be made; the text says why."""


def cache() -> Path:
    """Where they are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "howdah/tools"


def pins(*files: Path) -> list[str]:
    """The requirements of the lists; those of a later list take the place of an earlier one's."""
    chosen: dict[str, str] = {}
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        chosen |= {line.partition("==")[0].lower(): line for line in lines if line and not line.startswith("#")}
    return sorted(chosen.values(), key=str.lower)


def environment(name: str, wanted: Sequence[str], python: str = sys.executable) -> Path:
    """The folder of an environment's programs. It is made, if there is none with exactly these packages.

    :param name: for its folder.
    :param wanted: pinned requirements, with all that they need.
    :param python: the interpreter.
    :raises NoEnvironment: when it cannot be made.
    """
    said = "\n".join([python, *wanted])
    place = cache() / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    done = place / ".howdah-ready"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            shutil.rmtree(place, ignore_errors=True)
            _run([python, "-m", "venv", str(place)])
            options = ["--no-input", "--no-deps", "-q", "--disable-pip-version-check"]
            _run([str(place / "bin/python"), "-m", "pip", "install", *options, *wanted])
            done.touch()
    return place / "bin"


def _run(command: Sequence[str]) -> None:
    # What is meant for the checkout's own interpreter would mislead another one.
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEnvironment(f"{command[0]}: {error}") from error
    if done.returncode:
        raise NoEnvironment(f"{' '.join(command[:5])} … failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def interpreter(version: str) -> str:
    """An interpreter of that version, on PATH or among pyenv's, that can make environments; empty without one.

    :param version: like 3.12.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = shutil.which(f"python{version}")
    candidates = [*sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python"))), *([found] if found else [])]
    for candidate in candidates:
        code = f"import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
        try:
            if (
                subprocess.run([candidate, "-I", "-c", code], capture_output=True, timeout=20, check=False).returncode
                == 0
            ):
                return candidate
        except (OSError, subprocess.TimeoutExpired):
            continue
    return ""
