"""Control URLs: which are allowed, and the commands that end a call.

A control URL comes from a message, so it is checked before a connection is made, and its address again
when the name is resolved. It is a capability: no error or log repeats it.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from service.domain.network.addresses import parse_address
from service.settings.outgoing_proxies import proxy_of, proxy_servers
from service.vapi.answers import read_retry_after
from service.vapi.errors import (
    HostileUrlError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnavailableError,
)
from service.vapi.lookups import Lookups
from service.vapi.resolver import PublicResolver

__all__ = ["ControlClient", "HostileUrlError", "check_control_url"]

ATTEMPT_SECONDS = 2.5
"""Hard limit of one attempt: one in forty cold connects to Vapi's control hosts stalls."""

END_CALL = {"type": "end-call"}
SAY: Mapping[str, object] = {
    "type": "say",
    "endCallAfterSpoken": True,
    "interruptAssistantEnabled": True,
    "interruptionsEnabled": False,
}
MAX_URL = 2048
FORBIDDEN = re.compile(r"[^\x21-\x7e]|[\\#]")
HOST = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})+")


def check_control_url(url: str, hosts: Sequence[str]) -> URL:
    """Return the URL if it is one of Vapi's; raise `HostileUrlError` otherwise.

    `hosts` are suffixes such as `.vapi.ai` (names below it, https, the usual port) or whole origins
    such as `http://127.0.0.1:9000` (scheme, host and port to the letter).
    """
    if len(url) > MAX_URL or FORBIDDEN.search(url):
        raise HostileUrlError("The control URL is too long or has invalid characters.")
    try:
        parts, read = urlsplit(url), URL(url, encoded=True)
        host, port = parts.hostname or "", parts.port
        # aiohttp uses yarl's reading: a URL that two parsers read differently is an attack.
        seen = (read.scheme, (read.raw_host or "").lower(), read.explicit_port)
        agreed = seen == (parts.scheme, host, port)
    except ValueError:
        agreed, host, port = False, "", None
    if not agreed or not host or "@" in parts.netloc:
        raise HostileUrlError("The control URL is malformed.")
    if origin_of(url) in map(origin_of, origins(hosts)):
        return read
    if parts.scheme != "https" or parts.netloc.lower() not in (host, f"{host}:443"):
        raise HostileUrlError("The control URL is not https on port 443.")
    if not HOST.fullmatch(host) or parse_address(host) or not is_below(host, hosts):
        raise HostileUrlError("The control URL's host is not in VAPI_CONTROL_HOSTS.")
    return read


def origins(hosts: Sequence[str]) -> tuple[str, ...]:
    """The entries that are whole origins."""
    return tuple(entry for entry in hosts if "://" in entry)


def origin_of(url: str) -> str:
    """The scheme, host and port of a URL to the letter, but for the usual port."""
    parts = urlsplit(url)
    usual = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"


def is_below(host: str, hosts: Sequence[str]) -> bool:
    """Whether a name ends in a suffix, at a dot: `evilvapi.ai` is not below `.vapi.ai`."""
    names = (entry.strip(".").lower() for entry in hosts if "://" not in entry)
    return any(name and host.endswith("." + name) for name in names)


class ControlClient:
    """Posts commands to control URLs, each on a fresh connection, without cookies or keys.

    Create it inside the running event loop, and close it. `hosts` as in `check_control_url`.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        resolver: AbstractResolver | None = None,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self.hosts = tuple(hosts)
        urls = [URL(origin) for origin in origins(hosts)]
        trusted = {(url.host, url.port) for url in urls} | proxy_servers()
        self.resolver = PublicResolver(
            resolver or Lookups(keep_last=True), lambda host, port: (host, port) in trusted
        )
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                force_close=True,
                limit=100,
                resolver=self.resolver,
                use_dns_cache=False,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=attempt_seconds),
        )

    def check(self, url: str) -> None:
        """Raise `HostileUrlError` for a URL that is not Vapi's, without connecting."""
        check_control_url(url, self.hosts)

    async def end_call(self, url: str) -> None:
        """Ask Vapi to end the call. On return Vapi accepted the command; the end is unconfirmed.

        Raises `HostileUrlError` before connecting, `VapiNotFoundError` when the control host does
        not know the call (any more), another `VapiError` otherwise.
        """
        await self.command(url, END_CALL)

    async def say_goodbye(self, url: str, text: str) -> None:
        """Ask Vapi to speak without being interrupted, and then to end the call.

        Raises like `end_call`.
        """
        await self.command(url, {**SAY, "content": text})

    async def command(self, url: str, order: Mapping[str, object]) -> None:
        """Post one command."""
        checked = check_control_url(url, self.hosts)
        try:
            async with self.session.post(
                checked, json=order, proxy=proxy_of(checked), allow_redirects=False
            ) as response:
                status, wait = response.status, read_retry_after(response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            # Its text contains the URL: only its type is passed on.
            raise VapiUnavailableError(
                f"The control host does not answer ({type(exc).__name__})."
            ) from None
        refuse_status(status, wait)

    async def close(self) -> None:
        """Close open connections."""
        await self.session.close()
        await self.resolver.close()


def refuse_status(status: int, retry_after: float | None) -> None:
    """Raise the error for a control host's status; a 2xx raises nothing. The body is not read."""
    if 200 <= status < 300:
        return
    if status in (400, 404, 410):
        raise VapiNotFoundError(f"The control host does not know the call ({status}).")
    if status == 429:
        raise VapiThrottledError("The control host asks for fewer requests (429).", retry_after)
    if 300 <= status < 500 and status != 408:
        raise VapiRejectedError(f"The control host rejects the command ({status}).")
    raise VapiUnavailableError(f"The control host failed ({status}).")
