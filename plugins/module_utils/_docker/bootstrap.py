# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a root file system of a Debian suite from the host's Debian mirror, with mmdebstrap.

This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterator, Sequence

from .._core.deadline import Deadline
from .._core.errors import BaseImageFailed, DeadlineExceeded
from .sources import DEBIAN_KEYRING, Source, parse_deb822, parse_list, render, split_credentials

# What dpkg leaves out, now and whenever packages are added to the image. Copyright files stay: licences demand it.
_EXCLUDES = """\
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/groff/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/linda/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
"""
# As in Debian's images at registries: packages must not start services while an image is built.
_POLICY = b"#!/bin/sh\nexit 101\n"
# How the host reaches its mirror. What speaks of other things (languages, index formats) is not taken over.
_TRANSPORT = re.compile(
    r"Acquire::(Check-Valid-Until|Check-Date|(Max|Min)-ValidTime|Max-FutureTime|Retries|ForceIPv[46]|https?::)", re.I
)
# A mirror that is down is told of in seconds, one that takes connections and is silent in two minutes; by apt's own
# settings these were many minutes. What the host is configured with comes later and wins.
_PATIENCE = ('Acquire::Retries "1";', 'Acquire::http::Timeout "10";', 'Acquire::https::Timeout "10";')
# The part of it that belongs to the mirror and not to the way there: a frozen mirror's lists have expired.
_VALIDITY = re.compile(r"Acquire::(Check-Valid-Until|Check-Date|(Max|Min)-ValidTime|Max-FutureTime)", re.I)
_SITE_KEY = "/etc/apt/keyrings/howdah-base"


@dataclass(frozen=True)
class RootFs:
    """A root file system in a file that exists only inside of :func:`bootstrap`'s ``with``.

    :param tar: path of the archive.
    :param packages: one line ``name version architecture`` a package, sorted.
    """

    tar: Path
    packages: str


def host_sources(etc: Path = Path("/etc/apt")) -> list[Source]:
    """The package sources that the host's apt is configured with, in apt's order.

    :raises BaseImageFailed: when a file cannot be read.
    """
    found: list[Source] = []
    try:
        folder = sorted((etc / "sources.list.d").glob("*"))
        for path in [etc / "sources.list", *folder]:
            if path.suffix == ".sources":
                found += parse_deb822(path.read_text("utf-8", "replace"))
            elif path.suffix == ".list" and path.exists():
                found += parse_list(path.read_text("utf-8", "replace"))
        return [replace(source, uri=_first_mirror(source.uri)) for source in found]
    except OSError as error:
        raise BaseImageFailed(
            f"The configuration of this host's apt cannot be read: {error}.", reason="no_mirror"
        ) from error


def _first_mirror(uri: str) -> str:
    """What a list of mirrors names first (``mirror+file:``, in Debian's cloud images); other addresses as they are."""
    if not uri.startswith("mirror+file:"):
        return uri
    path = Path("/" + uri.partition(":")[2].lstrip("/"))
    words = [line.split()[0] for line in path.read_text("utf-8").splitlines() if line.strip() and line[0] != "#"]
    return words[0] if words else uri


def host_release(path: Path = Path("/etc/os-release")) -> str:
    """Code name of the host's release, or an empty string where it has none."""
    match = re.search(r"^VERSION_CODENAME=[\"']?([\w-]+)", path.read_text("utf-8") if path.exists() else "", re.M)
    return match[1] if match else ""


def check_host(sources: Sequence[Source]) -> None:
    """See that this host can bootstrap.

    :raises BaseImageFailed: when root's rights, a program or a keyring is missing.
    """
    if os.geteuid() != 0:
        raise _failed("it needs root's rights: set become", "not_root")
    if not shutil.which("mmdebstrap"):
        raise _failed("mmdebstrap is not installed on this host: install Debian's package mmdebstrap", "no_mmdebstrap")
    for source in sources:
        if source.signed_by.startswith("/") and not Path(source.signed_by).exists():
            package = ", of Debian's package debian-archive-keyring," if source.signed_by == DEBIAN_KEYRING else ""
            raise _failed(f"the keyring {source.signed_by}{package} is missing on this host", "no_keyring")


