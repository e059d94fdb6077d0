# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build context's way through a pipe: all of it, or an error at both ends."""
from __future__ import annotations

import os
import tarfile
import threading
from io import BytesIO
from pathlib import Path

import pytest
from ansible_collections.howdah.postgresql.plugins.action.image import _Sender
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.buildkit import read_archive
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.context import Context, read_context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "large").write_bytes(os.urandom(1 << 20))
    (folder / "late").write_text("as it was")
    return read_context(str(folder), "Dockerfile")


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    return path


def test_all_of_it_arrives(context: Context, pipe: str) -> None:
    with _Sender(pipe, context):
        arrived = b"".join(read_archive(pipe, Deadline(10)))
    with tarfile.open(fileobj=BytesIO(arrived)) as archive:
        assert archive.getnames() == ["Dockerfile", "large", "late"]


def test_a_context_that_changes_meanwhile_is_no_whole_archive(context: Context, pipe: str, tmp_path: Path) -> None:
    (tmp_path / "context/late").write_text("is not it")  # of the same length, so that only the digest tells
    sender = _Sender(pipe, context)
    with sender, pytest.raises(InvalidInput, match="did not arrive whole"):
        list(read_archive(pipe, Deadline(10)))
    assert sender.error is not None and "late" in sender.error.message


def test_a_module_that_does_not_read_keeps_nobody_waiting(context: Context, pipe: str) -> None:
    sender = _Sender(pipe, context)
    with sender:
        pass
    assert sender.error is None and not sender.is_alive()


def test_a_module_that_stops_reading_is_no_error_of_the_sender(context: Context, pipe: str) -> None:
    sender = _Sender(pipe, context)
    with sender:
        chunks = read_archive(pipe, Deadline(10))
        next(chunks)
        chunks.close()
    assert sender.error is None and not sender.is_alive()


def test_without_a_writer_the_deadline_holds(pipe: str) -> None:
    with pytest.raises(InvalidInput, match="does not arrive"):
        list(read_archive(pipe, Deadline(0.2)))


def test_a_plain_file_is_read_alike_and_must_have_its_end(tmp_path: Path) -> None:
    path = tmp_path / "context.tar"
    path.write_bytes(b"x" * 512 + bytes(1024))
    assert b"".join(read_archive(str(path), Deadline(1))) == path.read_bytes()
    path.write_bytes(b"x" * 512 + bytes(1023))
    with pytest.raises(InvalidInput, match="did not arrive whole"):
        list(read_archive(str(path), Deadline(1)))
    assert threading.active_count() == 1
