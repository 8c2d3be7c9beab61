"""Name resolution that refuses private addresses: a host name is only as good as its DNS."""

import ipaddress
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(text: str) -> bool:
    """Whether an address is public; IPv6 forms of IPv4 addresses are unwrapped."""
    address: Address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            address = carried
        elif address.is_site_local or address.is_reserved:
            # Both count as global, yet contain legacy forms of private addresses: fec0::1, ::127.0.0.1.
            return False
    return address.is_global and not address.is_multicast


class PublicResolver(AbstractResolver):
    """Resolves names, and rejects private addresses.

    `trusted` are the (host, port) pairs of the whole origins in the settings. aiohttp never asks a
    resolver about literal addresses.
    """

    def __init__(
        self, trusted: frozenset[tuple[str, int]], inner: AbstractResolver | None = None
    ) -> None:
        self.trusted = trusted
        self.inner = inner or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The public addresses of a name; raises `OSError` when there are none."""
        found = await self.inner.resolve(host, port, family)
        if (host, port) not in self.trusted:
            found = [entry for entry in found if is_public(entry["host"])]
        if not found:
            raise OSError("the name resolves to no public address")
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        await self.inner.close()
