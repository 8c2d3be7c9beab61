"""The address of a client behind a proxy. Without it, all clients share the proxy's address in the
list of sessions and in the throttle against guessing."""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.admin.people.reach import PanelReach
from service.inputs.hosts import Network, parse_network

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SIGNED_IN = web.RequestKey("signed_in", bool)
"""The key of a request under which the guard says that it has a session."""


def find_address(text: str) -> str | None:
    """The IP address of a forwarding header's part: `1.2.3.4`, `1.2.3.4:5678`, `[2001:db8::1]:443`."""
    text = text.strip().strip('"')[:100]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def is_trusted(address: str, trusted: Iterable[Network]) -> bool:
    """Whether this is the address of a trusted proxy."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found.version == network.version and found in network for network in trusted)


def address_of(remote: str, forwarded: Sequence[str], trusted: Iterable[Network]) -> str:
    """The last address in a forwarding header that is not a trusted proxy: the client may have written
    the addresses before it. A part without an address (`unknown`) ends the search."""
    networks, address = tuple(trusted), remote
    for part in reversed(forwarded):
        found = find_address(part) if is_trusted(address, networks) else None
        if found is None:
            break
        address = found
    return address


def client_of(request: web.Request, trusted: Iterable[Network]) -> str:
    """The client's address by `X-Forwarded-For` or `Forwarded`.

    A proxy sets one of them and passes the other on as the client wrote it, so where both are
    there and disagree neither counts.
    """
    remote, networks = request.remote or "", tuple(trusted)
    values = request.headers.getall("X-Forwarded-For", [])
    parts = [part for part in ",".join(values).split(",") if part.strip()]
    hops = [hop.get("for", "") for hop in request.forwarded]
    found = {address_of(remote, chain, networks) for chain in (parts, hops) if chain}
    return found.pop() if len(found) == 1 else remote


def is_private(address: str) -> bool:
    """Whether an address is of a private network or of this machine."""
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def behind(proxies: Iterable[str], reach: PanelReach) -> Middleware:
    """Give requests through these proxies the address of their client, and note other proxies."""
    trusted = tuple(map(parse_network, proxies))

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        remote = request.remote or ""
        if "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers:
            return await handler(request)
        if is_trusted(remote, trusted):
            return await handler(request.clone(remote=client_of(request, trusted)))
        response = await handler(request)
        # Every client can write the header: one on the internet counts only with a session.
        if is_private(remote) or SIGNED_IN in request:
            reach.proxy.note(remote)
        return response

    return middleware
