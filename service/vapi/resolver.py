"""Name resolution that refuses private addresses: a host name is only as good as its DNS."""

import ipaddress
import socket
from collections.abc import Callable

from aiohttp.abc import AbstractResolver, ResolveResult

from service.domain.network.addresses import is_public_address

Trusted = Callable[[str, int], bool]
"""Whether a name and port of the settings may resolve to private addresses."""


def trust_no_host(_host: str, _port: int) -> bool:
    """No name may be private."""
    return False


class PublicResolver(AbstractResolver):
    """Resolves names, and rejects private addresses of all but `trusted` ones.

    aiohttp never asks a resolver about literal addresses.
    """

    def __init__(self, inner: AbstractResolver, trusted: Trusted = trust_no_host) -> None:
        self.inner = inner
        self.trusted = trusted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The public addresses of a name; raises `OSError` when there are none."""
        found = await self.inner.resolve(host, port, family)
        if not self.trusted(host, port):
            found = [entry for entry in found if is_public(entry["host"])]
        if not found:
            raise OSError("the name resolves to no public address")
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        await self.inner.close()


def is_public(text: str) -> bool:
    return is_public_address(ipaddress.ip_address(text))
