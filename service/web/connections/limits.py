"""The limits of connections: how many, how long, and how many files the process may open."""

import ipaddress
import resource
from collections.abc import Iterable
from dataclasses import dataclass

from service.settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_FILES = 65_536
"""Raised to the hard limit, but no further than this."""
RESERVED_FILES = 256
"""For PostgreSQL, Vapi, clients' servers, the spool, and the log."""
FEWEST_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`total` connections, of which `strangers` may be unproved, `per_address` of them from one address.

    Seconds: `header` for a complete header, `body` for a body plus one per `body_rate` bytes that
    arrived, `idle` between unproved requests, `stuck` for an answer that the client does not read.
    Connections of `proxies` have no limit of their own: they stand for many clients.
    """

    total: int = 1024
    per_address: int = 256
    header: float = 10.0
    body: float = 10.0
    body_rate: float = 16 * 1024
    idle: float = 75.0
    stuck: float = 30.0
    proxies: tuple[Network, ...] = ()

    @property
    def strangers(self) -> int:
        """A quarter of all connections stays free for addresses that have proved themselves."""
        return self.total - self.total // 4


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; return what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def limits_from(settings: Settings, files: int) -> ConnectionLimits:
    """The limits that the settings ask for, and that `files` open files allow."""
    room = max(files - RESERVED_FILES, FEWEST_CONNECTIONS)
    total = min(settings.callgate_max_connections, room)
    return ConnectionLimits(
        total=total,
        per_address=min(settings.callgate_max_connections_per_address, total),
        proxies=networks_of(settings.callgate_trusted_proxies),
    )


def networks_of(proxies: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
