# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes the space in the image: a table of its packages, by the files that are really there.

    python tests/bench/size.py [--image NAME] [--top 20]

The exit code is 1 when the image is larger than its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

import docker

LIMITS = {"true": 500, "false": 320}  # MB (10^6 bytes) by the label io.howdah.postgresql.jit
_COUNT = """
import json, os, stat
seen = set()
def size(path):
    try:
        status = os.lstat(os.path.realpath(os.path.dirname(path)) + "/" + os.path.basename(path))
    except OSError:
        return 0  # left out by dpkg
    key = status.st_dev, status.st_ino
    if key in seen or not stat.S_ISREG(status.st_mode):
        return 0
    seen.add(key)
    return status.st_size
sizes = {}
info = "/var/lib/dpkg/info/"
for name in sorted(os.listdir(info)):
    if name.endswith(".list"):
        with open(info + name) as file:
            sizes[name[:-5].partition(":")[0]] = sum(size(line) for line in file.read().splitlines())
def tree(top):
    return sum(size(os.path.join(folder, name)) for folder, _below, names in os.walk(top) for name in names)
for top in ("/opt/container/venv", "/usr/lib/locale", "/opt/container", "/usr", "/var"):
    sizes[top + (" (rest)" if top in ("/usr", "/var", "/opt/container") else "")] = tree(top)
print(json.dumps(sizes))
"""


def measure(client: docker.APIClient, image: str) -> dict[str, int]:
    """Bytes by package, or by folder for what no package has brought."""
    made = client.create_container(image, ["-c", _COUNT], entrypoint=["python3"], network_disabled=True)["Id"]
    try:
        client.start(made)
        client.wait(made, timeout=60)
        sizes: dict[str, int] = json.loads(client.logs(made, stderr=False))
    finally:
        client.remove_container(made, force=True, v=True)
    return sizes


def main() -> int:
    """Print the table, and judge."""
    parser = argparse.ArgumentParser(description="What takes the space in the image.")
    parser.add_argument("--image", default=os.environ.get("HOWDAH_TEST_IMAGE", "howdah/postgresql:15-bookworm"))
    parser.add_argument("--top", type=int, default=20)
    options = parser.parse_args()
    client = docker.APIClient(version="auto")
    found = client.inspect_image(options.image)
    limit = LIMITS[found["Config"]["Labels"]["io.howdah.postgresql.jit"]]
    rows = sorted(measure(client, options.image).items(), key=lambda row: -row[1])
    rest = sum(size for _name, size in rows[options.top :])
    for name, size in [*rows[: options.top], (f"{len(rows) - options.top} more", rest)]:
        print(f"{size / 1e6:8.1f} MB  {name}")
    print(f"{found['Size'] / 1e6:8.1f} MB  in all (limit {limit})")
    return int(found["Size"] / 1e6 > limit)


if __name__ == "__main__":
    sys.exit(main())
