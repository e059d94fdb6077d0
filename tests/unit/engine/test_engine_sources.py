# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's package sources: both notations, which of them is Debian's, and what a base image gets of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import BaseImageFailed, InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.bootstrap import (
    diagnose,
    host_release,
    host_sources,
)
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.sources import (
    DEBIAN_KEYRING,
    Source,
    base_sources,
    parse_deb822,
    parse_list,
    render,
    split_credentials,
)
from hypothesis import given
from hypothesis import strategies as st

WORD = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
URI = st.builds("{}://{}/{}".format, st.sampled_from(["http", "https"]), WORD, WORD)
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEY\n=x\n-----END PGP PUBLIC KEY BLOCK-----"
PATH = st.builds("/etc/apt/keyrings/{}.gpg".format, WORD)
SOURCE = st.builds(
    Source,
    URI,
    st.lists(WORD, min_size=1, max_size=3).map(tuple),
    st.lists(WORD, min_size=1, max_size=3).map(tuple),
    PATH,
)
HOST = parse_list(
    "deb http://mirror/debian bookworm main contrib\n"
    "deb http://mirror/debian bookworm-updates main\n"
    "deb http://mirror/debian-security bookworm-security main\n"
)


@given(st.lists(SOURCE, max_size=4))
def test_deb822_is_read_as_it_is_written(sources: list[Source]) -> None:
    assert parse_deb822(render(sources)) == sources


@given(SOURCE, st.sampled_from([" ", "  ", "\t"]), st.sampled_from(["", " # a remark", " "]))
def test_one_line_notation_says_the_same(source: Source, blank: str, tail: str) -> None:
    lines = [
        blank.join(["deb", f"[ arch=amd64 signed-by={source.signed_by} ]", source.uri, suite, *source.components])
        + tail
        for suite in source.suites
    ]
    expected = [Source(source.uri, (suite,), source.components, source.signed_by) for suite in source.suites]
    assert parse_list("# head\n\n" + "\n".join(lines)) == expected


@given(st.text(max_size=200))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for source in [*parse_list(text), *parse_deb822(text)]:
        assert source.uri


@given(URI, st.text("ab:%/@$", min_size=1, max_size=8), st.text("xyz:%/@$", min_size=1, max_size=8))
def test_credentials_leave_the_address(uri: str, user: str, password: str) -> None:
    quote = {ord(letter): f"%{ord(letter):02X}" for letter in ":%/@$"}
    clean, line = split_credentials(uri.replace("//", f"//{user.translate(quote)}:{password.translate(quote)}@", 1))
    assert clean == uri
    assert line == f"machine {uri} login {user} password {password}\n"


def test_an_address_without_credentials_stays() -> None:
    assert split_credentials("http://mirror:8080/debian") == ("http://mirror:8080/debian", "")


def test_deb822_details() -> None:
    text = (
        "# http://old/\nTypes: deb deb-src\nURIs: http://a/debian\n  http://b/debian\nSuites: bookworm\n# remark\n"
        "Components: main\nSigned-By:\n " + KEY.replace("\n\n", "\n .\n").replace("\n", "\n ").replace(" .", ".") + "\n"
        " \n"
        "types: deb\nuris: http://off/debian\nsuites: bookworm\ncomponents: main\nEnabled: no\n\n"
        "Types: deb-src\nURIs: http://src/debian\nSuites: bookworm\nComponents: main\n"
    )
    found = parse_deb822(text)
    assert [source.uri for source in found] == ["http://a/debian", "http://b/debian"]
    assert found[0].signed_by == KEY


def test_what_is_no_source_of_packages_is_passed_over() -> None:
    others = "deb-src http://a/debian bookworm main\ndeb cdrom:[Debian 12]/ bookworm main\n#deb http://b c d\n"
    assert parse_list(others) == []


def test_a_base_has_updates_and_security() -> None:
    assert base_sources(HOST, "bookworm", "bookworm") == [
        Source("http://mirror/debian", ("bookworm", "bookworm-updates"), ("main",), DEBIAN_KEYRING),
        Source("http://mirror/debian-security", ("bookworm-security",), ("main",), DEBIAN_KEYRING),
    ]


def test_another_release_comes_from_the_same_mirror() -> None:
    assert [source.suites for source in base_sources(HOST, "bookworm", "trixie")] == [
        ("trixie", "trixie-updates"),
        ("trixie-security",),
    ]


def test_a_rolling_suite_has_neither() -> None:
    assert [source.suites for source in base_sources(HOST, "bookworm", "sid")] == [("sid",)]


def test_security_is_guessed_beside_the_archive() -> None:
    found = base_sources(parse_list("deb http://mirror/debian/ stable main"), "bookworm", "bookworm")
    assert found[1].uri == "http://mirror/debian-security"


