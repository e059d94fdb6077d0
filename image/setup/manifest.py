# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what the image is made of, as JSON: versions, packages, and a digest of all files but our own.

Our own files change most and come last: a manifest of them would be made anew with each edit.
"""
import hashlib
import json
import os
import platform
import stat
import subprocess
from importlib import metadata

VENV = "/opt/container/venv"
# Not of the image: mounts of the build, and what programs keep for themselves.
ELSEWHERE = frozenset(("/proc", "/sys", "/dev", "/run", "/tmp", "/var/cache", "/var/lib/apt/lists"))
OF_THE_BUILD = frozenset(("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/.dockerenv"))


def packages():
    """Debian packages: version by name."""
    query = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n"]
    listed = subprocess.run(query, capture_output=True, check=True, text=True).stdout
    rows = (line.split("\t") for line in listed.splitlines())
    return {name: version for state, name, version in rows if state.startswith("ii")}


def python_packages():
    """Distributions in the virtual environment: version by name."""
    path = [f"{VENV}/lib/python{'.'.join(platform.python_version_tuple()[:2])}/site-packages"]
    found = {one.metadata["Name"].lower(): one.version for one in metadata.distributions(path=path)}
    return dict(sorted(found.items()))


def files():
    """How many files there are, and one digest of their paths, modes, owners and contents."""
    digest, count = hashlib.sha256(), 0
    for folder, below, names in os.walk("/"):
        below[:] = sorted(name for name in below if os.path.join(folder, name) not in ELSEWHERE)
        for path in (os.path.join(folder, name) for name in sorted(names + below)):
            if path in OF_THE_BUILD:
                continue
            status = os.lstat(path)
            digest.update(os.fsencode(f"{path}\0{status.st_mode:o} {status.st_uid} {status.st_gid}\0"))
            if stat.S_ISLNK(status.st_mode):
                digest.update(os.fsencode(os.readlink(path)))
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
                count += 1
    return {"count": count, "sha256": digest.hexdigest()}


def main():
    """Gather and print."""
    debian, python = packages(), python_packages()
    major = os.environ["POSTGRES_MAJOR"]
    with open("/etc/debian_version", encoding="ascii") as file:
        release = file.read().strip()
    versions = {
        "debian": release,
        "postgresql": debian[f"postgresql-{major}"],
        "pgbackrest": debian["pgbackrest"],
        "patroni": python["patroni"],
        "python": platform.python_version(),
    }
    # Its package is named after its version: there can be one of them only.
    citus = next((version for name, version in debian.items() if name.startswith(f"postgresql-{major}-citus-")), None)
    if citus:
        versions["citus"] = citus
    # The module `image` makes labels of these.
    labelled = [name for name in ("postgresql", "pgbackrest", "patroni", "citus") if name in versions]
    labels = {f"io.howdah.postgresql.{name}": versions[name] for name in labelled}
    told = {"labels": labels, "versions": versions, "packages": debian, "python": python, "files": files()}
    print(json.dumps(told, indent=1))


main()
