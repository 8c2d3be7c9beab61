"""The address of a client behind a proxy. Without it, all clients share the proxy's address in the
list of sessions and in the throttle against guessing."""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_trusted(address: str, trusted: Iterable[Network]) -> bool:
    """Whether this is the address of a trusted proxy."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found.version == network.version and found in network for network in trusted)


def address_of(remote: str, forwarded: str, trusted: Iterable[Network]) -> str:
    """The last address in X-Forwarded-For that is not a trusted proxy: the client may have written the
    addresses before it."""
    networks, address = tuple(trusted), remote
    for part in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not is_trusted(address, networks):
            break
        address = part
    return address[:100]


def behind(proxies: Iterable[str]) -> Middleware:
    """Give requests through these proxies the address of their client."""
    trusted = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        if not trusted or not forwarded:
            return await handler(request)
        address = address_of(request.remote or "", forwarded, trusted)
        return await handler(request.clone(remote=address))

    return middleware
