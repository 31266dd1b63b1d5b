"""Ports for the servers that tests start."""

import secrets
import socket
from contextlib import suppress


def free_port() -> int:
    """A port that nobody listens on.

    It is below those that Linux gives to whatever asks for any, such as the connections that other tests make before
    the server listens.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port
