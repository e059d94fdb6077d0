# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of three that is deployed, changed, and looked at by the playbooks; its etcd is none of ours."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import docker
import psycopg2
import pytest
from ansible_runs import until
from guides import blocks, commands
from patroni_site import NAME, NODES, Site

README = Path(__file__).parents[3] / "roles/patroni/README.md"
pytestmark = pytest.mark.full  # five minutes; molecule/patroni and tests/integration/faults are in `bin/test`


def given(**variables: Any) -> tuple[str, str]:
    """Variables for a playbook."""
    return "-e", json.dumps(variables)


def changed(output: str) -> int:
    """How many changes all hosts together had."""
    return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", output.split("PLAY RECAP", 1)[1]))


def test_nothing_is_done_where_nothing_is_to_be_done(site: Site) -> None:
    leader, before = site.leader(), site.identity()
    assert changed(site.play("site", "--check", "--diff")) == 0
    assert changed(site.play("site")) == 0
    assert (site.leader(), site.identity()) == (leader, before)


def test_an_image_that_was_built_again_and_is_the_same_moves_nobody(site: Site) -> None:
    leader, before, name = site.leader(), site.identity(), f"{NAME}-image:again"
    try:
        assert changed(site.play("site", *given(image_name=name))) == 1, "the image, under that name"
    finally:
        site.client.remove_image(name)
    assert (site.leader(), site.identity()) == (leader, before)


@pytest.mark.parametrize("connections", [157, 83], ids=["more", "less"])
def test_a_setting_that_needs_a_restart_comes_into_force_one_member_after_another(site: Site, connections: int) -> None:
    leader, before = site.leader(), site.identity()
    settings = given(patroni_settings={"max_connections": connections, "work_mem": "5MB"})
    print(site.play("deploy", *settings))
    after = site.identity()
    for node in NODES:
        assert site.ask(node, "SHOW max_connections") == str(connections)
        assert site.ask(node, "SHOW work_mem") == "5MB"
        assert after[node]["id"] == before[node]["id"]
        assert after[node]["server"] > before[node]["server"]
    if connections > 100:  # replicas first; one of them takes over before the leader is restarted
        assert site.leader() != leader
    assert changed(site.play("deploy", *settings)) == 0
    assert site.identity() == after


def test_a_setting_of_the_nodes_own_is_in_force_after_one_run(site: Site) -> None:
    """Patroni reads them a round later; what waits for a restart then would be left to the next run."""
    before = site.identity()
    own = given(patroni_node_config={"postgresql": {"parameters": {"wal_buffers": "2MB"}}})
    site.play("deploy", *own)
    after = site.identity()
    for node in NODES:
        assert site.ask(node, "SHOW wal_buffers") == "2MB"
        assert after[node]["id"] == before[node]["id"]
    assert changed(site.play("deploy", *own)) == 0
    assert site.identity() == after
    site.play("deploy")
    assert changed(site.play("deploy")) == 0
    assert [site.ask(node, "SHOW wal_buffers") for node in NODES] != ["2MB"] * len(NODES)


def test_what_somebody_has_changed_by_hand_is_told_and_taken_back(site: Site) -> None:
    leader, before = site.leader(), site.identity()
    settings = given(patroni_settings={"work_mem": "5MB"})
    site.play("deploy", *settings)
    status, body = site.rest(leader, "/config", "PATCH", {"ttl": 31, "postgresql": {"parameters": {"work_mem": "9MB"}}})
    assert status == 200, body
    until(lambda: site.ask(leader, "SHOW work_mem") == "9MB", "the change is in force")
    foreseen = site.play("deploy", "--check", "--diff", *settings)
    assert changed(foreseen) == 1 and "postgresql.parameters.work_mem" in foreseen and "9MB" in foreseen
    assert site.ask(leader, "SHOW work_mem") == "9MB"
    assert changed(site.play("deploy", *settings)) == 1
    assert site.ask(leader, "SHOW work_mem") == "5MB"
    assert site.rest(leader, "/config")[1]["ttl"] == 20
    assert (site.leader(), site.identity()) == (leader, before)


def test_a_member_that_is_not_declared_is_told_and_nothing_goes_on(site: Site) -> None:
    """The proxies come later: they would lose the way to a leader that they do not know."""
    fewer = given(patroni_members=[node for node in NODES if node != site.leader()])
    told = site.play("deploy", *fewer, expect=2)
    assert f"members that are not declared: {site.leader()}. Declare them again" in told
    assert changed(site.play("deploy")) > 0  # it has its certificate accepted again
    assert changed(site.play("deploy")) == 0


