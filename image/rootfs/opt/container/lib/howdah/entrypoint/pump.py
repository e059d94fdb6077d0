# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log pump: makes JSON of what would be raw text on the container's log.

That is what the server says before its collector runs, and what children of the server print
(archive_command, say). The server's own messages are JSON already, and do not come through here.
"""
from __future__ import annotations

# As in bin/log-pump: the server starts only once this has been loaded.
import _signal as signal  # type: ignore[import-not-found]
import os
import select

PATRONI = "patroni"
# Passes SIGTERM on to Patroni when it is time.
_STOP = "/opt/container/bin/stop"
_CHUNK = 65536
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main(arguments: list[str]) -> int:
    """Read what a child prints, until it ends. All signals must be blocked.

    Alone: ``log-pump LEVEL COMPONENT`` reads standard input, for init scripts and their server.
    Over the server, or Patroni: ``log-pump LEVEL COMPONENT FIFO SIEVED COMMAND…`` starts the command, passes signals
    on to it, leaves the news out of the JSON lines that the server writes to SIEVED (empty: to the log itself), and
    ends with its exit code once its last line is written: an init that ends first takes the last words of a failing
    server with it.
    """
    level, component, *rest = arguments
    if not rest:
        streams = Streams(level, component, {0: "INFO"})
        while streams.open():
            streams.step(None)
        return 0
    return _over(level, component, rest[0], rest[1], rest[2:])


def _over(level: str, component: str, fifo: str, sieved: str, command: list[str]) -> int:
    reader, writer = os.pipe()
    # Patroni's standard output is that of its children; the server writes there what is JSON already.
    chatter, chatter_writer = os.pipe() if component == PATRONI else (None, 1)
    # Read and write: they never end, and the collector never waits for somebody who reads.
    collected = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
    messages = os.open(sieved, os.O_RDWR | os.O_CLOEXEC) if sieved else None
    child = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, writer, 2), (os.POSIX_SPAWN_DUP2, chatter_writer, 1)],
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # Python ignores them, and a child would inherit that
    )
    os.close(writer)
    if chatter is not None:
        os.close(chatter_writer)
    stopping = False

    def pass_on(received: int, _frame: object) -> None:
        nonlocal stopping
        if received == signal.SIGTERM and component == PATRONI and not stopping:
            stopping = True
            try:
                os.posix_spawn(_STOP, [_STOP, level, str(child)], {"PATH": "/usr/bin:/bin"}, setsigdef=_PASSED_ON)
                return
            except OSError:
                pass  # without it, then
        os.kill(child, received)

    for number in _PASSED_ON:
        # In the handler itself: it runs even while a write to a full log is waiting.
        signal.signal(number, pass_on)
    signal.signal(signal.SIGCHLD, lambda _received, _frame: None)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

    streams = Streams(level, component, {reader: "WARN"}, woken, messages)
    streams.add("postgres", collected, "WARN")
    if chatter is not None:
        streams.add(component, chatter, "DEBUG")
    status = None
    while status is None:
        streams.step(None)
        pid, found = os.waitpid(child, os.WNOHANG)
        status = found if pid else None
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_IGN)  # the number of the child may be another's now
    while streams.step(0):
        pass  # what it said last
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


class Streams:
    """Reads several streams and logs their lines.

    :param level: LOG_LEVEL.
    :param component: who speaks.
    :param plain: by descriptor, the level of lines that do not tell theirs.
    :param woken: a descriptor of which the bytes mean nothing; None for none.
    :param sieved: a descriptor of JSON lines of the server; None for none.
    """

    def __init__(
        self, level: str, component: str, plain: dict[int, str], woken: int | None = None, sieved: int | None = None
    ) -> None:
        # These take longer to load than all the rest: the server is started before.
        from .lines import Cutter, Sieve
        from .logs import Log, tell_of_crashes

        tell_of_crashes("log-pump")
        self._log = Log(level)
        self._wrappers: dict[int, Sieve | Cutter] = {}
        self._woken = woken
        self._poll = select.poll()
        for descriptor, usual in plain.items():
            self.add(component, descriptor, usual)
        if sieved is not None:
            self._wrappers[sieved] = Sieve(1)
            self._poll.register(sieved, select.POLLIN)
        if woken is not None:
            self._poll.register(woken, select.POLLIN)

    def add(self, component: str, descriptor: int, usual: str) -> None:
        """Read one more stream.

        :param component: who speaks.
        :param usual: the level of lines that do not tell theirs.
        """
        if component == PATRONI:
            from .patroni_lines import PatroniLines

            self._wrappers[descriptor] = PatroniLines(self._log, usual)
        else:
            from .lines import Wrapper

            self._wrappers[descriptor] = Wrapper(self._log, component, usual)
        self._poll.register(descriptor, select.POLLIN)

    def open(self) -> bool:
        """Whether there is a stream that has not ended."""
        return bool(self._wrappers)

    def step(self, milliseconds: int | None) -> bool:
        """Wait for something to read, and take it; whether there was anything.

        :param milliseconds: how long to wait; None for as long as it takes.
        """
        ready = [descriptor for descriptor, _event in self._poll.poll(milliseconds)]
        for descriptor in ready:
            data = os.read(descriptor, _CHUNK)
            if descriptor == self._woken:
                continue
            if data:
                self._wrappers[descriptor].feed(data)
            else:
                self._wrappers.pop(descriptor).end()
                self._poll.unregister(descriptor)
        return bool(ready)
