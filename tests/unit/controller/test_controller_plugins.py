# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugins that run on the controller only."""
from __future__ import annotations

import configparser
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleFilterError
from ansible_collections.howdah.postgresql.plugins.action import certificates, container, image, password
from ansible_collections.howdah.postgresql.plugins.action.show import search, table
from ansible_collections.howdah.postgresql.plugins.filter import near_misses as plugin
from ansible_collections.howdah.postgresql.plugins.filter.actions_of import actions_of
from ansible_collections.howdah.postgresql.plugins.filter.build_site import build_site
from ansible_collections.howdah.postgresql.plugins.filter.first_running import first_running
from ansible_collections.howdah.postgresql.plugins.filter.hosts_of import hosts_of
from ansible_collections.howdah.postgresql.plugins.filter.near_misses import near_misses
from ansible_collections.howdah.postgresql.plugins.filter.one_per_machine import one_per_machine
from ansible_collections.howdah.postgresql.plugins.filter.update_rows import update_rows
from ansible_collections.howdah.postgresql.plugins.lookup.pip_config import option
from ansible_collections.howdah.postgresql.plugins.plugin_utils import _action


def test_table_aligns_text_left_and_numbers_right() -> None:
    rows = [{"node": "pg1", "lag": 5}, {"node": "a-long-name", "lag": 1234}]
    assert table(rows).splitlines() == [
        "node          lag",
        "-----------  ----",
        "pg1             5",
        "a-long-name  1234",
    ]


def test_table_shows_unknown_values_as_blanks() -> None:
    assert table([{"node": "pg1", "state": None}]).splitlines()[-1] == "pg1"


def test_table_of_nothing_says_so() -> None:
    assert table([]) == "(nothing)"


def test_actions_are_gathered_from_all_hosts_and_loops() -> None:
    hosts: list[dict[str, Any]] = [
        {"deployed": {"actions": ["create a"]}, "built": {"results": [{"actions": ["build x"]}, {"skipped": True}]}},
        {"deployed": {"skipped": True}},
        {"deployed": {"actions": ["create b", "start b"]}, "built": {"actions": ["build x"]}},
    ]
    assert actions_of(hosts, ["built", "deployed"]) == ["build x", "create a", "create b", "start b"]
    assert actions_of(hosts, ["unknown"]) == []


def test_updates_of_images_that_lack_the_same_are_one_row() -> None:
    urgent = {"package": "openssl", "installed": "1", "available": "2", "security": True}
    other = {"package": "tzdata", "installed": "1", "available": "2", "security": False}
    found = {"pg1": {"a": [urgent, other], "b": []}, "pg2": {"a": [other, urgent], "b": [other]}}
    assert update_rows(found) == [
        {"image": "a", "engines_of": "pg1, pg2", "updates": 2, "for_security": "openssl"},
        {"image": "b", "engines_of": "pg1", "updates": 0, "for_security": "none"},
        {"image": "b", "engines_of": "pg2", "updates": 1, "for_security": "none"},
    ]


def test_query_selects() -> None:
    data = {"nodes": [{"node": "pg1", "state": "running"}, {"node": "pg2", "state": "exited"}]}
    assert search("nodes[?state != 'running'].node", data) == ["pg2"]


def test_wrong_query_is_named() -> None:
    with pytest.raises(AnsibleActionFail, match=r"'nodes\[' is no JMESPath expression"):
        search("nodes[", {})