@pytest.mark.parametrize("options", [["--check"], []], ids=["rehearsed", "done"])
def test_another_major_version_is_refused_before_anything_is_replaced(site: Site, options: list[str]) -> None:
    """etcd would be of another version by then, and never goes back to the former one."""
    before = site.identity()
    told = site.play("deploy", *options, *given(image_suite="trixie"), expect=2)
    assert "has PostgreSQL 17, and 15 runs. Another major version cannot read these data" in told
    assert re.findall(r"PLAY \[(?!RECAP)(.*)\]", told) == ["Check what is to be deployed"]
    assert site.identity() == before


def test_another_container_replaces_one_node_after_another(site: Site) -> None:
    leader, before = site.leader(), site.identity()
    site.ask(leader, "CREATE TABLE replaced AS SELECT 1 AS one")
    site.play("deploy", *given(patroni_labels={"howdah.example": "yes"}))
    found = {node: site.inspect(node) for node in NODES}
    assert [node for node in NODES if found[node]["Id"] == before[node]["id"]] == []
    last = max(NODES, key=lambda node: str(found[node]["Created"]))
    assert last == leader != site.leader()
    assert site.ask(leader, "SELECT one FROM replaced") == 1


def test_a_setting_that_is_not_declared_any_more_goes(site: Site) -> None:
    """In the same run, also where it takes a restart."""
    site.play("deploy")  # what a test before this one has changed is no part of it
    leader = site.leader()
    by_hand = {"postgresql": {"parameters": {"random_page_cost": "2"}}}
    assert site.module("patroni_config", config=by_hand)["changed"] is True
    # PostgreSQL's own name is TimeZone.
    declared = given(patroni_settings={"work_mem": "7MB", "max_locks_per_transaction": 65, "timezone": "Europe/Paris"})
    planned = site.play("deploy", "--check", "--diff", *declared)
    assert '"waits for a restart": [' in planned and f'"{leader}": "restarted"' in planned, planned
    # What clients notice is in the sentence at the end, too.
    summary = " ".join(site.play("site", "--check", *declared).rpartition("Would ")[2].split())
    assert re.match(rf"set postgresql\.parameters\.work_mem: 7MB; .*; restart .*{leader}", summary), summary
    assert changed(site.play("deploy", *declared)) == changed(planned)
    assert (site.ask(leader, "SHOW work_mem"), site.ask(leader, "SHOW max_locks_per_transaction")) == ("7MB", "65")
    assert site.ask(leader, "SHOW timezone") == "Europe/Paris"
    assert changed(site.play("deploy", *declared)) == 0
    foreseen = site.play("deploy", "--check", "--diff")
    assert '-    "postgresql.parameters.work_mem": "7MB"' in foreseen, foreseen
    assert changed(site.play("deploy")) == changed(foreseen) > 0
    for node in NODES:
        assert site.ask(node, "SHOW work_mem") == "4MB"
        assert site.ask(node, "SHOW max_locks_per_transaction") == "64"
        assert site.ask(node, "SHOW random_page_cost") == "2"
    assert changed(site.play("deploy")) == 0
    by_hand["postgresql"]["parameters"]["random_page_cost"] = None
    assert site.module("patroni_config", config=by_hand)["changed"] is True


def test_members_that_were_restarted_by_hand_are_restarted_by_the_same_run(site: Site) -> None:
    """They alone wait for the declared value then, and notice later than the leader has it."""
    site.play("deploy")
    leader = site.leader()
    replicas = [node for node in NODES if node != leader]
    by_hand = {"postgresql": {"parameters": {"max_locks_per_transaction": 70}}}
    status, body = site.rest(leader, "/config", "PATCH", by_hand)
    assert status == 200, body
    declared = given(patroni_settings={"max_locks_per_transaction": 64})
    until(lambda: "max_locks_per_transaction" in site.play("status"), "they notice")

    def have() -> set[str]:
        try:
            return {str(site.ask(replica, "SHOW max_locks_per_transaction")) for replica in replicas}
        except psycopg2.OperationalError:
            return set()

    for replica in replicas:
        site.client.restart(replica, timeout=60)
    until(lambda: have() == {"70"}, "they have what was set by hand")
    until(lambda: site.play("status").count(" streaming ") == len(replicas), "they follow")
    site.play("deploy", *declared)
    assert have() == {"64"}
    assert changed(site.play("deploy", *declared)) == 0
    site.play("deploy")


