# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts: how each kind is run, what its failure is called, and that nobody holds the start up."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from howdah.entrypoint import post_bootstrap, run_state, runtime, scripts
from howdah.entrypoint.faults import Refused
from howdah.entrypoint.logs import Log

LIB = Path(scripts.__file__).parents[2]
PUMP = f"import sys; sys.path.insert(0, {str(LIB)!r}); from howdah.entrypoint.pump import main; main(sys.argv[1:])"
LIMIT = 20.0  # seconds
# Says how it was called, and reads what it was given as far as it is told to.
PSQL = """#!/bin/sh
{ env | grep -c '^POSTGRES_PASSWORD=' ; printf '%%s\\n' "$@"; } > %(folder)s/told
head -c %(bytes)s > %(folder)s/read
exit %(code)s
"""


def program(path: Path, text: str, mode: int = 0o755) -> Path:
    """A file with that text."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


class Stage:
    """Runs init scripts with a psql of ours; what they say is in a file.

    :param folder: for all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.psql()
        environ = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "POSTGRES_PASSWORD": "secret", "FOR_SCRIPTS": "yes"}
        self.output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
        self.scripts = scripts.Scripts("boss", "app", environ, self.output, Log("ERROR"))

    def psql(self, read: int = 10_000_000, code: int = 0) -> None:
        """From now on psql reads so many bytes, and ends with that code."""
        program(self.folder / "bin/psql", PSQL % {"folder": self.folder, "bytes": read, "code": code})

    def said(self) -> str:
        """What scripts have said."""
        return (self.folder / "output").read_text(encoding="utf-8")

    def told(self) -> list[str]:
        """How many passwords psql was given, and its arguments."""
        return (self.folder / "told").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    """A stage, empty."""
    found = Stage(tmp_path)
    yield found
    os.close(found.output)


# --- Kinds ---------------------------------------------------------------------------------------


def test_plain_sql_is_read_by_name(stage: Stage) -> None:
    """So \\ir finds what is beside it, an error has file and line, and \\q ends it well wherever it is."""
    path = stage.folder / "1.sql"
    path.write_text("SELECT 1;\n" * 100_000, encoding="utf-8")
    stage.psql(read=1)
    stage.scripts.run(str(path))
    passwords, *arguments = stage.told()
    assert passwords == "0"
    assert f"--file={path}" in arguments and "--set=ON_ERROR_STOP=1" in arguments
    assert {"--username=boss", "--dbname=app"} < set(arguments)
    assert (stage.folder / "read").read_bytes() == b"", "it also got the file through a pipe"


PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress}


@pytest.mark.parametrize("kind", sorted(PACKERS))
def test_what_is_packed_is_unpacked_as_far_as_psql_reads(stage: Stage, kind: str) -> None:
    path, text = stage.folder / f"1.sql.{kind}", os.urandom(1_000_000).hex().encode()
    path.write_bytes(PACKERS[kind](text))
    stage.scripts.run(str(path))
    assert (stage.folder / "read").read_bytes() == text
    stage.psql(read=10)  # \q: the rest, longer than a pipe holds, is left unread
    stage.scripts.run(str(path))
    assert (stage.folder / "read").read_bytes() == text[:10]
    assert stage.told()[0] == "0"


def test_failures_of_packed_sql_are_failures(stage: Stage) -> None:
    path = stage.folder / "1.sql.gz"
    path.write_bytes(gzip.compress(os.urandom(1_000_000)))
    stage.psql(read=10, code=3)
    with pytest.raises(Refused, match="1.sql.gz failed with exit code 3;"):
        stage.scripts.run(str(path))
    path.write_bytes(path.read_bytes()[:1000])
    stage.psql()
    with pytest.raises(Refused, match="1.sql.gz failed with exit code 1;"):
        stage.scripts.run(str(path))


@pytest.mark.parametrize("mode", [0o755, 0o644], ids=["executable", "sourced"])
def test_a_shell_script_that_does_not_name_its_shell(stage: Stage, mode: int) -> None:
    """As all files of a folder of Windows are executable, those are of the first kind there."""
    words = "list=(a b)\necho \"$0 ${list[1]} $FOR_SCRIPTS $POSTGRES_PASSWORD $PGUSER\"\n"
    path = program(stage.folder / "1.sh", words, mode)
    stage.scripts.run(str(path))
    assert stage.said() == f"{path} b yes secret boss\n"
    program(path, "exit 7\n", mode)
    with pytest.raises(Refused, match="1.sh failed with exit code 7;"):
        stage.scripts.run(str(path))


