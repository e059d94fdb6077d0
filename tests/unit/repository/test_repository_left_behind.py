# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another authority is not gone on with, where some node has not been given what the step before had for it."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOK = Path(__file__).parents[3] / "playbooks/renew_authority.yml"
PLAYS: list[dict[str, Any]] = yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))
LOCAL = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
AWAY = "ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1"


def kind(play: dict[str, Any]) -> str:
    """What a play of the playbook is for, as far as it matters here."""
    if "import_playbook" in str(play):
        return str(play["ansible.builtin.import_playbook"]).rpartition(".")[2]
    text = str(play["tasks"])
    return next((step for step in ("announce", "switch", "finish") if f"'step': '{step}'" in text),
                "check" if "renew_behind" in text else "restart" if "restarted" in text else "tell")  # fmt: skip


def test_each_step_begins_with_a_look_whether_all_have_done_the_one_before() -> None:
    kinds = [kind(play) for play in PLAYS if "plays/backups" not in str(play)]
    assert kinds == [
        "check", "announce", "deploy", "check", "restart", "switch", "deploy", "check", "finish", "deploy", "restart",
        "check", "tell",
    ]  # fmt: skip


CHECKS = [play for play in PLAYS if kind(play) == "check"]


@pytest.mark.parametrize(
    ("proxy", "options", "left"),
    [(LOCAL, (), ""), (AWAY, (), "p1"), (f"{LOCAL} breaks=true", (), "p1"), (LOCAL, ("--limit", "!p1"), "p1"),
     (LOCAL, ("-e", "target=pg1:p2"), "")],
    ids=["everybody", "unreachable", "failed", "limit", "target"],
)  # fmt: skip
def test_whoever_was_left_behind_ends_the_run(proxy: str, options: tuple[str, ...], left: str, tmp_path: Path) -> None:
    hosts = f"[postgres]\npg1 {LOCAL}\n[proxy]\np1 {proxy}\np2 {LOCAL}\n"
    (tmp_path / "hosts.ini").write_text(hosts, encoding="utf-8")
    step = {"hosts": "{{ target | default('proxy') }}", "gather_facts": False, "tasks": [
        {"ansible.builtin.ping": None}, {"ansible.builtin.fail": None, "when": "breaks | default(false)"}]}  # fmt: skip
    after = {"hosts": "postgres", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "the next step"}}]}
    (tmp_path / "play.yml").write_text(json.dumps([step, CHECKS[1], after]), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.ini", "play.yml", *options],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = " ".join((done.stdout + done.stderr).split())
    assert ("the next step" in told) is (left == ""), told
    assert (done.returncode == 0) is (left == "")
    assert not left or f"{left} could not be reached, failed above, or is left out by --limit" in told
