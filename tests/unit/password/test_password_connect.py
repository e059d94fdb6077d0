# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a server within a budget: sockets on this machine stand for dead and silent ones."""
from __future__ import annotations

import socket
import time

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._core import errors
from ansible_collections.howdah.postgresql.plugins.module_utils._core.deadline import Deadline
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import names
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres import target as target_module
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.connect import connect
from ansible_collections.howdah.postgresql.plugins.module_utils._postgres.target import Target, resolve, split_host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db", ("db", 5432)),
        ("db:1", ("db", 1)),
        (" db ", ("db", 5432)),
        ("::1", ("::1", 5432)),
        ("[::1]", ("::1", 5432)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_split_host(text, expected):
    assert split_host(text, 5432) == expected


@pytest.mark.parametrize("text", ["", ":", "a:b", "a:0", "a:65536", "[::1]:x"])
def test_what_is_no_host(text):
    with pytest.raises(errors.InvalidInput):
        split_host(text, 5432)


def test_addresses_need_no_name_server(monkeypatch):
    monkeypatch.setattr(names.threading, "Thread", None)
    found, failures = resolve(Target(hosts=("127.0.0.2:7", "::1")), Deadline(1))
    assert [str(address) for address in found] == ["127.0.0.2:7", "::1:5432"] and failures == {}


def test_a_silent_name_server_does_not_hold_up_the_others(monkeypatch):
    real = target_module.addresses_of

    def numeric(host, flags=0):
        if host == "slow":
            if flags:
                raise OSError("not an address")
            time.sleep(3)
        return real(host, flags)

    monkeypatch.setattr(target_module, "addresses_of", numeric)
    started = time.monotonic()
    found, failures = resolve(Target(hosts=("slow", "127.0.0.1")), Deadline(0.5))
    assert [address.host for address in found] == ["127.0.0.1"] and "slow:5432" in failures
    assert time.monotonic() - started < 0.5


def test_the_password_is_not_shown():
    assert "canary" not in repr(Target(password="canary"))


def test_dead_hosts_share_the_budget():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.2", 0)) as two:
        hosts = tuple(f"{ip}:{port}" for ip, port in (one.getsockname(), two.getsockname())) + ("127.0.0.3:1",)
        started = time.monotonic()
        with pytest.raises(errors.TimeoutConnect) as caught:
            connect(Target(hosts=hosts, password="x"), Deadline(0.6))
        assert 0.6 <= time.monotonic() - started < 0.9
    assert sorted(caught.value.details["addresses"].values())[1:] == ["no answer", "no answer"]


def test_nobody_listens():
    started = time.monotonic()
    with pytest.raises(errors.ServerUnreachable):
        connect(Target(hosts=("127.0.0.1:1", "127.0.0.2:1")), Deadline(5))
    assert time.monotonic() - started < 1
    with pytest.raises(errors.ServerUnreachable):
        connect(Target(socket_dir="/nonexistent"), Deadline(5))


def test_options_that_cannot_be():
    for wrong in ({"user": ""}, {"dbname": "a\0b"}, {"hosts": ("a\0",)}):
        with pytest.raises(errors.InvalidInput):
            connect(Target(**wrong), Deadline(1))
    with pytest.raises(errors.InvalidInput, match="Unicode"):
        connect(Target(hosts=("127.0.0.1",), password="\ud800"), Deadline(1))
