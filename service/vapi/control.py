"""Control URLs: what we may post to, and the command that ends a call.

A control URL comes out of a message, so it is judged before anything is connected, and its address
again when the name is resolved. It is a capability: no error, log or record repeats it.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from service.vapi import errors

ATTEMPT_SECONDS = 2.5
"""Hard limit of one attempt: one in forty cold connects to Vapi's control hosts stalls."""

END_CALL = {"type": "end-call"}
HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})+")


class HostileUrlError(Exception):
    """The control URL points to where it must not; nothing was connected."""


def check_control_url(url: str, hosts: Sequence[str]) -> URL:
    """Return the URL if it is one of Vapi's; raise `HostileUrlError` otherwise.

    `hosts` are suffixes such as `.vapi.ai` (https on the usual port only) or whole origins such
    as `http://127.0.0.1:9000`.
    """
    if len(url) > 2048 or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise HostileUrlError("The control URL has characters that do not belong there.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise HostileUrlError("The control URL cannot be read.") from None
    if "@" in parts.netloc or parts.fragment or "#" in url or not host:
        raise HostileUrlError("The control URL carries what no control URL carries.")
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if any("://" in entry and origin == entry.rstrip("/").lower() for entry in hosts):
        return URL(url, encoded=True)
    suffixes = [entry.lower() for entry in hosts if "://" not in entry]
    fits = HOST.fullmatch(host) and any(host.endswith(suffix) for suffix in suffixes)
    if parts.scheme != "https" or port not in (None, 443) or not fits or is_address(host):
        raise HostileUrlError("The control URL is not one of Vapi's.")
    return URL(url, encoded=True)


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those that lead inside: a name is only as good as its DNS.

    aiohttp never asks a resolver about literal addresses, so origins for local tests still work.
    """

    def __init__(self) -> None:
        self.inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self.inner.resolve(host, port, family)
        if host != "localhost":
            found = [entry for entry in found if ipaddress.ip_address(entry["host"]).is_global]
        if not found:
            raise OSError("the name leads to no public address")
        return found

    async def close(self) -> None:
        await self.inner.close()


class ControlClient:
    """Posts commands to control URLs, each on a connection of its own."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = tuple(hosts)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                force_close=True, limit=100, resolver=PublicResolver(), use_dns_cache=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
        )

    async def end_call(self, url: str) -> None:
        """Ask Vapi to end the call. Returning means that Vapi took the command, no more.

        Raises `HostileUrlError` before connecting, `VapiNotFoundError` when Vapi no longer knows
        the call, another `VapiError` otherwise.
        """
        await self.post(url, END_CALL)

    async def post(self, url: str, command: dict[str, Any]) -> None:
        checked = check_control_url(url, self.hosts)
        try:
            async with self.session.post(checked, json=command, allow_redirects=False) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise errors.VapiUnavailableError(
                f"The control host does not answer ({type(exc).__name__})."
            ) from None
        if 200 <= status < 300:
            return
        if status in (400, 404, 410):
            raise errors.VapiNotFoundError(f"The control host knows no such call ({status}).")
        if status < 500 and status != 429:
            raise errors.VapiRejectedError(f"The control host refuses the command ({status}).")
        raise errors.VapiUnavailableError(f"The control host is in trouble ({status}).")

    async def close(self) -> None:
        await self.session.close()
