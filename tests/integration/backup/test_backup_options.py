# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which storages the image's pgBackRest knows, asked by the settings that the role writes."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.howdah.postgresql.plugins.filter.numbered import numbered
from ansible_collections.howdah.postgresql.plugins.filter.pgbackrest_conf import pgbackrest_conf

AZURE = {"type": "azure", "path": "/main", "azure-account": "acc", "azure-container": "c"}
GCS = {"type": "gcs", "path": "/main", "gcs-bucket": "b", "gcs-key-type": "token"}
SFTP = {"type": "sftp", "path": "/main", "sftp-host": "h", "sftp-host-user": "u", "sftp-host-key-hash-type": "sha256"}


@pytest.mark.parametrize(
    ("repository", "key", "told"),
    [
        (AZURE, "AZURE_KEY=Zm9vYmFy", "[HostConnectError] unable to get address for 'acc.blob.core.windows.net'"),
        (GCS, "GCS_KEY=token", "[HostConnectError] unable to get address for 'storage.googleapis.com'"),
        # From 2.46 on; Debian 12 has 2.45.
        (SFTP, "CIPHER_TYPE=none", "[032]: 'sftp' is not allowed for 'repo1-type' option"),
    ],
)  # fmt: skip
def test_storages_are_known_or_refused(test_image: str, repository: dict[str, str], key: str, told: str) -> None:
    conf = pgbackrest_conf({"global": {**numbered([repository], "repo"), "io-timeout": 1}})
    script = (
        "cat > /tmp/c; pgbackrest version; exec pgbackrest --config=/tmp/c --stanza=main --lock-path=/tmp/p"
        " --log-level-file=off --output=json info"
    )
    command = ["docker", "run", "--rm", "-i", "--network", "none", "-e", f"PGBACKREST_REPO1_{key}"]
    done = subprocess.run(
        [*command, test_image, "bash", "-c", script], input=conf, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=60, check=False,
    )
    if repository is SFTP and not done.stdout.startswith("pgBackRest 2.45"):
        told = "[HostConnectError]"
    assert told in done.stdout