def test_a_script_of_an_interpreter_that_is_missing_is_a_refusal_that_says_so(stage: Stage) -> None:
    path = program(stage.folder / "1.sh", "#!/no/such/shell\r\n")
    with pytest.raises(Refused, match="1.sh cannot be run: No such file or directory. Nothing is left") as refusal:
        stage.scripts.run(str(path))
    assert (refusal.value.status, refusal.value.faults[0].event) == (1, "script_failed")


# --- The pump ------------------------------------------------------------------------------------


def pump_of(monkeypatch: pytest.MonkeyPatch, command: list[str], log: Path) -> None:
    """Have that command run as the pump, with a file as the container's log."""

    def spawn(_program: str, arguments: list[str], descriptors: dict[int, int]) -> int:
        actions: list[Any] = [(os.POSIX_SPAWN_DUP2, here, there) for there, here in descriptors.items()]
        for number in (1, 2):
            actions.append((os.POSIX_SPAWN_OPEN, number, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        return os.posix_spawn(command[0], [*command, *arguments], os.environ, file_actions=actions, setsid=True)

    monkeypatch.setattr(scripts, "spawn", spawn)


def messages(log: Path) -> list[str]:
    """What is logged so far."""
    return [json.loads(line)["message"] for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_child_in_the_background_holds_nobody_up_and_is_heard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    pump_of(monkeypatch, [sys.executable, "-c", PUMP], log)
    waits = f"for _ in $(seq {LIMIT * 20:.0f}); do [ -e {shlex.quote(str(go))} ] && break; sleep 0.05; done"
    path = program(tmp_path / "1.sh", f"#!/bin/bash\necho begin\n({waits}; echo late) &\necho done\n")
    with scripts.pumped("INFO") as output:
        scripts.Scripts("boss", "app", dict(os.environ), output, Log("ERROR")).run(str(path))
    assert messages(log) == ["begin", "done"]
    go.touch()
    end = time.monotonic() + LIMIT
    while "late" not in messages(log) and time.monotonic() < end:
        time.sleep(0.05)
    assert messages(log) == ["begin", "done", "late"]


def test_what_was_said_is_taken_before_anything_goes_on_however_late_the_pump_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For what goes on may be the end of the container, and of the pump with it."""
    log = tmp_path / "log"
    monkeypatch.setattr(scripts, "_PUMP_SECONDS", 0.5)
    pump_of(monkeypatch, ["/bin/sh", "-c", "sleep 1.5; cat"], log)
    with scripts.pumped("INFO") as output:
        os.write(output, b"x" * 60_000)
    assert log.read_text(encoding="utf-8") == "x" * 60_000


def test_a_pump_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pump_of(monkeypatch, ["/bin/true"], tmp_path / "log")
    start = time.monotonic()
    with scripts.pumped("INFO") as output:
        try:
            os.write(output, b"nobody reads this\n")
        except BrokenPipeError:
            pass  # it was the first to go
    assert time.monotonic() - start < scripts._LOG_SECONDS / 2


# --- Under Patroni -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["scripts", "journal"])
def test_a_failure_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str], where: str
) -> None:
    def fails(*_arguments: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere")

    request = {"level": "INFO", "role": "postgres", "database": "postgres", "timeout": 5, "members": []}
    monkeypatch.setattr(runtime, "BOOTSTRAP", str(program(tmp_path / "bootstrap", json.dumps(request))))
    state = run_state.State("patroni", str(tmp_path / "15"), "postgres")
    monkeypatch.setattr(run_state, "read", lambda: state)
    server = post_bootstrap.question.Running(5432, str(tmp_path), "", True)
    monkeypatch.setattr(post_bootstrap.question, "running", lambda pgdata: server)
    for step in ("_roles", "_passwords", "_databases", "_scripts"):
        monkeypatch.setattr(post_bootstrap, step, lambda *_arguments: None)
    monkeypatch.setattr(post_bootstrap.journal, "pending", lambda place: {})
    place = {"scripts": (post_bootstrap, "_scripts"), "journal": (post_bootstrap.journal, "remove")}[where]
    monkeypatch.setattr(*place, fails)
    assert post_bootstrap.main([]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["event"]) == ("ERROR", "post_bootstrap_failed")
    assert "No space left on device: /somewhere" in entry["message"]
    assert os.path.exists(runtime.BOOTSTRAP)