@pytest.mark.parametrize(
    ("hostvars", "expected"),
    [
        pytest.param(
            {"pg1": {"ansible_connection": "local"}, "pg2": {"ansible_connection": "local"}}, ["pg1"], id="one laptop"
        ),
        pytest.param({"pg1": {"ansible_host": "a"}, "pg2": {"ansible_host": "b"}}, ["pg1", "pg2"], id="two machines"),
        pytest.param(
            {"pg1": {"ansible_host": "a"}, "pg2": {"ansible_host": "a"}}, ["pg1"], id="two nodes on one machine"
        ),
        pytest.param(
            {
                "pg1": {"ansible_connection": "local", "docker_host": "unix:///run/h1.sock"},
                "pg2": {"ansible_connection": "local", "docker_host": "unix:///run/h2.sock"},
                "pg3": {"ansible_connection": "local", "docker_host": "unix:///run/h1.sock"},
            },
            ["pg1", "pg2"],
            id="two engines on one machine",
        ),
        pytest.param({"pg1": {}, "pg2": {}}, ["pg1", "pg2"], id="the name is the address"),
    ],
)
def test_one_host_stands_for_each_engine(hostvars: dict[str, dict[str, str]], expected: list[str]) -> None:
    assert one_per_machine(list(hostvars), hostvars) == expected


def test_pip_environment_wins_over_files(tmp_path: Path) -> None:
    file = tmp_path / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[global]\ncert = /from/file\nindex-url = https://from.file/simple\n")
    environ = {"HOME": str(tmp_path), "PIP_CERT": "/from/environment"}
    assert option("cert", environ) == "/from/environment"
    assert option("index-url", environ) == "https://from.file/simple"


def test_pip_option_that_is_not_set_is_empty(tmp_path: Path) -> None:
    assert option("a-name-that-no-pip-knows", {"HOME": str(tmp_path)}) == ""


def test_pip_configuration_that_is_broken_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("no section\n")
    with pytest.raises(configparser.Error):
        option("cert", {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(file)})


REPOSITORY = {
    "name": "extra",
    "uris": ["https://apt.example.com/debian"],
    "suites": ["bookworm"],
    "components": ["main"],
}


def test_repository_becomes_source_key_and_packages() -> None:
    files = build_site([{**REPOSITORY, "key": "/keys/extra.asc", "packages": ["postgresql-15-extra"]}])
    by_path = {file["path"]: file for file in files}
    source = by_path["image/site/apt/extra.sources"]["content"].splitlines()
    assert "URIs: https://apt.example.com/debian" in source
    assert "Signed-By: /run/site/apt/extra.asc" in source
    assert by_path["image/site/apt/extra.asc"]["src"] == "/keys/extra.asc"
    assert by_path["image/site/apt/extra.packages"]["content"] == "postgresql-15-extra\n"


@pytest.mark.parametrize(
    ("repository", "lines"),
    [
        (
            {"preset": "pgdg"},
            [
                "URIs: https://apt.postgresql.org/pub/repos/apt",
                "Suites: trixie-pgdg",
                "Components: main",
                "Signed-By: /usr/share/postgresql-common/pgdg/apt.postgresql.org.asc",
            ],
        ),
        (
            {"preset": "pgdg", "name": "near", "uris": ["http://mirror.example.com/pgdg"], "key": None},
            ["URIs: http://mirror.example.com/pgdg", "Suites: trixie-pgdg"],
        ),
        (
            {"preset": "citus", "key": "/keys/citus.asc"},
            [
                "URIs: https://repos.citusdata.com/community/debian",
                "Suites: trixie",
                "Signed-By: /run/site/apt/citus.asc",
            ],
        ),
        (
            {"preset": "percona", "key": "/keys/percona"},
            [
                "URIs: https://repo.percona.com/ppg-17/apt",
                "Suites: trixie",
                "Signed-By: /run/site/apt/percona.gpg",
            ],
        ),
    ],
)
def test_presets_know_their_repositories(repository: dict[str, Any], lines: list[str]) -> None:
    source = build_site([repository], suite="trixie", major=17)[0]["content"].splitlines()
    assert [line for line in lines if line not in source] == []


@pytest.mark.parametrize("preset", ["citus", "percona"])
def test_presets_without_a_key_of_debian_need_one(preset: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"'{preset}' has no key"):
        build_site([{"preset": preset}])


@pytest.mark.parametrize(
    ("repository", "told"),
    [
        ({"preset": "other"}, "no preset 'other'"),
        ({"uris": ["http://x"]}, "needs a `name`"),
        ({"name": "x", "trusted": True}, "'x' has no uris and no suites"),
        ({"name": "x", "trusted": True, "folder": "/missing"}, "'/missing' of an apt repository"),
    ],
)
def test_incomplete_repository_is_told(repository: dict[str, Any], told: str) -> None:
    with pytest.raises(AnsibleFilterError, match=told):
        build_site([repository])


