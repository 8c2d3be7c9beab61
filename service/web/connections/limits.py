"""The limits of connections: how many, and how long."""

from dataclasses import dataclass
from ipaddress import IPv6Network

from service.files import connection_files
from service.inputs.hosts import Network, parse_network
from service.settings import Settings

COUNTED_PREFIX = 64
"""Clients of IPv6 are counted by their network of this length."""


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


def limits_from(settings: Settings, files: int) -> ConnectionLimits:
    """The limits that the settings ask for, and that `files` open files allow."""
    total = min(settings.callgate_max_connections, connection_files(files))
    return ConnectionLimits(
        total=total,
        per_address=min(settings.callgate_max_connections_per_address, total),
        proxies=tuple(map(proxy_network, settings.callgate_trusted_proxies)),
    )


def proxy_network(proxy: str) -> Network:
    """The network of a trusted proxy, as wide as the IPv6 networks that connections are counted by."""
    found = parse_network(proxy)
    if isinstance(found, IPv6Network) and found.prefixlen > COUNTED_PREFIX:
        return found.supernet(new_prefix=COUNTED_PREFIX)
    return found
