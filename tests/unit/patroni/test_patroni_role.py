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
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.filter.member_passwords import FilterModule
from role_values import value_of

ROLE = Path(__file__).parents[3] / "roles/patroni"


def evaluated(wanted: str, inventory: str = "pg1,", **options: Any) -> Any:
    """The value of an expression over the role's variables."""
    files = [word for name in ("defaults", "vars") for word in ("-e", f"@{ROLE}/{name}/main.yml")]
    given = {"patroni_etcd_hosts": ["e:2379"], "patroni_members": ["pg1"], "patroni_password": "generated", **options}
    return value_of(wanted, "pg1", inventory, "-c", "local", *files, "-e", json.dumps(given))


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
        "database": "shop",
        "settings": {"citus.node_conninfo": "sslmode=verify-full"},
        "hba": ["hostssl citus all w2 trust clientcert=verify-ca"],
    }
    asked = "[patroni_yml.citus, patroni_dynamic.postgresql.parameters, patroni_yml.postgresql.pg_hba]"
    section, settings, lines = evaluated(asked, patroni_citus=part, citus_group="1")
    assert (section, settings["citus.node_conninfo"]) == ({"group": 1, "database": "shop"}, "sslmode=verify-full")
    assert lines == [
        "local all all peer",
        "local replication replicator peer map=own",
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


# --- Passwords of members ------------------------------------------------------------------------

PASSWORDS = {"PATRONI_REPLICATION_PASSWORD": "{{ 7 * 7 }} it's", "PATRONI_REWIND_PASSWORD": 'a"b$c`d\\'}


def test_members_have_certificates_unless_passwords_are_asked_for() -> None:
    asked = "[patroni_members_files, patroni_roles | map(attribute='name'), 'pg_hba' in patroni_yml.postgresql]"
    assert evaluated(asked) == [[], ["postgres"], False]


def test_members_passwords_are_in_a_file_of_their_own_and_in_the_roles_of_the_leader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in PASSWORDS.items():
        monkeypatch.setenv(name, value)
    asked = "[patroni_certificate.files, patroni_roles, patroni_yml.postgresql.pg_hba, patroni_container | string]"
    files, roles, lines, container = evaluated(asked, patroni_member_authentication="password")
    assert [file["path"] for file in files] == ["patroni.yml", "members.yml"]
    told = json.loads(files[1]["secret_content"])["postgresql"]["authentication"]
    assert [told[section]["password"] for section in ("replication", "rewind")] == list(PASSWORDS.values())
    given = {role["name"]: role["password"] for role in roles[1:]}
    assert given == dict(zip(("replicator", "rewinder"), PASSWORDS.values()))
    assert lines == [
        "local all all peer",
        "local replication replicator peer map=own",
        "hostssl replication replicator all scram-sha-256",
        "hostssl all rewinder all scram-sha-256",
        "hostssl all all all scram-sha-256",
    ]
    assert not [password for password in PASSWORDS.values() if password in files[0]["content"] or password in container]


HOSTILE = [
    "it's", 'say "hi"', "`id`", "$HOME", "$(touch /tmp/x)", "\\", "trailing\\", "\\n", ":x", "{{ 1 + 1 }}", "{% raw %}",
    "{0}", "#no comment", " ", " leading", "null", "true", "0", "~", "- a", "a: b", "x" * 2000,
]  # fmt: skip
UNFIT = ["", None, 12345, "a\0b", "a\udc80b", "in\nside", "end\n", "\r\n", "\ttab", "a$$b", "\u00e9", "\U0001f418"]


@pytest.mark.parametrize("password", HOSTILE)
def test_a_members_password_is_read_as_it_was_given(password: str) -> None:
    text = FilterModule().filters()["member_passwords"](password, "other")
    for read in (json.loads, yaml.safe_load):
        told = read(text)["postgresql"]["authentication"]
        assert told == {"replication": {"password": password}, "rewind": {"password": "other"}}
    assert "{{" not in text and "{%" not in text


@pytest.mark.parametrize("password", UNFIT)
def test_what_is_no_password_of_members_is_refused_without_being_shown(password: Any) -> None:
    make = FilterModule().filters()["member_passwords"]
    for pair, section in ((("other", password), "rewind"), ((password, "other"), "replication")):
        with pytest.raises(AnsibleFilterError) as raised:
            make(*pair)
        assert section in str(raised.value) and "12345" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Export PATRONI_REPLICATION_PASSWORD and PATRONI_REWIND_PASSWORD"),
        ({"patroni_replication_password": "canary-one"}, "Export PATRONI_REPLICATION_PASSWORD"),
        ({"patroni_replication_password": "canary-one", "patroni_rewind_password": "canary\u00e9"}, "printable ASCII"),
        ({"patroni_member_authentication": "peer"}, "is certificate or password"),
    ],
)
def test_passwords_of_members_are_refused_before_anything_is_deployed(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    play = [{"hosts": "pg1", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": {
        "name": "howdah.postgresql.patroni", "tasks_from": "check"}}]}]  # fmt: skip
    (tmp_path / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    given = {"patroni_member_authentication": "password", "patroni_etcd_hosts": ["e:2379"], **options}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PATRONI_")}
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"), "-vvv", "-i", "pg1,", "-c", "local", "play.yml",
            "-e", json.dumps(given),
        ],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stdout and "canary" not in done.stdout.replace(json.dumps(given), "")
