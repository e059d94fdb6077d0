# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the server itself read the user's settings before it is started."""
from __future__ import annotations

import re
import subprocess
from typing import Callable, Mapping, Sequence

from .environment import CONFIG_PREFIX
from .faults import Fault, Refused

# As `postgres -C` prints them to standard error.
_COMPLAINT = re.compile(r"(?:\S+ \S+ \S+ \[\d+\] )?(?:LOG|ERROR|FATAL|WARNING): +(.*)")
_PLACE = re.compile(r' in file "([^"]*)" line (\d+)')
_NO_FAULT = re.compile(r'configuration file ".*" contains errors|skipping missing configuration file')


def check(
    command: Sequence[str], conf: str, write: Callable[[Sequence[str]], None], environ: Mapping[str, str]
) -> None:
    """Read the configuration as the server will.

    The server gives up at its first kinds of faults; what it has named is left out, and it is asked
    again, until all is told.

    :param command: of the server.
    :param conf: the server's configuration file.
    :param write: makes that file, without the settings of the given names.
    :raises Refused: with a fault for each setting that the server does not accept.
    """
    faults: list[Fault] = []
    wrong: list[str] = []
    while True:
        write(wrong)
        done = subprocess.run(
            [*command, "-C", "server_version"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            break
        with open(conf, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
        found = explain(done.stderr.decode("utf-8", "replace"), conf, lines)
        faults += [Fault("setting", message) for _subject, message in found]
        named = [subject for subject, _message in found if subject and subject not in wrong]
        if not named:
            break
        wrong += named
    if faults:
        raise Refused(*faults)


def explain(output: str, conf: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """What is wrong, in terms of what the user wrote: the setting, if it is one of theirs, and a message. Pure.

    :param output: of the server.
    :param conf: the name of the file that we made.
    :param lines: of that file.
    """
    found = []
    for line in output.splitlines():
        match = _COMPLAINT.match(line)
        if match is None or _NO_FAULT.match(match.group(1)):
            continue
        complaint = match.group(1)
        place = _PLACE.search(complaint)
        subject = ""
        if place is not None and place.group(1) == conf:
            complaint = complaint.replace(place.group(0), "")
            subject = lines[int(place.group(2)) - 1].split(" ")[0]
        else:
            named = re.search(r'parameter "([^"]+)"', complaint)
            settings = [text.split(" = ")[0] for text in lines]
            subject = named.group(1) if named and named.group(1) in settings else ""
        variable = CONFIG_PREFIX + subject.upper().replace(".", "__")
        message = f"{variable}: {complaint}. Correct it, or remove it." if subject else f"{complaint}. Correct it."
        found.append((subject, message))
    return found or [("", output.strip() or "The server does not accept its settings, and does not say why.")]