def test_what_patroni_would_drop_is_told_before_it_is_stored(site: Site) -> None:
    site.leader()
    unknown = {"postgresql": {"parameters": {"no_such_setting": "1", "work_mem": "5MB"}}}
    # Patroni itself answers 200.
    failed = site.module("patroni_config", config=unknown)
    assert failed["error"] == "settings_dropped", failed
    assert failed["dropped"] == {"no_such_setting": "the server does not know it"}
    foreseen = site.play("deploy", "--check", *given(patroni_settings={"shared_bufers": "1GB"}), expect=2)
    assert "does not know shared_bufers (shared_buffers?), and Patroni would drop it." in foreseen
    assert "The cluster's configuration was not changed." in foreseen
    # What Patroni finds wrong it leaves out, and what the server finds wrong would keep that from starting.
    wrong = {"max_connections": "many", "wal_level": "none", "shared_buffers": "1", "work_mem": "6MB"}
    refused = site.module("patroni_config", config={"postgresql": {"parameters": wrong}})
    assert refused["error"] == "settings_dropped" and set(refused["dropped"]) == set(wrong) - {"work_mem"}, refused
    foreseen = site.play("deploy", "--check", *given(patroni_settings={"max_connections": "many"}), expect=2)
    assert 'refuses invalid value for parameter \\"max_connections\\": \\"many\\"' in foreseen, foreseen
    assert site.ask(site.leader(), "SHOW work_mem") != "6MB"
    gone = site.module("patroni_config", config={"postgresql": {"parameters": {"no_such_setting": None}}})
    assert gone["changed"] is False, gone
    # Placeholders of extensions are nobody's business.
    dotted = {"postgresql": {"parameters": {"no_such.setting": "1"}}}
    assert site.module("patroni_config", config=dotted)["changed"] is True
    dotted["postgresql"]["parameters"]["no_such.setting"] = None
    assert site.module("patroni_config", config=dotted)["changed"] is True


def test_settings_may_be_spelled_otherwise_than_the_server_does(site: Site) -> None:
    odd = {
        "wal_compression": True, "wal_buffers": -1, "effective_cache_size": "1.3GB", "bgwriter_delay": "0.2s",
        "datestyle": "German", "jit_above_cost": "1e5", "statement_timeout": "30min", "lock_timeout": "1min",
        "howdah_test.of_an_application": "a b",
    }  # fmt: skip
    site.play("deploy", *given(patroni_settings={**odd, "work_mem": 64}))
    leader = site.leader()
    assert site.ask(leader, "SHOW work_mem") == "64kB"
    # A superuser without a limit is no server without one.
    site.ask(leader, "ALTER ROLE postgres SET statement_timeout = 0")
    try:
        assert changed(site.play("deploy", *given(patroni_settings={**odd, "work_mem": 64}))) == 0
        # Another unit is another value.
        assert changed(site.play("deploy", *given(patroni_settings={**odd, "work_mem": "64MB"}))) > 0
        assert site.ask(leader, "SHOW work_mem") == "64MB"
    finally:
        site.ask(leader, "ALTER ROLE postgres RESET statement_timeout")
    site.play("deploy")


def test_the_leadership_is_handed_over_and_check_mode_tells_from_whom_to_whom(site: Site) -> None:
    leader = site.leader()
    wanted = next(node for node in NODES if node != leader)
    foreseen = site.play("switchover", "--check", *given(candidate=wanted))
    assert changed(foreseen) == 1
    assert re.search(f"Would hand the leadership over from {leader} to {wanted}", foreseen), foreseen
    assert site.leader() == leader
    done = site.play("switchover", *given(candidate=wanted))
    assert re.search(f"Done: hand the leadership over from {leader} to {wanted}", done), done
    assert site.leader() == wanted
    assert changed(site.play("switchover", *given(candidate=wanted))) == 0
    site.play("switchover")
    assert site.leader() != wanted


def test_members_are_told_and_filtered(site: Site) -> None:
    leader = site.leader()
    told = site.module("patroni_info", query="members[?role!='leader'].name | sort(@)")
    assert (told["changed"], told["leader"]) == (False, leader)
    assert told["selected"] == sorted(node for node in NODES if node != leader), told


def test_status_as_a_table_as_data_and_by_a_query(site: Site) -> None:
    leader = site.leader()
    replica = next(node for node in NODES if node != leader)
    table = site.play("status")
    assert re.search(rf"^{leader} +leader +running ", table, re.MULTILINE), table
    assert re.search(rf"^{replica} +(?:quorum standby|replica) +streaming ", table, re.MULTILINE), table
    told = site.play("status", *given(output="json"))
    data = json.loads(told[told.index("{\n") : told.rindex("\n}") + 2])
    assert (data["leader"], data["problem"], len(data["nodes"])) == (leader, "", 3)
    assert f'"{leader}"' in site.play("status", "-e", "query=members[?role=='leader'].name | [0]")
    site.play("status", *given(fail_on_problem=True))


