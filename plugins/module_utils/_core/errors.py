# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors of this collection.

This module util is PRIVATE to the collection: it may change without notice.

Every error has a name (``code``) for people and a number for playbooks. Playbooks branch on the
number, because Ansible masks every occurrence of a ``no_log`` value in results, and a short
password may well be a part of a name. Numbers are therefore never below 1000, and never reused.
"""
from __future__ import annotations

from .basic_errors import DeadlineExceeded, HowdahError, InvalidInput, MissingLibrary

__all__ = ["DeadlineExceeded", "HowdahError", "InvalidInput", "MissingLibrary"]

# --- 1001-1099: basic_errors.py ------------------------------------------------------------------

# --- 1100-1199: container engine -----------------------------------------------------------------


class EngineUnreachable(HowdahError):
    """No container engine answers at the given address."""

    code = "engine_unreachable"
    number = 1100


class EngineTooOld(HowdahError):
    """The engine's API is older than what this collection needs."""

    code = "engine_too_old"
    number = 1101


class EngineError(HowdahError):
    """The engine refused a request."""

    code = "engine_error"
    number = 1102


# --- 1200-1299: images ---------------------------------------------------------------------------


class ImageNotFound(HowdahError):
    """The image is not on the engine, and could not be had from a registry."""

    code = "image_not_found"
    number = 1200


class BuildFailed(HowdahError):
    """A step of an image build failed; the details name the step and hold its last output."""

    code = "build_failed"
    number = 1201


class BaseImageFailed(HowdahError):
    """The base image could be neither found, pulled nor bootstrapped."""

    code = "base_image_failed"
    number = 1202


class ImageInUse(HowdahError):
    """The image cannot be removed because containers or images depend on it."""

    code = "image_in_use"
    number = 1203


class TransferFailed(HowdahError):
    """The image did not get from one engine to another."""

    code = "transfer_failed"
    number = 1204


# --- 1300-1399: containers -----------------------------------------------------------------------


class ContainerNotFound(HowdahError):
    """There is no container of that name."""

    code = "container_not_found"
    number = 1300


class ContainerFailed(HowdahError):
    """The container stopped, restarts in a loop or turned unhealthy; the details hold its last log lines."""

    code = "container_failed"
    number = 1301


class PortTaken(HowdahError):
    """A port to be published is in use."""

    code = "port_taken"
    number = 1302


class NameConflict(HowdahError):
    """A name that the call needs is in use by something else."""

    code = "name_conflict"
    number = 1303


class DriftRefused(HowdahError):
    """The container differs from its declaration in a way that the options forbid to mend."""

    code = "drift_refused"
    number = 1304


class VolumeInUse(HowdahError):
    """A volume that is to be removed belongs to other containers, too."""

    code = "volume_in_use"
    number = 1305


class LimitDiscarded(HowdahError):
    """The engine cannot hold a container to a limit, and would run it without."""

    code = "limit_discarded"
    number = 1306


# --- 1400-1499: PostgreSQL -----------------------------------------------------------------------


class ServerUnreachable(HowdahError):
    """No server answers at any of the addresses."""

    code = "unreachable"
    number = 1400


class AuthenticationFailed(HowdahError):
    """The server refused the login."""

    code = "auth_failed"
    number = 1401


class Forbidden(HowdahError):
    """The login lacks the right to do what was asked."""

    code = "forbidden"
    number = 1402


class ReadOnly(HowdahError):
    """The server is a standby, or read-only for another reason."""

    code = "read_only"
    number = 1403


class RoleMissing(HowdahError):
    """The role does not exist."""

    code = "role_missing"
    number = 1404


class ConcurrentChange(HowdahError):
    """Another session holds or changes the same role."""

    code = "concurrent"
    number = 1405


class InvalidPassword(HowdahError):
    """The password, or verifier, cannot work."""

    code = "invalid_password"
    number = 1406


class Inconclusive(HowdahError):
    """Whether the password is the current one cannot be told."""

    code = "inconclusive"
    number = 1407


class OutcomeUnknown(HowdahError):
    """The deadline hit while the server was committing, and the result could not be read again."""

    code = "outcome_unknown"
    number = 1408


