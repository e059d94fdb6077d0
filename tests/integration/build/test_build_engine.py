# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build makes, with a real engine and through a real ansible-playbook."""
from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
from typing import Any

import docker
import pytest
from build_kit import Registry, Site


def test_build_then_unchanged_then_changed(site: Site) -> None:
    predicted = site.run("--check", "--diff")
    assert predicted["changed"] and site.image() is None

    first = site.run("--diff")
    image = site.image()
    assert image is not None
    for key in ("changed", "actions", "diff", "inputs"):
        assert first[key] == predicted[key]
    assert first["actions"] == [f"build {site.name}: it does not exist"]
    assert (first["image_id"], first["size"]) == (image["Id"], image["Size"])
    assert any("RUN echo" in step["name"] and not step["cached"] for step in first["steps"])
    assert first["elapsed"] > 0

    # Nothing below is part of an image.
    for path in [site.context, *site.context.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1, 1))
    for arguments in ((), ("--check",)):
        again = site.run("--diff", *arguments)
        assert again["changed"] is False and again["actions"] == []
        assert again["image_id"] == image["Id"] and "steps" not in again
        assert again["inputs"] == first["inputs"]

    (site.context / "hello").write_text("changed")
    predicted = site.run("--check", "--diff")
    second = site.run("--diff")
    for key in ("changed", "actions", "diff", "inputs"):
        assert second[key] == predicted[key]
    assert second["actions"] == [f"build {site.name}: changed: context"]
    assert list(second["diff"]["after"]["files"]) == ["hello"]
    assert second["image_id"] != first["image_id"]
    assert all(step["cached"] for step in second["steps"] if "RUN echo" in step["name"])
    assert site.image(first["image_id"]) is None  # superseded, and nobody used it
    assert site.run()["changed"] is False


def test_labels_that_the_build_tells(site: Site) -> None:
    told = {"labels": {"version": "1.2", "given": "by the build"}}
    (site.context / "told.json").write_text(json.dumps(told))
    options = {"labels_from": "/told.json", "labels": {"given": "by the user"}}
    predicted = site.run("--check", **options)
    plain = site.run()
    without = site.image()
    made = site.run(**options)
    image = site.image()
    assert without and image and made["image_id"] == image["Id"] and made["inputs"] == predicted["inputs"]
    assert image["Config"]["Labels"].items() >= {"version": "1.2", "given": "by the user"}.items()
    assert image["RootFS"] == without["RootFS"] and site.image(plain["image_id"]) is None
    assert site.run(**options)["changed"] is False
    assert made["actions"] == [f"build {site.name}: changed: labels, labels_from"]

    # One that has not got them is not taken for finished.
    for content, why in (("{}", "has no object 'labels'"), ("[", "is not JSON"), (None, "does not exist")):
        if content is None:
            (site.context / "told.json").unlink()
        else:
            (site.context / "told.json").write_text(content)
        refused = site.run(**options)
        assert refused["code"] == 1201 and f"its file /told.json {why}" in refused["msg"], refused
    (site.context / "told.json").write_text(json.dumps(told))
    assert site.run(**options)["actions"] == [f"build {site.name}: its last build was not finished"]
    assert not site.engine.containers(all=True, filters={"name": "howdah-image-labels-"})


def test_ignored_files_are_neither_sent_nor_counted(site: Site) -> None:
    (site.context / "Dockerfile.dockerignore").write_text("*\n!keep\n")
    (site.context / "keep").mkdir()
    (site.context / "keep/me").write_text("x")
    site.run()
    (site.context / "hello").write_text("noise")
    (site.context / "noise").write_text("noise")
    assert site.run()["changed"] is False
    container = site.engine.create_container(site.name, "none", name=site.name.split(":")[0])
    try:
        assert site.engine.get_archive(container, "/keep/me")[1]["size"] == 1
        with pytest.raises(docker.errors.NotFound):
            site.engine.get_archive(container, "/hello")
    finally:
        site.engine.remove_container(container)


