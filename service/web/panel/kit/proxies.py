"""Who really asks where a proxy stands in front: without this everybody has the proxy's address, in the
list of sessions and where guessing is slowed down."""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_trusted(address: str, trusted: Iterable[Network]) -> bool:
    """Whether this is a proxy of ours."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found.version == network.version and found in network for network in trusted)


def address_of(remote: str, forwarded: str, trusted: Iterable[Network]) -> str:
    """The nearest address that is none of our proxies': what stands before it in X-Forwarded-For
    anybody may have written there."""
    networks, address = tuple(trusted), remote
    for part in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not is_trusted(address, networks):
            break
        address = part
    return address[:100]


def behind(proxies: Iterable[str]) -> Middleware:
    """Let requests through these proxies have the address of who sent them."""
    trusted = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        if not trusted or not forwarded:
            return await handler(request)
        address = address_of(request.remote or "", forwarded, trusted)
        return await handler(request.clone(remote=address))

    return middleware