def test_folder_goes_into_the_build(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/a.deb").touch()
    files = build_site([{"name": "ours", "folder": str(tmp_path), "trusted": True}])
    assert "URIs: file:/run/site/apt/ours\nSuites: ./\nTrusted: yes" in files[0]["content"]
    assert {"path": "image/site/apt/ours/pool/a.deb", "src": str(tmp_path / "pool/a.deb")} in files


def test_binary_key_is_named_so() -> None:
    assert "image/site/apt/extra.gpg" in [file["path"] for file in build_site([{**REPOSITORY, "key": "/keys/k"}])]


def test_repository_without_key_is_refused_unless_trusted() -> None:
    with pytest.raises(AnsibleFilterError, match="'extra' has no key"):
        build_site([REPOSITORY])
    files = build_site([{**REPOSITORY, "trusted": True}])
    assert "Trusted: yes" in files[0]["content"]


def test_site_without_anything_particular_adds_nothing() -> None:
    assert build_site([]) == []


def test_wheelhouse_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.whl").touch()
    assert [file["path"] for file in build_site([], wheelhouse=str(tmp_path))] == ["image/site/wheelhouse/a.whl"]
    with pytest.raises(AnsibleFilterError, match="missing"):
        build_site([], wheelhouse=str(tmp_path / "missing"))


@pytest.mark.parametrize("plugin", [certificates, container, image, password], ids=lambda one: one.__name__)
@pytest.mark.parametrize("lacking", ["", "docker"], ids=["with the SDK", "without"])
def test_what_the_controller_has_no_library_for_is_left_to_the_modules_interpreter(
    plugin: Any, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_action, "find_spec", lambda name: None if name == lacking else name)
    action = object.__new__(plugin.ActionModule)
    action._task = SimpleNamespace(environment=[], async_val=0)
    action._connection = SimpleNamespace(transport="local", become=None)
    assert action.is_own_process() is not bool(lacking)


@pytest.mark.parametrize(
    ("kind", "groups", "expected"),
    [
        pytest.param("postgres", ("postgres",), ["site"], id="nobody else there"),
        pytest.param("postgres", ("postgres", "proxy", "etcd", "app"), ["site", "!etcd", "!proxy"], id="servers only"),
        pytest.param("etcd", ("postgres", "etcd"), ["site", "&etcd"], id="those of the group"),
        pytest.param("backup", ("postgres",), ["all", "!all"], id="no such group"),
    ],
)
def test_a_play_is_for_hosts_of_its_kind(kind: str, groups: tuple[str, ...], expected: list[str]) -> None:
    assert hosts_of("site", kind, dict.fromkeys(groups, ["host"])) == expected


@pytest.mark.parametrize(
    ("kind", "groups", "expected"),
    [
        pytest.param("postgres", {"postgres": ["pg1"]}, ["postgres"], id="somebody there"),
        pytest.param("postgres", {"postgres": []}, ["localhost"], id="nobody there"),
        pytest.param("postgres", {}, ["localhost"], id="no such group"),
        pytest.param("postgres", {"etcd": ["etcd1"]}, ["postgres", "!etcd"], id="an etcd of its own"),
        pytest.param("postgres", {"backup": ["backup1"]}, ["localhost"], id="a repository of nobody"),
        pytest.param("backup", {"etcd": ["etcd1"]}, ["localhost"], id="no repository"),
    ],
)
def test_a_play_that_has_nobody_can_say_so_elsewhere(
    kind: str, groups: dict[str, list[str]], expected: list[str]
) -> None:
    assert hosts_of(kind, kind, groups, otherwise="localhost") == expected
    assert "localhost" not in hosts_of("a target of the user's own", kind, groups, otherwise="localhost")


def test_a_target_may_be_several_patterns() -> None:
    assert hosts_of(["a", "b:c"], "etcd", {"etcd": ["e"]}) == ["a", "b:c", "&etcd"]
    assert hosts_of(["a", "b:c"], "postgres", {"etcd": ["e"]}) == ["a", "b:c", "!etcd"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("patroni_setings", "patroni_settings"),
        ("patorni_settings", "patroni_settings"),
        ("proxy_prot", "proxy_port"),
        ("server_pasword", "server_password"),
        ("image_suit", "image_suite"),
        ("cluster_nmae", "cluster_name"),
    ],
)
def test_a_misspelt_variable_is_told(name: str, meant: str) -> None:
    assert near_misses([name, "patroni_settings", "cluster_name", "ansible_host"]) == [f"{name} ({meant}?)"]


