# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module engine_info against a real engine, and where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
import psycopg2
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.howdah.postgresql.plugins.modules import engine_info


def ask(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        engine_info.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_what_the_sdk_tells_as_well(docker_client: docker.APIClient, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys)
    version, info = docker_client.version(), docker_client.info()
    assert found["reachable"] and "code" not in found and not found["changed"]
    assert found["engine"] == {
        "version": version["Version"],
        "api_version": version["ApiVersion"],
        "os": "linux",
        "os_name": info["OperatingSystem"],
        "architecture": version["Arch"],
        "cgroup_version": info["CgroupVersion"],
        "cgroup_driver": info["CgroupDriver"],
        "storage_driver": info["Driver"],
        "rootless": False,
    }
    assert found["python"]["docker"] == docker.__version__
    assert psycopg2.__version__.startswith(found["python"]["psycopg2"])


def test_no_engine_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, docker_host=f"unix://{tmp_path}/none.sock")
    assert (found["reachable"], found["error"], found["code"]) == (False, "engine_unreachable", 1100)
    assert "engine" not in found and "failed" not in found


def test_an_address_that_cannot_be_one_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, docker_host="here")
    assert found["failed"] and found["code"] == 1001
