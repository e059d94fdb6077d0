# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that a Dockerfile names."""
from __future__ import annotations

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.dockerfile import base_references
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        ("FROM debian", ["debian"]),
        ("from debian:bookworm as base\nFROM BASE\nFROM scratch", ["debian:bookworm"]),
        ("FROM a AS x\nFROM b AS y\nFROM x", ["a", "b"]),
        ("FROM --platform=$BUILDPLATFORM a", ["a"]),
        ("ARG S=bookworm\nFROM debian:${S}-slim", ["debian:bookworm-slim"]),
        ("ARG S='book worm'\nARG T=$S\nFROM d:${T:-x}", ["d:book worm"]),
        ("ARG S\nFROM d:${S:-x}", ["d:x"]),
        ("ARG S=1\nFROM d${S:+:y}", ["d:y"]),
        ("ARG A=1 B=2\nFROM d:$A-$B", ["d:1-2"]),
        ("FROM a\nARG S=1\nFROM b:${S:-2}", ["a", "b:2"]),
        ("# escape=`\nFROM `\n a", ["a"]),
        ("# comment\n# escape=`\nFROM \\\n# within\n\n a", ["a"]),
        ("FROM a\nCOPY --chmod=644 --from=b:1 /x /y", ["a", "b:1"]),
        ("FROM a AS s\nFROM c\nCOPY --from=S /x /y\nCOPY --from=0 /x /y\nCOPY x --from=z", ["a", "c"]),
        ("FROM a\nRUN --mount=type=bind,from=b,target=/m ls", ["a", "b"]),
        ("FROM a\nRUN <<E\nFROM b\nE\nRUN <<-'X'\nFROM c\n\tX\nFROM d", ["a", "d"]),
        ("FROM a\nRUN echo $((1<<k))\nFROM b", ["a", "b"]),
        ("\ufeffFROM a", ["a"]),
        ("FROM b\nFROM a\nFROM a", ["a", "b"]),
        ("FROM a@sha256:00", ["a@sha256:00"]),
        ("FROM a \\", ["a"]),
    ],
)
def test_bases(text: str, bases: list[str]) -> None:
    assert list(base_references(text, {})) == bases


def test_arguments_override_defaults() -> None:
    text = "ARG SUITE=bookworm\nARG IMAGE=debian:$SUITE\nFROM $IMAGE"
    assert base_references(text, {"SUITE": "trixie"}) == ("debian:trixie",)
    assert base_references(text, {"IMAGE": "x"}) == ("x",)
    assert base_references(text, {"OTHER": "x"}) == ("debian:bookworm",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no FROM"),
        ("RUN ls", "no FROM"),
        ("FROM", "FROM without an image"),
        ("ARG X\nFROM $X", r"`FROM \$X` has no value"),
        ("FROM a-$TARGETARCH", "only the engine knows"),
        ("ARG X='\nFROM a", "cannot be understood"),
    ],
)
def test_what_cannot_work(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        base_references(text, {})


@given(st.text(alphabet="FROMASARGCOPY \n\\$#<{}:-=ab'\"", max_size=80))
def test_any_text_gives_bases_or_a_clear_error(text: str) -> None:
    try:
        assert all(base_references(text, {}))
    except InvalidInput as error:
        assert "Dockerfile" in error.message