def test_names_of_ones_own_are_nobodys_business() -> None:
    assert near_misses(["shop_database", "backup_bucket_owner", "server_room", "proxy_team"]) == []


def test_where_all_names_are_known_every_other_one_is_told() -> None:
    known = ["restore_type", "restore_target"]
    assert near_misses(["restore_tpye", "restore_target", "restore_quux"], known) == [
        "restore_quux", "restore_tpye (restore_type?)",
    ]  # fmt: skip


def test_only_what_was_typed_is_compared_with_what_playbooks_take(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = {"fial_on_problem": "true", "members": "pg1", "my_own": "x", "backup_tpye": "full"}
    monkeypatch.setattr(plugin, "load_extra_vars", lambda _loader: typed)
    every = [*typed, "target", "patroni_setings"]  # the last is the inventory's
    assert near_misses(every, typed=True) == ["backup_tpye (backup_type?)", "fial_on_problem (fail_on_problem?)"]


def test_all_that_is_typed_in_examples_is_known() -> None:
    root = Path(__file__).resolve().parents[3]
    files = [path for pattern in ("playbooks/**/*.yml", "docs/*.md") for path in root.glob(pattern)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    names = set(re.findall(r"-e '?(?:{\"?)?([a-z_]+)\"?[=:]", text))
    assert len(names) > 30
    assert names - {*plugin._TYPED, *plugin._variables()} == {"ansible_python_interpreter"} & names


# What roles register or set while they run, near an option: no inventory has these, and the playbook looks first.
_INTERNAL = {"citus_groups", "etcd_member", "image_archive", "patroni_by_password"}


def test_what_the_collection_itself_names_is_no_miss() -> None:
    root = Path(__file__).resolve().parents[3]
    files = [path for pattern in ("playbooks/**/*.yml", "roles/**/*.yml", "docs/*.md") for path in root.glob(pattern)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    names = set(re.findall(r"\b[a-z]+_[a-z_]+\b", text))
    example = "patroni_setings"  # of the page on troubleshooting
    assert {miss.partition(" ")[0] for miss in near_misses(names)} == {*_INTERNAL, example}


def found(*containers: tuple[str, str]) -> dict[str, Any]:
    return {"nodes_found": {"containers": [{"name": name, "state": state} for name, state in containers]}}


@pytest.mark.parametrize(
    ("hostvars", "expected"),
    [
        ({"pg1": found(("pg1", "running"), ("pg2", "running")), "pg2": {}}, "pg1"),
        ({"pg1": found(("pg1", "exited"), ("pg2", "running")), "pg2": {}}, "pg2"),
        ({"pg1": found(("pg1", "paused")), "pg2": found(("pg2", "running"))}, "pg2"),
        # A machine that is away, and a container that is gone.
        ({"pg1": {"nodes_found": {"unreachable": True}}, "pg2": found(("pg2", "running"))}, "pg2"),
        ({"pg1": {"nodes_found": {"containers": [{"name": "pg1"}]}}, "pg2": found(("pg2", "running"))}, "pg2"),
        ({"pg1": found(("pg1", "exited")), "pg2": found(("pg2", "exited"))}, "pg1"),
        ({}, ""),
    ],
)
def test_a_node_whose_container_runs_is_asked(hostvars: dict[str, dict[str, Any]], expected: str) -> None:
    assert first_running(list(hostvars), hostvars) == expected
