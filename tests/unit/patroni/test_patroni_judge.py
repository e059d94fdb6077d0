# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States that do not pass: one recorded log a state, as the modules read it."""
from __future__ import annotations

import pytest
from ansible_collections.howdah.postgresql.plugins.module_utils._patroni.judge import Judge, Sight, Verdict

# state → lines of a member that is in it; recorded, or, where only Patroni's words matter, as its source has them.
LOGS = {
    "system_id_mismatch": ["CRITICAL: system ID mismatch, node pg2 belongs to a different cluster: 7 != 8"],
    "name_taken": ["CRITICAL: Can't start; there is already a node named 'pg2' running"],
    "other_major_version": [
        "ERROR: /var/lib/postgresql/data/15 holds a cluster of PostgreSQL 14, and this image has PostgreSQL 15, which "
        "cannot run it. Use an image of PostgreSQL 14, or move the data with pg_upgrade or pg_dump."
    ],
    "disk_full": ["FATAL: could not write to file \"pg_wal/xlogtemp.9\": No space left on device"],
    "wrong_authority": [
        "ERROR: Request to server https://etcd1:2379 failed: MaxRetryError(SSLError(SSLCertVerificationError(1, "
        "'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate')))"
    ],
    "hba_line_missing": [
        "ERROR: connection to server at \"pg1\", port 5432 failed: FATAL:  no pg_hba.conf entry for replication "
        "connection from host \"172.18.0.5\", user \"replicator\", SSL encryption"
    ],
    "member_password": [
        "FATAL: password authentication failed for user \"replicator\" Connection matched pg_hba.conf line 4: "
        "\"hostssl replication replicator all scram-sha-256\"",
        "INFO: Can not figure out my timeline",
    ],
    "member_refused": [
        "ERROR: connection to server at \"hx-pg3\" (172.18.0.4), port 5432 failed: FATAL:  certificate authentication "
        "failed for user \"replicator\"",
        "ERROR: Error when fetching backup: pg_basebackup exited with code=1",
        "WARN: Trying again in 5 seconds",
    ],
    "diverged": [
        "LOG: invalid resource manager ID 113 at 0/4054108",
        "LOG: waiting for WAL to become available at 0/4002000",
        "INFO: no action. I am (n1), a secondary, and following a leader (n3)",
    ],
    "watchdog_missing": [
        "ERROR: Configuration requires watchdog, but watchdog could not be configured.",
        "ERROR: Cancelling bootstrap because watchdog activation failed",
        "INFO: removing initialize key after failed attempt to bootstrap the cluster",
    ],
    "bootstrap_failed": [
        "INFO: removing initialize key after failed attempt to bootstrap the cluster",
        "CRITICAL: Failed to bootstrap cluster",
    ],
    "start_failed": ["ERROR: postmaster is not running"],
    "dcs_unreachable": ["ERROR: Failed to get list of machines from https://etcd1:2379/v3: EtcdConnectionFailed"],
}
AT_ONCE = {"system_id_mismatch", "other_major_version", "bootstrap_failed", "watchdog_missing"}
LONG = 60.0


def judge(lines: list[str], seconds: float, container: str = "running") -> Verdict | None:
    """The verdict when a member has been logging these lines for so long."""
    court = Judge()
    sights = [Sight("pg1", "running", (), True), Sight("pg2", container, tuple(lines))]
    assert seconds == 0 or court.look(sights, 0.0) is None
    return court.look(sights, seconds)


@pytest.mark.parametrize("state", LOGS)
def test_a_state_that_does_not_pass_ends_waiting(state: str) -> None:
    verdict = judge(LOGS[state], 0.0 if state in AT_ONCE else LONG)
    assert verdict is not None and verdict.cause.name == state
    assert verdict.member == "pg2" and verdict.message.startswith("pg2: ")
    assert LOGS[state][-1] in verdict.message


@pytest.mark.parametrize("state", sorted(LOGS.keys() - AT_ONCE))
def test_what_may_pass_gets_its_time_of_grace(state: str) -> None:
    assert judge(LOGS[state], 0.0) is None


def test_a_replica_at_the_end_of_its_wal_has_not_diverged() -> None:
    usual = ["LOG: invalid record length at 0/4053F60: wanted 24, got 0", "LOG: waiting for WAL to become available"]
    assert judge(usual, LONG) is None


def test_a_replica_that_is_sent_what_does_not_fit_again_and_again_has_diverged() -> None:
    once = ["LOG: invalid record length at 0/3077AD0: wanted 24, got 0", "LOG: waiting for WAL to become available at"]
    elsewhere = ["LOG: invalid record length at 0/4018FD0: wanted 24, got 0", *once]
    assert judge(elsewhere, LONG) is None
    verdict = judge([*once, *once], LONG)
    assert verdict is not None and verdict.cause.name == "diverged"


def test_what_has_passed_is_forgotten() -> None:
    court, bad = Judge(), [Sight("pg2", "running", tuple(LOGS["dcs_unreachable"]))]
    assert court.look(bad, 0.0) is None
    assert court.look([Sight("pg2", "running", ("INFO: trying to bootstrap a new cluster",))], 20.0) is None
    assert court.look(bad, 40.0) is None
    assert court.look(bad, 75.0) is not None


def test_a_member_that_serves_is_not_judged_by_its_log() -> None:
    court = Judge()
    assert court.look([Sight("pg2", "running", tuple(LOGS["system_id_mismatch"]), True)], 0.0) is None


@pytest.mark.parametrize(
    ("container", "seconds", "cause"),
    [
        ("exited", 0.0, "container_stopped"),
        ("missing", 0.0, "container_missing"),
        ("restarting", LONG, "container_restarts"),
    ],
)
def test_a_container_that_does_not_run_ends_waiting(container: str, seconds: float, cause: str) -> None:
    verdict = judge(["INFO: nothing that tells anything"], seconds, container)
    assert verdict is not None and verdict.cause.name == cause


def test_a_container_that_ended_tells_why() -> None:
    verdict = judge(LOGS["disk_full"], 0.0, "exited")
    assert verdict is not None and verdict.cause.name == "disk_full"


def test_when_all_wait_for_somebody_else_nobody_comes() -> None:
    court = Judge()
    sights = [Sight(name, "running", ("INFO: waiting for leader to bootstrap",)) for name in ("pg1", "pg2")]
    etcd = Sight("etcd1", "running", ('{"msg": "compacted"}',), watched=True)
    assert court.look([*sights, etcd], 0.0) is None
    verdict = court.look([*sights, etcd], LONG)
    assert verdict is not None and verdict.cause.name == "no_bootstrap"
    court = Judge()
    working = [sights[0], Sight("pg2", "running", ("INFO: trying to bootstrap a new cluster",))]
    assert court.look(working, 0.0) is None and court.look(working, LONG) is None
