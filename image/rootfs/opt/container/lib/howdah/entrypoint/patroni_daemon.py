# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni, which takes a new certificate even when its settings are new at the same time.

Told to reload, Patroni (4.1) looks at the certificate of its REST interface only if its settings are as before. Else it
serves the former one until it is told once more: to names that it is not for, and beyond its end.
"""
from __future__ import annotations

import logging

from patroni import __main__ as patroni
from patroni.daemon import abstract_main


class Daemon(patroni.Patroni):
    """Patroni's own, but for that."""

    def reload_config(self, sighup: bool = False, local: bool | None = False) -> None:
        super().reload_config(sighup, local)
        try:
            # Where the one before has taken it, it is not new any more.
            if sighup and self.api.reload_local_certificate():
                self.api.reload_config(self.config["restapi"])
        except Exception:  # as there: whatever it is, the cluster goes on
            logging.getLogger(__name__).exception("Failed to take the new certificate")


def main() -> None:
    """``patroni-daemon FOLDER``: as ``patroni FOLDER``, which is never the first process of a container here."""
    patroni.check_psycopg()
    abstract_main(Daemon, patroni.process_arguments().configfile)
