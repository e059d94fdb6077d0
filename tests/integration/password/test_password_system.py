# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine with what managed hosts have: Debian's own Python and psycopg2, whose libpq is older than 16."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from debian_packages import unpack

PYTHON = "/usr/bin/python3"
# What Debian's python3-psycopg2 needs and a small system may lack; unpacked beside the system, not installed.
PACKAGES = ("python3-psycopg2", "libpq5", "libldap-2.5-0", "libsasl2-2")
PROGRAM = """
import json, sys
request = json.loads(sys.stdin.read())
base = "ansible_collections.howdah.postgresql.plugins.module_utils."
def get(name):
    return __import__(base + name, fromlist=["x"])
errors, connect = get("_core.errors"), get("_postgres.connect")
engine, password, target, deadline = (get(n) for n in ("_postgres.engine", "_postgres.password", "_postgres.target",
                                                       "_core.deadline"))
told = []
for role, secret, check in request["wishes"]:
    outcome = engine.Outcome()
    login = target.Target(hosts=(request["host"],), user=request["user"], password=request["password"])
    try:
        engine.set_passwords(login, [password.Wish(role, secret)], deadline.Deadline(5), check, outcome)
        told.append([outcome.roles[0]["changed"], outcome.roles[0]["verified_by"]])
    except errors.HowdahError as error:
        told.append([error.code, error.message])
print(json.dumps({"libpq": connect.libpq_version(), "told": told}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment in which Debian's Python has Debian's psycopg2."""
    folder = tmp_path_factory.mktemp("debian")
    environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": os.environ["HOWDAH_TREE"]}
    unpack(folder, *PACKAGES)
    libraries = next(path.parent for path in folder.glob("usr/lib/*/libpq.so.5"))
    environ["PYTHONPATH"] += f":{folder}/usr/lib/python3/dist-packages"
    environ["LD_LIBRARY_PATH"] = str(libraries)
    return environ


@pytest.fixture
def run(environment, server):
    """Runs wishes, each of role, password and check mode, under Debian's Python."""

    def call(*wishes, user="postgres", password=None):
        request = {"host": f"127.0.0.1:{server.port}", "user": user, "password": password or server.password}
        done = subprocess.run(
            [PYTHON, "-c", PROGRAM],
            env=environment,
            input=json.dumps({**request, "wishes": wishes}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["libpq"] < 160000, "this is no old libpq"
        return answer["told"]

    return call


def test_set_and_unchanged(run, role, server):
    hostile = "it's $HOME\\ \U0001f418\u00ad"
    assert run((role, hostile, False), (role, hostile, False)) == [[True, "catalog"], [False, "catalog"]]
    assert server.lets_in(role, hostile)


def test_login_probe_of_an_old_libpq(run, role, server):
    """A random wrong password first: a server that takes it proves nothing by taking the right one."""
    server.sql("CREATE ROLE old_manager LOGIN CREATEROLE PASSWORD 'manager'")
    server.sql(f"GRANT {role}, trusty TO old_manager WITH ADMIN OPTION")  # CREATEROLE alone does not do since 16
    try:
        wishes = [(role, "secret", False), (role, "secret", False), (role, "other", True), ("trusty", "any", False)]
        told = run(*wishes, user="old_manager", password="manager")
    finally:
        server.sql("DROP ROLE old_manager")
    assert told[:3] == [[True, "login"], [False, "login"], [True, "login"]]
    assert told[3][0] == "inconclusive" and "any password" in told[3][1]
    assert server.lets_in(role, "secret") and server.stored("trusty") is None


def test_it_is_debian(environment):
    where = "import psycopg2; print(psycopg2.__file__)"
    done = subprocess.run([PYTHON, "-c", where], env=environment, capture_output=True, text=True, check=True)
    assert "dist-packages" in done.stdout and not Path(done.stdout).is_relative_to(os.environ.get("HOWDAH_VENV", "/x"))