@pytest.mark.parametrize(
    "line",
    [
        "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor/apt bookworm main",
        "deb http://vendor/apt bookworm main",
        "deb http://vendor/debian bookworm stable",
    ],
)
def test_a_vendor_is_not_taken_for_debian(line: str) -> None:
    found = base_sources([*parse_list(line), *HOST], "bookworm", "bookworm")
    assert found[0].uri == "http://mirror/debian"


def test_a_site_may_sign_its_own_mirror() -> None:
    host = parse_list("deb [signed-by=/etc/apt/keyrings/site.gpg] http://site/debian bookworm main")
    assert {source.signed_by for source in base_sources(host, "bookworm", "bookworm")} == {"/etc/apt/keyrings/site.gpg"}


def test_options_win_over_the_host() -> None:
    found = base_sources(HOST, "bookworm", "bookworm", "http://m/debian")
    assert [source.uri for source in found] == ["http://m/debian", "http://m/debian-security"]
    found = base_sources([], "", "bookworm", "http://m/x", "http://m/y")
    assert [source.uri for source in found] == ["http://m/x", "http://m/y"]


@pytest.mark.parametrize(
    ("host", "mirror"), [([], None), (parse_list("deb http://v/ubuntu noble main"), None), ([], "http://m/x")]
)
def test_no_mirror_is_an_error(host: list[Source], mirror: str | None) -> None:
    with pytest.raises(BaseImageFailed) as raised:
        base_sources(host, "bookworm", "bookworm", mirror)
    assert raised.value.details["reason"] == "no_mirror"


@pytest.mark.parametrize("suite", ["", "Bookworm", "a b", "--help", "../x", "x/y"])
def test_a_suite_has_a_plain_name(suite: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        base_sources(HOST, "bookworm", suite)


def test_an_account_in_an_option_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as raised:
        base_sources(HOST, "bookworm", "bookworm", "http://me:hunter2@m/debian")
    assert "hunter2" not in str(raised.value) and "auth.conf" in str(raised.value)


def test_the_hosts_files_are_read_in_apts_order(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://first/debian bookworm main\n")
    (tmp_path / "mirrors").write_text("# list\nhttp://second/debian priority:1\nhttp://third/debian\n")
    (tmp_path / "sources.list.d" / "b.sources").write_text(
        f"Types: deb\nURIs: mirror+file:{tmp_path}/mirrors\nSuites: bookworm\nComponents: main\n"
    )
    (tmp_path / "sources.list.d" / "c.list.disabled").write_text("deb http://off/debian bookworm main\n")
    assert [source.uri for source in host_sources(tmp_path)] == ["http://first/debian", "http://second/debian"]
    (tmp_path / "mirrors").unlink()
    with pytest.raises(BaseImageFailed, match="cannot be read"):
        host_sources(tmp_path)


def test_the_hosts_release(tmp_path: Path) -> None:
    (tmp_path / "os").write_text('ID=debian\nVERSION_CODENAME="trixie"\n')
    assert host_release(tmp_path / "os") == "trixie"
    assert host_release(tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("log", "reason", "words"),
    [
        (
            "E: The repository 'http://m/debian nosuch Release' does not have a Release file.",
            "unknown_suite",
            "no suite nosuch at http://m/debian: check its name",
        ),
        (
            "E: The repository 'http://m/debian-security x-security Release' does not have a Release file.",
            "unknown_suite",
            "give a mirror",
        ),
        (
            "E: Failed to fetch http://m/x  Could not connect to m:9 (1.2.3.4). - connect (111: Connection refused)\n"
            "E: The repository 'http://m/debian nosuch Release' does not have a Release file.",
            "mirror_unreachable",
            "does not answer",
        ),
        ("Err:1 http://m Temporary failure resolving 'm'", "mirror_unreachable", "resolving"),
        ("E: Failed to fetch http://m/x  401  Unauthorized [IP: 1.2.3.4 80]", "mirror_refused", "refuses"),
        ("W: GPG error: http://m: couldn't be verified because ... NO_PUBKEY 12", "bad_signature", "not signed"),
        ("E: Release file for http://m/InRelease is expired", "expired", "clock"),
        ("dpkg: error: No space left on device", "no_space", "/var/tmp"),
        ("unshare: unshare failed: Operation not permitted", "not_permitted", "mounts"),
        ("E: something else", "bootstrap_failed", "last lines"),
    ],
)
def test_diagnosis(log: str, reason: str, words: str) -> None:
    found, sentence = diagnose(log, "nosuch")
    assert found == reason
    assert re.search(words, sentence)
