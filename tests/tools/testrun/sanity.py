# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that runs ``ansible-test sanity``, with nothing ignored."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Iterator

from .outcome import Outcome, failure
from .process import Finished
from .tree import Tree
from .workplace import Workplace

OLDEST = (3, 9)  # tests/config.yml says so to ansible-test

_RAN = re.compile(r'^Running sanity test "([^"]+)"(?: on Python (\S+))?', re.MULTILINE)
_ABSENT = re.compile(r'^WARNING: Skipping sanity test "[^"]+" on Python (\S+) because it could not', re.MULTILINE)
_LACKING = re.compile(r"^WARNING: (?:Skipping|Required program|Unable).*$", re.MULTILINE)
_FAILED = re.compile(r"^FATAL: The (\d+) sanity test\(s\) listed below", re.MULTILINE)

_ASK_PIP = """\
from types import SimpleNamespace
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(SimpleNamespace(version="3.11"))["pip"])
"""
# ansible-test makes its environments without pip, and fetches a script that brings it from a host that many
# networks do not reach. It looks for this file first; the wheel beside it comes from where all packages come from.
_GET_PIP = """\
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "pip-{version}-py3-none-any.whl"))
if __name__ == "__main__":
    from pip._internal.cli.main import main
    arguments = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
    sys.exit(main(["install", "--find-links", HERE] + arguments))
"""


def sanity(work: Workplace) -> Outcome:
    """All tests of ``ansible-test sanity``, on every Python from 3.9 that is installed."""
    ignores = work.tree.under("tests/sanity")
    if ignores:
        return failure(f"Nothing of sanity is ignored in this collection; found {', '.join(ignores)}.")
    pip = _provide_pip(work)
    if pip.code:
        return failure(pip.output)
    copy = work.copy("sanity")
    # What is not shipped has gates of its own. ansible-test takes every file in bin/ for Python, which ours are not; on
    # tests/ it would spend a quarter of its time, after ruff and mypy. It reads its configuration there.
    for folder in (copy.root / "bin", *filter(Path.is_dir, (copy.root / "tests").iterdir())):
        shutil.rmtree(folder)
    env = {**work.env, "PATH": path_of_interpreters(os.environ.get("PATH", ""), Path.home())}
    listed = work.tool("ansible-test", "sanity", "--list-tests", cwd=copy.root, env=env)
    if listed.code:
        return failure(listed.output)
    options = ["--color", "no", "--truncate", "0"]
    finished = work.tool("ansible-test", "sanity", *options, cwd=copy.root, env=env, timeout=1800)
    return judge(finished, wanted_tests(copy, listed.output))


def wanted_tests(tree: Tree, listed: str) -> frozenset[str]:
    """The names of the tests that must run.

    :param listed: what ``ansible-test sanity --list-tests`` says, a name a line.
    """
    names = frozenset(re.findall(r"^([a-z0-9-]+)$", listed, re.MULTILINE))
    # It needs PowerShell, and has nothing to do without scripts for it.
    return names if any(name.endswith(".ps1") for name in tree.files) else names - {"pslint"}


def judge(finished: Finished, wanted: frozenset[str]) -> Outcome:
    """What a run of ansible-test is worth.

    A test that lacks its program only warns, and ansible-test is content: here it fails.
    A Python that is not installed is a reason to skip, and is told.

    :param wanted: the tests that must have run.
    """
    ran = [(name, version) for name, version in _RAN.findall(finished.output) if not version or _key(version) >= OLDEST]
    absent = sorted(set(_ABSENT.findall(finished.output)), key=_key)
    problems = list(_problems(finished, wanted, {name for name, _version in ran}))
    counted = _FAILED.search(finished.output)
    failed = max(len(problems), int(counted[1]) if counted else 0)
    versions = sorted({version for _name, version in ran if version}, key=_key)
    return Outcome(
        passed=max(0, len(ran) - failed),
        failed=failed,
        skipped=tuple(f"sanity on Python {version}: it is not installed" for version in absent),
        note=f"Python {', '.join(versions)}",
        output="\n".join([finished.output, *problems]),
    )


def _problems(finished: Finished, wanted: frozenset[str], ran: set[str]) -> Iterator[str]:
    if finished.code:
        yield f"ansible-test ended with exit code {finished.code}."
    if wanted - ran or not wanted:
        yield f"These sanity tests did not run: {', '.join(sorted(wanted - ran)) or 'all of them'}."
    for warning in dict.fromkeys(_LACKING.findall(finished.output)):  # it repeats them at the end
        if not _ABSENT.match(warning):
            yield f"A sanity test was left out: {warning}"


def path_of_interpreters(path: str, home: Path) -> str:
    """A PATH with real interpreters instead of pyenv's shims, which ansible-test finds and cannot use.

    :param path: the PATH as it is.
    :param home: where pyenv is, unless PYENV_ROOT says otherwise.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    folders = [entry for entry in path.split(os.pathsep) if Path(entry) != pyenv / "shims"]
    versions = [folder for folder in pyenv.glob("versions/*/bin") if _key(folder.parent.name) >= OLDEST]
    interpreters = [str(folder) for folder in sorted(versions, key=lambda folder: _key(folder.parent.name))]
    return os.pathsep.join([folders[0], *interpreters, *folders[1:]])


def _key(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if re.fullmatch(r"\d+(\.\d+)*", version) else ()


def _provide_pip(work: Workplace) -> Finished:
    """Put the script and the wheel of pip where ansible-test looks for them, if they are not there."""
    asked = work.tool("python", "-c", _ASK_PIP)
    if asked.code:
        return asked
    version = asked.output.strip()
    cache = Path.home() / ".ansible/test/cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.is_file():
        return asked
    cache.mkdir(parents=True, exist_ok=True)
    fetched = work.tool("pip", "download", "-q", "--no-deps", f"pip=={version}", "-d", str(cache))
    if fetched.code == 0:
        script.write_text(_GET_PIP.format(version=version), encoding="utf-8")
    return fetched
