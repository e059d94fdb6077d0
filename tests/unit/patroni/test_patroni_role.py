# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of its options, as Ansible evaluates its variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).parents[3] / "roles/patroni"


def evaluated(wanted: str, inventory: str = "pg1,", **options: Any) -> Any:
    """The value of an expression over the role's variables."""
    files = [word for name in ("defaults", "vars") for word in ("-e", f"@{ROLE}/{name}/main.yml")]
    given = {"patroni_etcd_hosts": ["e:2379"], "patroni_members": ["pg1"], "patroni_password": "generated", **options}
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible"), "-i", inventory, "pg1", "-c", "local", "-m", "debug",
            "-a", f"msg={{{{ ({wanted}) | to_json }}}}", *files, "-e", json.dumps(given),
        ],
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "SUCCESS" in done.stdout, done.stdout + done.stderr
    return json.loads(json.loads(done.stdout.partition("=> ")[2])["msg"])


@pytest.mark.parametrize(
    ("options", "mode", "devices"),
    [
        ({}, "off", []),
        ({"patroni_watchdog": False}, "off", []),  # a bare off in YAML
        ({"patroni_watchdog": "automatic"}, "automatic", ["/dev/watchdog:/dev/watchdog:rw"]),
        (
            {"patroni_watchdog": "required", "patroni_watchdog_device": "/dev/watchdog1"},
            "required",
            ["/dev/watchdog1:/dev/watchdog:rw"],
        ),
    ],
)
def test_a_watchdog_is_handed_over_when_it_is_asked_for(options: dict[str, Any], mode: str, devices: list[str]) -> None:
    found = evaluated("[patroni_yml.watchdog, patroni_container.devices]", **options)
    assert found == [{"mode": mode, "device": "/dev/watchdog"}, devices]


def test_certificates_have_the_names_that_clients_know_the_proxies_by(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    proxies = "p1 proxy_address=10.0.0.21 proxy_publish_address=0.0.0.0\np2 proxy_address=app2.example.com\n"
    inventory.write_text(f"[postgres]\npg1\n[proxy]\n{proxies}p3\n", encoding="utf-8")
    plain = ["pg1", "DNS:pg1", "localhost", "127.0.0.1", "more"]
    asked = "patroni_certificate.alt_names"
    assert evaluated(asked, patroni_alt_names=["more"]) == plain
    found = evaluated(asked, str(inventory), patroni_alt_names=["more"])
    assert found == [*plain, "10.0.0.21", "app2.example.com", "p3", "p2"]


def test_nodes_of_citus_have_its_section_its_settings_and_its_lines_before_those_of_clients() -> None:
    part = {
        "patroni": {"citus": {"group": 1, "database": "citus"}},
        "settings": {"citus.node_conninfo": "sslmode=verify-full"},
        "hba": ["hostssl citus all w2 trust clientcert=verify-ca"],
    }
    asked = "[patroni_yml.citus, patroni_dynamic.postgresql.parameters, patroni_yml.postgresql.pg_hba]"
    section, settings, lines = evaluated(asked, patroni_citus=part)
    assert (section, settings["citus.node_conninfo"]) == (part["patroni"]["citus"], "sslmode=verify-full")
    assert lines == [
        "local all all peer",
        "hostssl replication replicator all cert map=members",
        "hostssl all rewinder all cert map=members",
        *part["hba"],
        "hostssl all all all scram-sha-256",
    ]
    # Without Citus the image's own lines hold, as ever.
    assert evaluated("'pg_hba' in patroni_yml.postgresql or 'citus' in patroni_yml") is False


def test_a_replica_that_does_not_answer_is_missed_before_a_leader_would_be_unless_a_site_says_otherwise() -> None:
    asked = "patroni_dynamic.postgresql.parameters.wal_sender_timeout"
    assert evaluated(asked) == "15s"
    assert evaluated(asked, patroni_settings={"wal_sender_timeout": "1min"}) == "1min"