class SqlFailed(HowdahError):
    """The server refused a statement; the details name the SQLSTATE."""

    code = "sql_failed"
    number = 1409


class TimeoutConnect(DeadlineExceeded):
    """The deadline hit while connecting, name resolution included."""

    code = "timeout_connect"
    number = 1410


class TimeoutLock(DeadlineExceeded):
    """The deadline hit while waiting for a lock that another session holds."""

    code = "timeout_lock"
    number = 1411


# --- 1500-1599: Patroni --------------------------------------------------------------------------


class RestUnreachable(HowdahError):
    """Patroni's REST interface does not answer, or refuses the certificate."""

    code = "rest_unreachable"
    number = 1500


class PatroniRefused(HowdahError):
    """Patroni refused a request, or did not do what it was asked for."""

    code = "patroni_refused"
    number = 1501


class ClusterFailed(HowdahError):
    """The cluster cannot become what it is to be; the details name the cause, the member and its last log lines."""

    code = "cluster_failed"
    number = 1502


class SettingsDropped(HowdahError):
    """The server does not have settings as declared, or would not have them."""

    code = "settings_dropped"
    number = 1503


class NoLeader(HowdahError):
    """The cluster has no leader."""

    code = "no_leader"
    number = 1504


class EtcdRefused(HowdahError):
    """etcd refused a request, or does not answer."""

    code = "etcd_refused"
    number = 1505


class MembersUndeclared(HowdahError):
    """The cluster has members that are not declared."""

    code = "members_undeclared"
    number = 1506


# --- 1600-1699: certificates ---------------------------------------------------------------------


class AuthorityFailed(HowdahError):
    """The certificate authority on the controller is missing, broken or another one than the nodes'."""

    code = "authority_failed"
    number = 1600


# --- 1700-1799: pgBackRest -----------------------------------------------------------------------


class PgbackrestFailed(HowdahError):
    """pgBackRest failed; the details hold its own number of the error, and its last lines."""

    code = "pgbackrest_failed"
    number = 1700


class RepositoryUnusable(HowdahError):
    """A repository cannot be reached, read or decrypted."""

    code = "repository_unusable"
    number = 1701


class StanzaMismatch(HowdahError):
    """The repository's stanza belongs to another cluster than the server."""

    code = "stanza_mismatch"
    number = 1702


class BackupBusy(HowdahError):
    """Another backup of the same stanza runs."""

    code = "backup_busy"
    number = 1703


class NoBackup(HowdahError):
    """There is no backup that serves the purpose."""

    code = "no_backup"
    number = 1704


class ArchiveFailed(HowdahError):
    """The write-ahead log does not reach the repository."""

    code = "archive_failed"
    number = 1705


class RestoreFailed(HowdahError):
    """A restore did not come to its end; the message says what has become of the data."""

    code = "restore_failed"
    number = 1706


class NoSpaceToKeep(HowdahError):
    """There is not enough room to restore and to keep the present data folder."""

    code = "no_space_to_keep"
    number = 1707


class DrillFailed(HowdahError):
    """What was restored did not pass a check."""

    code = "drill_failed"
    number = 1708


# --- 1800-1899: Citus ----------------------------------------------------------------------------


class CitusMissing(HowdahError):
    """The database has no Citus."""

    code = "citus_missing"
    number = 1800


class NotTheCoordinator(HowdahError):
    """The container that was asked does not lead the coordinator's group of a Citus formation."""

    code = "not_the_coordinator"
    number = 1801


class FormationUnsettled(HowdahError):
    """A Citus formation did not become what its groups are; the details tell what it lacks."""

    code = "formation_unsettled"
    number = 1802


class RebalanceFailed(HowdahError):
    """A job that moves shards of a Citus formation failed; the details tell what Citus says of it."""

    code = "rebalance_failed"
    number = 1803


class DrainRefused(HowdahError):
    """A node of a Citus formation is not emptied, or not removed, because data would be lost."""

    code = "drain_refused"
    number = 1804


class GroupsDisagree(HowdahError):
    """The groups of a Citus formation do not fit together; the details tell in what."""

    code = "groups_disagree"
    number = 1805
