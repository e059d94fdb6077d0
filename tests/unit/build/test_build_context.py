# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build contexts: what counts, and what does not."""
from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.howdah.postgresql.plugins.module_utils._docker.context import (
    Context,
    extra_file,
    read_context,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "sub/deep").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "b.txt").write_text("b")
    (root / "a.txt").write_text("a")
    (root / "sub/run.sh").write_text("#!/bin/sh\n")
    (root / "sub/run.sh").chmod(0o755)
    (root / "link").symlink_to("a.txt")
    return root


def archive(context: Context) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive_bytes(context))) as tar:
        return {info.name: info for info in tar.getmembers()}


def archive_bytes(context: Context) -> bytes:
    file = io.BytesIO()
    context.write_archive(file)
    return file.getvalue()


def test_archive_holds_everything_with_normal_modes(folder: Path) -> None:
    found = archive(read_context(str(folder), "Dockerfile"))
    assert list(found) == ["Dockerfile", "a.txt", "b.txt", "link", "sub", "sub/deep", "sub/run.sh"]
    assert {name: f"{info.mode:o}" for name, info in found.items()} == {
        "Dockerfile": "644", "a.txt": "644", "b.txt": "644", "link": "777", "sub": "755", "sub/deep": "755",
        "sub/run.sh": "755",
    }
    assert found["link"].issym() and found["link"].linkname == "a.txt"
    assert {(info.uid, info.gid, info.uname, info.gname, info.mtime) for info in found.values()} == {(0, 0, "", "", 0)}


def test_times_and_umask_do_not_count(folder: Path) -> None:
    first = read_context(str(folder), "Dockerfile")
    before = archive_bytes(first)
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) and path.suffix == ".sh" else 0o600)
        os.utime(path, (1, 1), follow_symlinks=False)
    second = read_context(str(folder), "Dockerfile")
    assert second.digests() == first.digests()
    assert second.file_digests() == first.file_digests()
    assert archive_bytes(second) == before


@pytest.mark.parametrize("change", ["content", "name", "executable", "link", "folder", "kind"])
def test_each_fact_of_the_context_counts(folder: Path, change: str) -> None:
    before = read_context(str(folder), "Dockerfile").digests()
    if change == "content":
        (folder / "a.txt").write_text("A")
    elif change == "name":
        (folder / "a.txt").rename(folder / "c.txt")
    elif change == "executable":
        (folder / "a.txt").chmod(0o755)
    elif change == "link":
        (folder / "link").unlink()
        (folder / "link").symlink_to("b.txt")
    elif change == "folder":
        (folder / "sub/empty").mkdir()
    else:
        (folder / "b.txt").unlink()
        (folder / "b.txt").mkdir()
    after = read_context(str(folder), "Dockerfile").digests()
    assert after["context"] != before["context"]
    assert {name for name in after if after[name] != before[name]} == {"context"}


def test_dockerfile_is_an_input_of_its_own(folder: Path) -> None:
    before = read_context(str(folder), "Dockerfile").digests()
    (folder / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    after = read_context(str(folder), "Dockerfile").digests()
    assert {name for name in after if after[name] != before[name]} == {"dockerfile"}


def test_ignored_files_do_not_count(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*.log\nsub\n!sub/run.sh\n")
    before = read_context(str(folder), "Dockerfile")
    (folder / "x.log").write_text("noise")
    (folder / "sub/other").write_text("noise")
    after = read_context(str(folder), "Dockerfile")
    assert after.digests() == before.digests()
    assert list(archive(after)) == [".dockerignore", "Dockerfile", "a.txt", "b.txt", "link", "sub", "sub/run.sh"]


def test_the_dockerfiles_own_ignore_file_comes_first(folder: Path) -> None:
    (folder / ".dockerignore").write_text("a.txt\n")
    (folder / "sub/Dockerfile").write_text("FROM scratch\n")
    (folder / "sub/Dockerfile.dockerignore").write_text("*\n!b.txt\n")
    assert list(archive(read_context(str(folder), "sub/Dockerfile"))) == ["b.txt", "sub", "sub/Dockerfile"]
    assert "a.txt" not in archive(read_context(str(folder), "Dockerfile"))


def test_extra_files_replace_and_count_apart(folder: Path) -> None:
    (folder / ".dockerignore").write_text("site\n")
    plain = read_context(str(folder), "Dockerfile")
    extra = [extra_file("site/ca.pem", b"secret", 0o644), extra_file("./a.txt", b"other", 0o755)]
    context = read_context(str(folder), "Dockerfile", extra)
    changed = {name for name, digest in context.digests().items() if plain.digests()[name] != digest}
    assert changed == {"files"}
    found = archive(context)
    assert found["site/ca.pem"].size == 6
    assert f"{found['a.txt'].mode:o}" == "755"
    assert "secret" not in repr(context) + repr(context.file_digests())


def test_an_extra_file_may_come_from_a_file(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "ca.pem"
    source.write_bytes(b"secret")
    source.chmod(0o700)
    from_file = extra_file("ca.pem", str(source), 0o644)
    assert from_file == extra_file("ca.pem", b"secret", 0o644)
    assert archive(read_context(str(folder), "Dockerfile", [from_file]))["ca.pem"].size == 6
    with pytest.raises(FileNotFoundError):
        extra_file("ca.pem", str(tmp_path / "nowhere"), 0o644)


def test_an_extra_file_may_be_the_dockerfile(folder: Path) -> None:
    context = read_context(str(folder), "Other", [extra_file("Other", b"FROM debian\n", 0o644)])
    assert context.dockerfile_text == "FROM debian\n"
    assert "Other" in archive(context)


def test_a_file_that_changes_meanwhile_stops_the_build(folder: Path) -> None:
    for content in ("A", "longer", ""):
        context = read_context(str(folder), "Dockerfile")
        (folder / "a.txt").write_text(content)
        with pytest.raises(InvalidInput, match=r"^a\.txt changed while"):
            context.write_archive(io.BytesIO())
        (folder / "a.txt").write_text("a")


def test_a_full_disk_is_not_taken_for_a_changed_file(folder: Path) -> None:
    context = read_context(str(folder), "Dockerfile")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        context.write_archive(full)


def test_sockets_and_strange_names(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
        with open(os.path.join(os.fsencode(folder), b"bad\xff"), "wb"):
            pass
        context = read_context(str(folder), "Dockerfile")
    assert "socket" not in archive(context)
    assert "bad\\xff" in context.file_digests()
    assert "bad\udcff" in archive(context)


def test_many_files_are_counted_not_named(folder: Path) -> None:
    for number in range(201):
        (folder / f"f{number}").touch()
    assert read_context(str(folder), "Dockerfile").file_digests() == {}


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "..", ".", "a/../../x"])
def test_paths_stay_inside(folder: Path, path: str) -> None:
    with pytest.raises(InvalidInput, match="inside the build context"):
        extra_file(path, b"", 0o644)
    with pytest.raises(InvalidInput, match="inside the build context"):
        read_context(str(folder), path)


def test_missing_things_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a folder on the controller"):
        read_context(str(tmp_path / "nowhere"), "Dockerfile")
    with pytest.raises(InvalidInput, match="Nofile must lie in the build context"):
        read_context(str(folder), "Nofile")
    with pytest.raises(InvalidInput, match="sub must lie in the build context"):
        read_context(str(folder), "sub")
    (folder / "Dockerfile").write_bytes(b"FROM \xff")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_context(str(folder), "Dockerfile")