def test_patronis_own_command_finds_the_cluster(site: Site) -> None:
    members = json.loads(site.run(NODES[0], "patronictl", "list", "--format", "json"))
    assert {member["Member"]: member["Cluster"] for member in members} == dict.fromkeys(NODES, NAME)


def test_metrics_are_those_that_are_described(site: Site) -> None:
    described = set(re.findall(r"`(patroni_\w+)`", README.read_text(encoding="utf-8")))
    for node in NODES:
        status, text = site.rest(node, "/metrics")
        assert status == 200
        seen = set(re.findall(r"^(patroni_\w+)\{", text, re.MULTILINE))
        assert len(seen) > 15
        assert seen - described == set()


def test_a_scraper_gets_in_with_the_certificate_that_is_described(site: Site, tmp_path: Path) -> None:
    where, *rest = [line for block in blocks(README.read_text(encoding="utf-8"), "console") for line in commands(block)]
    export, _equals, path = where.partition("=")
    address = site.inspect(NODES[0])["NetworkSettings"]["Networks"][NAME]["IPAddress"]
    # The certificate names the node, not the address that the engine has given it.
    script = "\n".join(["set -eu", f"{export}={site.authority}", *rest]).replace("https://10.0.0.11", f"https://{NODES[0]}")
    script = script.replace("curl ", f"curl --no-progress-meter --resolve {NODES[0]}:8008:{address} ")
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 and "patroni_primary{" in done.stdout, done.stderr
    assert path.endswith("/howdah/main/authority")


def test_a_certificate_that_comes_with_other_settings_is_served(site: Site) -> None:
    """Patroni itself would go on with the former one: it looks at the one or the other."""

    def served(node: str) -> str:
        address = site.inspect(node)["NetworkSettings"]["Networks"][NAME]["IPAddress"]
        return ssl.get_server_certificate((address, 8008))

    before = {node: served(node) for node in NODES}
    site.play("deploy", *given(patroni_alt_names=["db.example.com"], patroni_tags={"howdah": "another"}))
    until(lambda: all(served(node) != before[node] for node in NODES), "all serve the new certificate")
    for node in NODES:
        assert served(node).strip() == site.run(node, "cat", "/etc/howdah/tls/node.crt").strip()


def test_a_member_that_has_another_address_can_lead(site: Site, docker_client: docker.APIClient) -> None:
    """Patroni itself would ask at the former one, ten minutes long."""
    leader = site.leader()
    other = next(node for node in NODES if node != leader)
    for candidate in (other, leader):  # and so either has asked the other, and knows where it was
        site.play("switchover", *given(candidate=candidate))

    def address() -> str:
        return str(site.inspect(other)["NetworkSettings"]["Networks"][NAME]["IPAddress"])

    before = address()
    docker_client.disconnect_container_from_network(other, NAME)
    placeholder = docker_client.create_container(
        site.inspect(other)["Image"], command=["sleep", "600"], name=f"{NAME}-placeholder",
        host_config=docker_client.create_host_config(network_mode=NAME, init=True),
    )  # fmt: skip
    docker_client.start(placeholder)
    try:
        docker_client.connect_container_to_network(other, NAME)
        assert address() != before
        until(lambda: re.search(rf"{other} .*quorum standby.*streaming", site.play("status")), "it may lead again")
        site.play("switchover", *given(candidate=other))
        assert site.leader() == other
    finally:
        docker_client.remove_container(placeholder, force=True)


def test_destroy_keeps_the_data_unless_the_name_is_typed(site: Site) -> None:
    site.ask(site.leader(), "CREATE TABLE kept AS SELECT 2 AS two")
    data = {f"{node}-data" for node in NODES}
    told = site.play("destroy", *given(destroy_data="another"), expect=2)
    assert f"destroy_data is another. It has to be {NAME}. Nothing was removed." in told
    assert all(site.exists(node) for node in NODES)
    told = site.play("destroy")
    assert told.count("stay in the volumes") == 1, told
    assert not [node for node in NODES if site.exists(node)]
    told = site.play("status", *given(fail_on_problem=True), expect=2)
    assert f"{NODES[1]}: its container is missing" in told, told
    assert "The playbook site makes them, and they serve what their volumes hold" in told, told
    assert data <= site.volumes()
    site.play("deploy")
    assert site.ask(site.leader(), "SELECT two FROM kept") == 2
    told = site.play("destroy", *given(destroy_data=NAME))
    assert not site.volumes()
    # etcd is none of ours: what it remembers is the user's to remove.
    key = f"/service/{NAME}/"
    assert f"etcdctl del --prefix {key}" in told, told
    site.etcdctl("del", "--prefix", key)
    site.play("deploy")
    assert site.ask(site.leader(), "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == 0