def try_out(suite: str, sources: Sequence[Source], deadline: Deadline) -> None:
    """See whether the mirrors answer, have the suites, and have signed them; makes nothing.

    :raises BaseImageFailed: when not.
    :raises DeadlineExceeded: when the deadline hits.
    """
    with _work() as work:
        _mmdebstrap(work, suite, sources, deadline, "--simulate")


@contextmanager
def bootstrap(suite: str, sources: Sequence[Source], deadline: Deadline) -> Iterator[RootFs]:
    """Make the root file system of a suite. Nothing of it is left when the ``with`` ends, however it ends.

    :raises BaseImageFailed: when it cannot be made.
    :raises DeadlineExceeded: when the deadline hits.
    """
    with _work() as work:
        _mmdebstrap(work, suite, sources, deadline)
        with tarfile.open(work / "root.tar", "a") as tar:
            # mmdebstrap ends with removing this file, so it cannot bring it.
            policy = tarfile.TarInfo("./usr/sbin/policy-rc.d")
            policy.mode, policy.size = 0o755, len(_POLICY)
            tar.addfile(policy, io.BytesIO(_POLICY))
        lines = (work / "packages").read_text("utf-8").splitlines()
        yield RootFs(work / "root.tar", "".join(f"{line}\n" for line in sorted(lines)))