def test_options_reach_the_build(site: Site) -> None:
    (site.context / "sub").mkdir()
    (site.context / ".dockerignore").write_text("site\n")  # not for what the option files adds
    (site.context / "sub/Recipe").write_text(
        "FROM debian:bookworm AS one\nARG WHAT\nLABEL what=$WHAT\nRUN grep -q '127.0.0.9.*howdah-host' /etc/hosts\n"
        "RUN ! grep -q eth0 /proc/net/dev\nCOPY site/ca.pem /ca.pem\nRUN test $(stat -c %a /ca.pem) = 755\n"
        "FROM scratch\nLABEL what=other\n"
    )
    other = site.name + "-other"
    site.names.append(other)
    canary = "canary-" + secrets.token_hex(8)
    options: dict[str, Any] = {
        "dockerfile": "sub/Recipe",
        "target": "one",
        "platform": f"linux/{site.engine.version()['Arch']}",
        "args": {"WHAT": 15},
        "labels": {"mine": True},
        "network": "none",
        "extra_hosts": {"howdah-host": "127.0.0.9"},
        "tags": [other],
        "files": [{"path": "site/ca.pem", "content": canary, "mode": "0755"}],
    }
    text = site.text("-vvv", "--diff", **options)
    assert "changed=1" in text, text
    assert canary not in text
    image = site.image()
    assert image is not None and image == site.image(other)
    assert image["Config"]["Labels"]["what"] == "15"
    assert image["Config"]["Labels"]["mine"] == "true"
    assert canary not in json.dumps(image)
    assert site.run(**options)["changed"] is False

    site.engine.remove_image(other)
    assert site.run(**options)["actions"] == [f"tag {other}: as {site.name}"]
    (site.folder / "files").mkdir()
    (site.folder / "files/ca.pem").write_text(canary)
    options["files"] = [{"path": "site/ca.pem", "src": "ca.pem", "mode": "0755"}]
    assert site.run(**options)["changed"] is False
    options["files"][0]["src"] = "nowhere.pem"
    assert "nowhere.pem cannot be read on the controller" in site.run(**options)["msg"]


def test_rebuild_always(site: Site) -> None:
    always = {"rebuild": "always"}
    _built, predicted, again = site.results({}, {**always, "check_mode": True}, always)
    assert predicted["changed"] is True and again["changed"] is True
    assert not any(step["cached"] for step in again["steps"] if "RUN echo" in step["name"])


def test_an_image_is_renewed_when_it_is_old(site: Site) -> None:
    soon = {"max_age": 1e-7}  # of a day
    _built, young, predicted, renewed, info = site.results(
        {}, {"max_age": 1}, {**soon, "check_mode": True}, soon, {"module": "image_info", "name": [site.name]}
    )
    assert young["actions"] == []
    assert predicted["actions"] == renewed["actions"] == [f"build {site.name}: older than 1e-07 days"]
    assert not any(step["cached"] for step in renewed["steps"] if "RUN echo" in step["name"])
    assert info["images"][0]["image_id"] == renewed["image_id"] != young["image_id"]
    assert 0 < info["images"][0]["age"] < 0.01


def test_failing_step_is_explained(site: Site) -> None:
    (site.context / "Dockerfile").write_text(
        "FROM debian:bookworm\nARG BUST\nRUN i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done;"
        " echo last words of $BUST >&2; exit 7\n"
    )
    result = site.run()
    assert (result["error"], result["code"], result["exit_code"]) == ("build_failed", 1201, 7)
    assert result["step"].startswith("[2/2] RUN i=0;")
    assert len(result["output"]) == 15
    assert {f"last words of {site.bust}", "line 30"} <= set(result["output"])
    assert "in the step [2/2] RUN" in result["msg"] and "with exit code 7" in result["msg"]
    assert f"last words of {site.bust}" in result["msg"]
    assert result["changed"] is True  # what was attempted, as the plan said
    assert site.image() is None


def test_bad_dockerfile_is_explained(site: Site) -> None:
    (site.context / "Dockerfile").write_text("FROM debian:bookworm\nNONSENSE x\n")
    result = site.run()
    assert result["code"] == 1201 and "NONSENSE" in result["msg"].upper()


def test_unknown_base_is_explained(site: Site) -> None:
    base = "127.0.0.1:9/howdah/none:1"
    result = site.run(args={"BASE": base})
    assert (result["error"], result["code"]) == ("image_not_found", 1200)
    assert base in result["msg"] and "howdah.postgresql.image" in result["msg"]
    assert result["actions"][0] == f"pull {base}: not on the engine"


