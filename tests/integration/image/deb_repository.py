# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a Debian repository with one tiny package."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

_CONTROL = "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\n"
_DESCRIPTION = "Description: made on the spot\n"


class Repository:
    """A flat one, as `suites: ["./"]` reads it; not signed.

    :param folder: where to.
    :param name: of the package, which holds the file /usr/share/<name>/made.
    """

    def __init__(self, folder: Path, name: str, version: str = "1.0") -> None:
        self.folder = folder
        self.package = folder / f"{name}.deb"
        tree = folder.parent / f"{folder.name}-tree"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / f"usr/share/{name}").mkdir(parents=True)
        (tree / f"usr/share/{name}/made").write_text(f"{name} on the spot\n", encoding="ascii")
        control = _CONTROL.format(name=name, version=version)
        (tree / "DEBIAN/control").write_text(control + _DESCRIPTION, encoding="ascii")
        folder.mkdir()
        command = ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(self.package)]
        subprocess.run(command, check=True, capture_output=True)
        data = self.package.read_bytes()
        place = f"Filename: ./{self.package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        (folder / "Packages").write_text(control + place + _DESCRIPTION, encoding="ascii")
        index = (folder / "Packages").read_bytes()
        release = f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
        (folder / "Release").write_text(release, encoding="ascii")

    def sign(self, home: Path) -> str:
        """Sign it with a new key.

        :param home: a folder for the keys, to be made.
        :returns: the file with the public key.
        """
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--batch", "--quiet", "--no-tty", "--homedir", str(home), "--passphrase", ""]
        environ = {**os.environ, "GNUPGHOME": str(home)}

        def run(*arguments: str) -> None:
            subprocess.run([*gpg, *arguments], check=True, capture_output=True, env=environ)

        try:
            run("--quick-generate-key", "nobody@example.com", "ed25519", "sign", "never")
            run("--clearsign", "--output", str(self.folder / "InRelease"), str(self.folder / "Release"))
            run("--armor", "--output", str(home / "public.asc"), "--export")
        finally:
            # Its agent would outlive the test.
            subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, capture_output=True, env=environ)
        return str(home / "public.asc")
