# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a port over TLS, inside a node: HOST PORT with|without. Prints `answered` or `refused`.

With TLS 1.3 a client learns only from the first answer that its certificate was missed.
"""

from __future__ import annotations

import socket
import ssl
import sys

TLS = "/etc/howdah/tls"


def main() -> None:
    """Ask, for at most 10 s."""
    host, port, certificate = sys.argv[1:]
    context = ssl.create_default_context(cafile=f"{TLS}/ca.crt")
    if certificate == "with":
        context.load_cert_chain(f"{TLS}/node.crt", f"{TLS}/node.key")
    try:
        with socket.create_connection((host, int(port)), 10) as plain:
            with context.wrap_socket(plain, server_hostname=host) as connection:
                connection.sendall(f"GET /version HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                answer = connection.recv(4)
    except ssl.SSLCertVerificationError as error:  # ours of theirs: another matter
        print(error, end="")
    except (ssl.SSLError, ConnectionResetError):  # an alert, or no more than the end of the connection
        print("refused", end="")
    else:
        print({b"HTTP": "answered", b"": "refused"}.get(answer, f"said {answer!r}"), end="")


if __name__ == "__main__":
    main()
