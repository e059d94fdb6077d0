# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of containers and builds on the engine of a later Debian, which normalises in other ways.

HOWDAH_TEST_ENGINE_SUITE names another one than the next release.
"""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import docker
import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._docker import bootstrap, sources
from second_engine import SecondEngine

INTEGRATION = Path(__file__).parents[1]
SUITE = os.environ.get("HOWDAH_TEST_ENGINE_SUITE", "trixie")


@pytest.fixture(scope="module")
def newer() -> Iterator[SecondEngine]:
    """Debian's docker.io of that suite, from the mirror that this machine is configured with."""
    origins = sources.base_sources(bootstrap.host_sources(), bootstrap.host_release(), SUITE, None, None)
    with tempfile.TemporaryDirectory(prefix="howdah-engine-") as folder:
        root = Path(folder) / "root"
        # A mirror's copy of a suite in the making may be out of date; nothing of it stays.
        old, packages = '--aptopt=Acquire::Check-Valid-Until "false"', "--include=docker.io,iproute2,iptables"
        command = ["mmdebstrap", "--variant=minbase", old, packages, SUITE, root, "-"]
        made = subprocess.run(
            command, input=sources.render(origins), capture_output=True, text=True, check=False, timeout=900
        )
        assert made.returncode == 0, made.stderr[-3000:]
        state = Path(folder) / "state"
        state.mkdir()
        engine = SecondEngine(state, root=root)
        try:
            # Read to its end: only then it has the image.
            list(engine.client().load_image(b"".join(docker.APIClient().get_image("debian:bookworm"))))
            yield engine
        finally:
            engine.stop()


@pytest.mark.full
@pytest.mark.parametrize(
    "tests",
    ["container/test_container_engine.py", "container/test_container_options.py", "build/test_build_engine.py"],
)
def test_all_holds_on_a_newer_engine(newer: SecondEngine, tests: str) -> None:
    version = newer.client().version()
    assert tuple(map(int, version["ApiVersion"].split("."))) > (1, 41), version
    assert newer.process is not None
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{newer.process.pid}/ns/net", sys.executable, "-m", "pytest", "-q", "-x",
         "-p", "no:cacheprovider", INTEGRATION / tests],
        env={**os.environ, "DOCKER_HOST": newer.url}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
