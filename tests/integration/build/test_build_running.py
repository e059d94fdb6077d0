# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens while a build runs: limits, interruption, progress, and builds on other hosts."""
from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time

from build_kit import Site, processes, wait_until_gone


def test_timeout_cancels_on_the_engine(site: Site) -> None:
    needle = f"sleep 41.{secrets.randbelow(10**6):06}"
    (site.context / "Dockerfile").write_text(f"FROM debian:bookworm\nRUN {needle}\n")
    began = time.monotonic()
    result = site.run(timeout=3)
    assert time.monotonic() - began < 30  # the step alone would take 41 s
    assert (result["error"], result["code"]) == ("timeout", 1002)
    assert needle in result["step"] and "cancelled" in result["msg"] and "limit of 3 s" in result["msg"]
    wait_until_gone(needle)
    assert site.image() is None


def test_interrupt_cancels_on_the_engine(site: Site) -> None:
    needle = f"sleep 42.{secrets.randbelow(10**6):06}"
    (site.context / "Dockerfile").write_text(f"FROM debian:bookworm\nRUN {needle}\n")
    playbook = subprocess.Popen(
        site.command(str(site.write({}))), cwd=site.folder, env=site.environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        for _try in range(100):
            if processes(needle):
                break
            time.sleep(0.1)
        assert processes(needle)
        site.interrupted = True
        os.killpg(playbook.pid, 2)  # as a terminal does for Ctrl-C
        playbook.wait(10)
    finally:
        playbook.kill()
    wait_until_gone(needle)


def test_pull_from_a_silent_registry_is_bounded(site: Site) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        base = f"127.0.0.1:{silent.getsockname()[1]}/none:1"
        began = time.monotonic()
        result = site.run(args={"BASE": base}, timeout=2)
        assert time.monotonic() - began < 30  # without a limit it waits for minutes
    assert result["code"] == 1002 and f"pulling {base}" in result["msg"]


def test_progress_without_a_terminal(site: Site) -> None:
    text = site.text()
    assert "node: [work 2/2] RUN echo" in text and "\r" not in text
    for silent in ({"progress": "quiet"}, {"no_log": True}):
        site.bust += "again"
        text = site.text(**silent)
        assert "changed=1" in text and "RUN echo" not in text


def test_progress_on_a_terminal(site: Site) -> None:
    script = shutil.which("script")
    assert script, "the tool script (bsdutils) is missing"
    (site.context / "Dockerfile").write_text("FROM debian:bookworm\nARG BUST\nRUN echo working on it; sleep 1\n")
    command = " ".join(site.command(str(site.write({}))))
    done = subprocess.run(
        [script, "-qec", command, "/dev/null"], cwd=site.folder, env=site.environment(), capture_output=True,
        timeout=60, check=True,
    )
    screen = done.stdout.decode()
    assert "\r\x1b[Knode: step 2 of 2, 0 s: [2/2] RUN echo" in screen, screen
    assert "| working on it" in screen
    assert "\r\x1b[Kchanged: [node]" in screen


def test_a_remote_host_gets_the_context_only_to_build(site: Site) -> None:
    text = site.text("-vvv", connection="like_remote")
    assert "changed=1" in text and "context.tar" in text
    assert "node: [work 2/2] RUN echo" in text
    assert site.leftovers() == []
    text = site.text("-vvv", connection="like_remote")
    assert "changed=0" in text and "context.tar" not in text


def test_a_failure_on_a_remote_host_is_explained(site: Site) -> None:
    (site.context / "Dockerfile").write_text("FROM debian:bookworm\nARG BUST\nRUN echo $BUST; exit 5\n")
    result = site.run(connection="like_remote")
    assert (result["code"], result["exit_code"], result["output"]) == (1201, 5, [site.bust])
    assert "finished" not in result and "ansible_job_id" not in result