@contextmanager
def _work() -> Iterator[Path]:
    # Not /tmp: it may be small, and mounted so that it holds no programs or devices.
    work = Path(tempfile.mkdtemp(prefix="howdah-base-", dir="/var/tmp"))
    # A play that is ended, or a connection that breaks, ends the module by a signal: that shall leave nothing either.
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield work
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        # Killed processes may still be at their last write.
        end = time.monotonic() + 5
        while work.exists() and time.monotonic() < end:
            shutil.rmtree(work, ignore_errors=True)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _mmdebstrap(work: Path, suite: str, sources: Sequence[Source], deadline: Deadline, *extra: str) -> None:
    arguments = _prepare(work, sources)
    # Namespaces of its own: whatever happens, no mount is left on the host, and no process lives longer than the first.
    argv = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--include=debian-archive-keyring", "--format=tar"),
        *arguments,
        *extra,
        *(suite, str(work / "root.tar"), str(work / "debian.sources")),
    ]
    log = work / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "LC_ALL": "C", "TMPDIR": str(work)},
            start_new_session=True,
            umask=0o022,
        )
        try:
            code = process.wait(deadline.check("bootstrapping the base image"))
        except subprocess.TimeoutExpired as error:
            raise DeadlineExceeded(
                f"The time limit of {deadline.seconds:g} s was reached while bootstrapping {suite} from"
                f" {sources[0].uri}; nothing is left of it.",
                doing="bootstrapping the base image",
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code != 0:
        text = log.read_text("utf-8", "replace")
        reason, why = diagnose(text, suite)
        lines = [line for line in text.splitlines() if line.startswith(("E:", "Err:"))] or text.splitlines()
        raise _failed(why, reason, log=lines[-10:])


def _prepare(work: Path, sources: Sequence[Source]) -> list[str]:
    """Write what mmdebstrap reads, and what the image gets; the options that name it."""
    options = subprocess.run(
        ["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    root = work / "root"
    _write(root / "etc/dpkg/dpkg.cfg.d/howdah-base", _EXCLUDES)
    validity = [line for line in options if _VALIDITY.match(line)]
    _write(root / "etc/apt/apt.conf.d/99howdah-base", "\n".join(['Acquire::Languages "none";', *validity]) + "\n")

    outside, inside, accounts = [], [], []
    for number, source in enumerate(sources):
        uri, account = split_credentials(source.uri)
        accounts.append(account)
        here = there = source.signed_by
        if not here.startswith("/"):
            here = str(work / f"key-{number}.asc")
            _write(Path(here), source.signed_by + "\n")
        if here != DEBIAN_KEYRING:
            there = f"{_SITE_KEY}-{number}{Path(here).suffix}"
            target = root / there.lstrip("/")
            _write(target, "")
            shutil.copyfile(here, target)
        outside.append(replace(source, uri=uri, signed_by=here))
        inside.append(replace(source, uri=uri, signed_by=there))
    _write(work / "debian.sources", render(outside))
    _write(root / "etc/apt/sources.list.d/debian.sources", render(inside))
    for folder in (root, *root.rglob("*")):
        if folder.is_dir():
            folder.chmod(0o755)  # whatever the umask: these become the image's /, /etc, …

    known = [Path("/etc/apt/auth.conf"), *sorted(Path("/etc/apt/auth.conf.d").glob("*.conf"))]
    accounts += [path.read_text("utf-8") + "\n" for path in known if path.exists()]
    _write(work / "auth.conf", "".join(accounts), 0o600)
    transport = [line for line in options if _TRANSPORT.match(line)]
    _write(work / "apt.conf", "\n".join([f'Dir::Etc::netrc "{work}/auth.conf";', *_PATIENCE, *transport]) + "\n", 0o600)
    _write(work / "excludes", _EXCLUDES)
    quoted = shlex.quote(str(work))
    return [
        f"--aptopt={work / 'apt.conf'}",
        f"--dpkgopt={work / 'excludes'}",
        # Without it, Debian 12 gets perl, 47 MB, only to merge directories that are merged already.
        "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
        # The build site's proxies and accounts go, the image's own files come.
        '--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"'
        ' "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d"/* "$1/etc/resolv.conf" "$1/etc/hostname"',
        '--customize-hook=rm -rf "$1/var/cache/debconf"/*-old "$1/var/lib/dpkg"/*-old "$1/var/cache/ldconfig"/*',
        f'--customize-hook=cp -a {quoted}/root/. "$1/"',
        '--customize-hook=dpkg-query --admindir="$1/var/lib/dpkg" --show'
        f" --showformat='${{Package}} ${{Version}} ${{Architecture}}\\n' > {quoted}/packages",
    ]


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file and the folders above it. A file that may hold secrets never has another mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as output:
        output.write(text)
    path.chmod(mode)


def diagnose(log: str, suite: str) -> tuple[str, str]:
    """Reason (for playbooks) and sentence (for people) why mmdebstrap failed, from what apt and mmdebstrap wrote."""
    missing = re.search(r"The repository '(\S+) (\S+) Release' does not have a Release file", log)
    broken = re.search(
        r"(Could not connect to|Could not resolve|Cannot initiate the connection to|Temporary failure resolving"
        r"|Connection (?:timed out|failed|refused)|Unable to connect to)[^\n]*",
        log,
    )
    if broken:
        cure = "if images are carried in here, load debian:" + suite + " as well, or run deploy instead of site"
        return "mirror_unreachable", f"the Debian mirror does not answer ({broken[0].strip()}); {cure}"
    if re.search(r"\b(401\s+Unauthorized|403\s+Forbidden|407\s+Proxy)", log):
        return "mirror_refused", "the Debian mirror, or the proxy before it, refuses access"
    if missing:
        base = missing[2] == suite
        cure = "check its name" if base else "give a mirror that has it"
        return "unknown_suite", f"there is no suite {missing[2]} at {missing[1]}: {cure}"
    if re.search(r"NO_PUBKEY|EXPKEYSIG|REVKEYSIG|BADSIG|is not signed|Missing key|(not|couldn't) be verified", log):
        return "bad_signature", "the mirror's files are not signed by a key that the host trusts for them"
    if re.search(r"Release file for \S+ (is expired|is not valid yet)", log):
        return "expired", "the mirror's files have expired, or the host's clock is wrong"
    if "No space left on device" in log:
        return "no_space", "there is no room left in /var/tmp"
    if re.search(r"unshare: .*not permitted", log):
        return "not_permitted", "this host does not let root make mounts; on another host, bootstrap and load the image"
    return "bootstrap_failed", "mmdebstrap failed; its last lines are in log"


def _failed(why: str, reason: str, **details: object) -> BaseImageFailed:
    return BaseImageFailed(f"The base image cannot be bootstrapped: {why}.", reason=reason, **details)
