# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian mirror a host is configured with: apt's two notations of package sources, and what a base needs of them.

Pure: takes text, gives values. This module util is PRIVATE to the collection: it may change without notice.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Iterable, Sequence
from urllib.parse import unquote, urlsplit, urlunsplit

from .._core.errors import BaseImageFailed, InvalidInput

# Comes with every Debian, as a package that the base image contains as well.
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+\S+)*)\s*"
)
# Names of releases that move on; a host may be configured with them.
_ALIASES = ("oldoldstable", "oldstable", "stable", "testing")
# Rolling suites get their security updates in themselves.
_ROLLING = ("sid", "unstable")
_SUITE = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Source:
    """One repository as apt knows it; several suites of it, if they share everything else.

    :param uri: where it is; may hold credentials, see :func:`split_credentials`.
    :param signed_by: path of a keyring, or an armoured key, or empty.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def parse_list(text: str) -> list[Source]:
    """The sources of binary packages in a file in the one-line notation (``sources.list``)."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.split("#", 1)[0].strip())
        if not match or match["uri"].startswith("cdrom:"):
            continue
        options = dict(word.split("=", 1) for word in (match["options"] or "").split() if "=" in word)
        found.append(
            Source(
                match["uri"], (match["suite"],), tuple(match["components"].split()), options.get("signed-by", "")
            )
        )
    return found


def parse_deb822(text: str) -> list[Source]:
    """The enabled sources of binary packages in a file in the deb822 notation (``*.sources``)."""
    found = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line[:1] in (" ", "\t"):
                # A blank line inside a value, an armoured key for example, is written as a dot.
                fields[name] = fields.get(name, "") + "\n" + ("" if line.strip() == "." else line.strip())
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        suites, components = tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split())
        signed_by = fields.get("signed-by", "").strip()
        found += [Source(uri, suites, components, signed_by) for uri in fields.get("uris", "").split()]
    return found


def render(sources: Iterable[Source]) -> str:
    """The sources in the deb822 notation."""
    return "\n".join(
        f"Types: deb\nURIs: {source.uri}\nSuites: {' '.join(source.suites)}\n"
        f"Components: {' '.join(source.components)}\nSigned-By: {source.signed_by}\n"
        for source in sources
    )


def split_credentials(uri: str) -> tuple[str, str]:
    """The URI without user and password, and the line for apt's ``auth.conf`` that holds them, or an empty one."""
    parts = urlsplit(uri)
    account, separator, address = parts.netloc.rpartition("@")
    if not separator:
        return uri, ""
    user, _colon, password = account.partition(":")
    clean = urlunsplit(parts._replace(netloc=address))
    # With the scheme: without it, apt sends a password over https only.
    return clean, f"machine {clean.rstrip('/')} login {unquote(user)} password {unquote(password)}\n"


def base_sources(
    host: Sequence[Source], release: str, suite: str, mirror: str | None = None, security_mirror: str | None = None
) -> list[Source]:
    """The sources that a base image of a suite is made from, its updates and security updates included.

    :param host: what the host is configured with.
    :param release: code name of the host's own release, e.g. ``bookworm``.
    :param suite: code name of the release wanted, which may be another.
    :param mirror: address of Debian's archive, instead of the host's.
    :param security_mirror: address of Debian's security archive, instead of the host's.
    :raises InvalidInput: when the suite's name cannot be one, or an address holds credentials.
    :raises BaseImageFailed: when the host's configuration names no mirror of Debian.
    """
    if not _SUITE.fullmatch(suite):
        raise InvalidInput(f"{suite!r} cannot be the name of a Debian suite; give a code name, such as bookworm.")
    for uri in (mirror, security_mirror):
        if uri and split_credentials(uri)[1]:
            raise InvalidInput(
                "The address of a mirror must not hold a user name or password: write them into a file in"
                " /etc/apt/auth.conf.d on the host; they are used from there, and not left in the image."
            )
    archive = Source(mirror, (), ("main",)) if mirror else _find(host, release, "")
    if archive is None:
        raise BaseImageFailed(
            "The base image cannot be bootstrapped: this host's apt has no mirror of Debian's archive."
            " Give one with the option mirror.",
            reason="no_mirror",
        )
    if suite in _ROLLING:
        return [_wanted(archive, suite)]
    security = Source(security_mirror, (), ("main",)) if security_mirror else None
    if security is None and not mirror:
        security = _find(host, release, "-security") or _find(host, release, "/updates")
    if security is None and archive.uri.rstrip("/").endswith("/debian"):
        # The layout of Debian's own servers, and of nearly every mirror.
        security = replace(archive, uri=archive.uri.rstrip("/") + "-security")
    if security is None:
        raise BaseImageFailed(
            "The base image cannot be bootstrapped: where Debian's security updates are mirrored here is not known."
            " Give the address with the option security_mirror.",
            reason="no_mirror",
        )
    return [_wanted(archive, suite, f"{suite}-updates"), _wanted(security, f"{suite}-security")]


def _wanted(source: Source, *suites: str) -> Source:
    # A fingerprint, or nothing, leaves the choice of the file to apt; the base shall name it.
    signed_by = source.signed_by if source.signed_by.startswith(("/", "-----BEGIN")) else DEBIAN_KEYRING
    return Source(source.uri, suites, ("main",), signed_by.split(",")[0])


def _find(host: Sequence[Source], release: str, suffix: str) -> Source | None:
    """The source that most likely is Debian's among those with this suite of the host's release."""
    names = {name + suffix for name in (release, *_ALIASES)}
    found = [source for source in host if "main" in source.components and names & set(source.suites)]
    ranked = sorted((rank, number) for number, source in enumerate(found) if (rank := _rank(source)) is not None)
    return found[ranked[0][1]] if ranked else None


def _rank(source: Source) -> int | None:
    """How sure a source is Debian's, 0 is best; None for one that is not: others use Debian's suite names as well."""
    named = re.search(r"/debian(-security)?/?$", urlsplit(source.uri).path) is not None
    if source.signed_by.rpartition("/")[2].startswith("debian-archive"):
        return 0
    if source.signed_by:
        return 2 if named else None  # a site's own mirror, signed with the site's key
    return 1 if named else 3
