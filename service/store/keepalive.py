"""Options of a connection's socket by which the system notices that the other end is gone.

A half-open connection (a firewall that forgot it, a machine that lost power) otherwise looks alive for
a quarter of an hour. They notice a dead network; a server that hangs is noticed by deadlines.
"""

import socket
from contextlib import suppress
from typing import Any

IDLE_SECONDS, INTERVAL_SECONDS, PROBES = 1, 1, 2
UNANSWERED_SECONDS = 2
"""How long sent bytes may stay unacknowledged before the system ends the connection."""
SERVER_UNANSWERED_SECONDS = 10
"""The same on PostgreSQL's side. Longer: it also ends a client that does not read for a while."""

OPTIONS = {
    "TCP_KEEPIDLE": IDLE_SECONDS,
    "TCP_KEEPALIVE": IDLE_SECONDS,  # macOS's name of TCP_KEEPIDLE
    "TCP_KEEPINTVL": INTERVAL_SECONDS,
    "TCP_KEEPCNT": PROBES,
    "TCP_USER_TIMEOUT": UNANSWERED_SECONDS * 1000,
}
"""By the names of the `socket` module, which has those of the platform."""

SERVER_SETTINGS = {
    "tcp_keepalives_idle": str(SERVER_UNANSWERED_SECONDS // 2),
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": str(SERVER_UNANSWERED_SECONDS * 1000),
}
"""Parameters of a session, so that PostgreSQL frees the locks of a replica that is gone; a server on a
platform without an option ignores it."""


def keep_alive(connection: Any) -> None:
    """Set the options on an open asyncpg connection; nothing on a socket of the file system."""
    transport = getattr(connection, "_transport", None)  # asyncpg has no public way to it
    found = None if transport is None else transport.get_extra_info("socket")
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in OPTIONS.items():
        if hasattr(socket, name):
            with suppress(OSError):
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