def test_follows_what_it_is_built_upon(site: Site, registry: Registry) -> None:
    registry.hold("first")
    (site.context / "Dockerfile").write_text(f"FROM {registry.image}\nCOPY hello /\n")
    first = site.run()
    assert first["actions"] == [f"pull {registry.image}: not on the engine", f"build {site.name}: it does not exist"]
    assert site.run("--check", pull=True)["changed"] is False
    old_base = site.engine.inspect_image(registry.image)["Id"]

    registry.hold("second")
    unasked, predicted, second, again = site.results(
        {}, {"pull": True, "check_mode": True}, {"pull": True}, {"pull": True}, arguments=("--diff",)
    )
    assert unasked["changed"] is False and again["changed"] is False
    assert second["actions"] == [
        f"pull {registry.image}: newer in its registry", f"build {site.name}: changed: bases"
    ]
    assert (predicted["actions"], predicted["diff"]) == (second["actions"], second["diff"])

    # Moved by somebody else on the engine, or gone from it.
    site.engine.tag(old_base, *registry.image.rsplit(":", 1), force=True)
    assert site.run("--check")["actions"] == [f"build {site.name}: changed: bases"]
    site.engine.remove_image(registry.image)
    assert site.run()["changed"] is False


def test_bad_input_is_refused(site: Site) -> None:
    cases: dict[str, dict[str, Any]] = {
        "is not the name of an image": {"name": "Not An Image"},
        "is not a folder on the controller": {"path": "nowhere"},
        "None must lie in the build context": {"dockerfile": "None"},
        "prepared cannot be set": {"prepared": {"archive": "/x"}},
        "parameters are mutually exclusive": {"files": [{"path": "x", "content": "x", "src": "x"}]},
        "nostage": {"target": "nostage"},
        "No container engine answers": {"docker_host": f"unix://{site.folder}/no.sock"},
        "more than 0 seconds": {"timeout": 0},
    }
    for message, result in zip(cases, site.results(*cases.values())):
        assert result["failed"] and message in result["msg"], (message, result)
    assert site.image() is None


def test_absent(site: Site) -> None:
    absent = {"state": "absent"}
    nothing, _built = site.results(absent, {})
    assert nothing["changed"] is False
    container = site.engine.create_container(site.name, "none", name=site.name.split(":")[0])
    try:
        for refused in site.results(absent, {**absent, "check_mode": True}):
            assert (refused["code"], refused["containers"]) == (1203, [site.name.split(":")[0]])
    finally:
        site.engine.remove_container(container)
    assert site.run("--check", **absent)["actions"] == [f"remove {site.name}"]
    assert site.image() is not None
    removed, gone = site.results(absent, absent)
    assert removed["actions"] == [f"remove {site.name}"] and gone["changed"] is False
    assert site.image() is None


def test_absent_with_an_image_that_was_built_upon_it(site: Site) -> None:
    child = site.name.replace(":1", "-child:1")
    site.names.append(child)
    site.run()
    (site.context / "Dockerfile").write_text(f"FROM {site.name}\nCOPY hello /more\n")
    assert site.run(name=child)["changed"]
    absent = {"state": "absent"}
    for refused in site.results(absent, {**absent, "check_mode": True}):
        assert (refused["code"], refused["images"]) == (1203, [child])
    assert site.run(tags=[child], **absent)["changed"]
    assert site.image() is site.image(child) is None


def test_a_used_image_survives_its_successor(site: Site) -> None:
    first = site.run()["image_id"]
    container = site.engine.create_container(site.name, "none", name=site.name.split(":")[0])
    try:
        assert site.run(labels={"a": "b"})["changed"]
        assert site.image(first) is not None
    finally:
        site.engine.remove_container(container)
        site.engine.remove_image(first)


def test_two_builds_of_one_image_side_by_side(site: Site) -> None:
    results: list[str] = []
    command = site.command(str(site.write({})))

    def build() -> None:
        done = subprocess.run(
            command, cwd=site.folder, env=site.environment(), check=False, capture_output=True, text=True, timeout=60
        )
        results.append(done.stdout)

    threads = [threading.Thread(target=build) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("failed=0" in text for text in results), results
    assert site.run()["changed"] is False
