# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before Patroni: whether a key of a cluster that nobody makes is taken away, also when questions fail."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from types import ModuleType, SimpleNamespace
from typing import Any, Callable

import pytest

ROUND = 5  # seconds, of Patroni's loop
PATIENCE = 2 * ROUND + 2


class EtcdError(Exception):
    """Stands for that of python-etcd, which Patroni's client raises for a single question."""


class StoreError(Exception):
    """Stands for Patroni's DCSError."""


class Became(Exception):
    """The program has become another one."""


class Etcd3:
    """A key that stays as it is, until it is taken away; time is a clock of ours.

    :param fails: of which numbers of questions fail, and how.
    """

    initialize_path = "/service/c/initialize"

    def __init__(self, fails: Callable[[int], Exception | None]) -> None:
        self.fails = fails
        self.opens: Exception | None = None
        self.now, self.asked, self.revision = 0.0, 0, "7"
        self.members: list[SimpleNamespace] = []
        self.taken: list[tuple[float, str]] = []
        self._client = self

    def _ask(self) -> None:
        self.asked += 1
        error = self.fails(self.asked)
        if error is not None:
            raise error

    def range(self, key: str, serializable: bool) -> dict[str, Any]:
        """The key, as the client answers."""
        assert (key, serializable) == (self.initialize_path, False)
        self._ask()
        return {"kvs": [{"mod_revision": self.revision}]} if self.revision else {}

    def get_cluster(self) -> SimpleNamespace:
        """What is known of others."""
        self._ask()
        return SimpleNamespace(leader=None, members=self.members)

    def deleterange(self, key: str, mod_revision: str) -> dict[str, Any]:
        """Take the key away."""
        self._ask()
        self.taken.append((self.now, mod_revision))
        self.revision = ""
        return {}

    def sleep(self, seconds: float) -> None:
        """As time does; at the end of the alarm's patience it rings."""
        before, self.now = self.now, self.now + seconds
        if before < 90 <= self.now:
            signal.raise_signal(signal.SIGALRM)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run it over a store; the events that were logged. That it has become Patroni is asserted."""
    modules = {
        "patroni": {},
        "patroni.config": {"Config": lambda folder: {"loop_wait": ROUND}},
        "patroni.dcs": {"get_dcs": None},
        "patroni.dcs.etcd3": {"Etcd3": Etcd3, "etcd": SimpleNamespace(EtcdException=EtcdError)},
        "patroni.exceptions": {"DCSError": StoreError},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "howdah.entrypoint.before_patroni", raising=False)
    before_patroni = importlib.import_module("howdah.entrypoint.before_patroni")
    monkeypatch.delitem(sys.modules, "howdah.entrypoint.before_patroni")
    former = signal.getsignal(signal.SIGALRM)

    def become(program: str, words: list[str], _environ: object) -> None:
        assert (program, words) == ("/patroni", ["/patroni", "x"])
        raise Became

    def over(store: Etcd3) -> list[str]:
        def get_dcs(_config: object) -> Etcd3:
            if store.opens is not None:
                raise store.opens
            return store

        monkeypatch.setattr(before_patroni, "get_dcs", get_dcs)
        monkeypatch.setattr(before_patroni, "time", SimpleNamespace(monotonic=lambda: store.now, sleep=store.sleep))
        monkeypatch.setattr(before_patroni.os, "execve", become)
        with pytest.raises(Became):
            before_patroni.main(["INFO", "n1", "/folder", "/patroni", "x"])
        return [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]

    yield over
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)
    assert os.execve is become


def test_a_key_that_nobody_is_at_work_on_is_taken_away(run: Any) -> None:
    store = Etcd3(lambda number: None)
    assert run(store) == ["bootstrap_abandoned"]
    assert store.taken == [(PATIENCE, "7")]


FAILURES = [EtcdError("POST /v3/kv/range request failed"), StoreError("Etcd is not responding properly")]


@pytest.mark.parametrize("error", FAILURES, ids=["a question", "Patroni's own attempts"])
@pytest.mark.parametrize(("number", "failed_at"), [(1, 0), (2, 0), (3, 1), (8, 3), (2 * PATIENCE + 3, PATIENCE)])
def test_a_question_that_fails_is_asked_again(run: Any, error: Exception, number: int, failed_at: int) -> None:
    """The last of these is to take the key away. Patience begins anew: others could not say anything either."""
    store = Etcd3(lambda asked: error if asked == number else None)
    assert run(store) == ["store_unreachable", "bootstrap_abandoned"]
    assert store.taken == [(failed_at + 1 + PATIENCE, "7")]


@pytest.mark.parametrize("error", FAILURES, ids=["a question", "Patroni's own attempts"])
def test_when_all_fail_patroni_goes_on_and_it_is_said_once(run: Any, error: Exception) -> None:
    store = Etcd3(lambda asked: error)
    assert run(store) == ["store_unreachable"]
    assert (store.taken, store.now) == ([], 90)


@pytest.mark.parametrize("error", FAILURES, ids=["a question", "Patroni's own attempts"])
def test_what_fails_before_the_first_question_is_left_to_patroni(run: Any, error: Exception) -> None:
    store = Etcd3(lambda asked: None)
    store.opens = error
    assert run(store) == ["store_unreachable"]
    assert store.asked == 0


def test_a_key_that_is_gone_after_a_failure_is_none_of_ours(run: Any) -> None:
    """An answer to its removal was lost, say."""
    store = Etcd3(lambda asked: None)

    def removed_without_an_answer(asked: int) -> Exception | None:
        if asked == 2 * PATIENCE + 3:
            store.revision = ""
            return EtcdError("POST /v3/kv/txn request failed")
        return None

    store.fails = removed_without_an_answer
    assert run(store) == ["store_unreachable"]
    assert (store.taken, store.now) == ([], PATIENCE + 1)


def test_whoever_is_at_work_is_left_alone(run: Any) -> None:
    store = Etcd3(lambda asked: EtcdError("x") if asked % 20 == 0 else None)
    store.members = [SimpleNamespace(name="n2", data={"state": "initializing new cluster"})]
    assert run(store) == ["store_unreachable"]
    assert (store.taken, store.now) == ([], 90)
