# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni, as it has to be where certificates are renewed and containers are made anew.

Told to reload, Patroni (4.1) looks at the certificate of its REST interface only if its settings are as before. Else it
serves the former one until it is told once more: to names that it is not for, and beyond its end.

With etcd as its store, it remembers for ten minutes where each name leads. A container that is made anew may have
another address; whoever asks at the former one finds nobody, or another member, and nobody fit to lead.
"""
from __future__ import annotations

from typing import Any, Iterable
from urllib.parse import urlsplit

from patroni import __main__ as patroni
from patroni.daemon import abstract_main

# After this one it does not try again by itself, each second and with a warning. Of a member that is down the next
# cycle asks again.
_LAST_TRY = 10


class Daemon(patroni.Patroni):  # type: ignore[misc]  # it is not there when types are checked
    """Patroni's own, but for that."""

    def reload_config(self, sighup: bool = False, local: bool | None = False) -> None:
        super().reload_config(sighup, local)
        if sighup and local:
            # As if it had been told once more: its settings are as before by now.
            super().reload_config(sighup)

    def _run_cycle(self) -> None:
        cluster = self.dcs.cluster
        # Only the clients of etcd have one.
        resolver = getattr(getattr(self.dcs, "_client", None), "_dns_resolver", None)
        if cluster is not None and resolver is not None:
            look_up((member.api_url or "" for member in cluster.members), resolver)
        super()._run_cycle()


def look_up(urls: Iterable[str], resolver: Any) -> None:
    """Have the resolver see where names lead now, beside all else: a name service that is away must not stop anybody.

    :param resolver: Patroni's. What it has to do yet is not added to.
    """
    if not resolver._resolve_queue.empty():
        return
    for url in urls:
        place = urlsplit(url)
        if place.hostname and place.port:
            resolver.resolve_async(place.hostname, place.port, _LAST_TRY)


def main() -> None:
    """``patroni-daemon FOLDER``: as ``patroni FOLDER``, which is never the first process of a container here."""
    patroni.check_psycopg()
    abstract_main(Daemon, patroni.process_arguments().configfile)
