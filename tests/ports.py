"""Free ports for a test's servers."""

from __future__ import annotations

import random
import socket

BELOW_EPHEMERAL = range(20_000, 32_000)  # Linux gives outgoing connections ports from 32768 on


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; no outgoing connection can take one of them before its server does."""
    chance, found = random.SystemRandom(), list[int]()
    while len(found) < count:
        port = chance.choice(BELOW_EPHEMERAL)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port not in found and _takes(probe, port):
                found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def _takes(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
