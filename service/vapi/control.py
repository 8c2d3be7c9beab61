"""Control URLs: what we may post to, and the command that ends a call.

A control URL comes out of a message, so it is judged before anything is connected, and its address
again when the name is resolved. It is a capability: no error, log or record repeats it.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from service.vapi.client import parse_retry_after
from service.vapi.errors import (
    HostileUrlError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnavailableError,
)
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
        raise HostileUrlError("The control URL is too long or has characters out of place.")
    try:
        parts, read = urlsplit(url), URL(url, encoded=True)
        host, port = parts.hostname or "", parts.port
        # aiohttp connects where yarl reads: two readers that disagree are being played.
        seen = (read.scheme, (read.raw_host or "").lower(), read.explicit_port)
        agreed = seen == (parts.scheme, host, port)
    except ValueError:
        agreed, host, port = False, "", None
    if not agreed or not host or "@" in parts.netloc:
        raise HostileUrlError("The control URL cannot be read.")
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if origin in origins(hosts):
        return read
    if parts.scheme != "https" or parts.netloc.lower() not in (host, f"{host}:443"):
        raise HostileUrlError("The control URL is not https on the usual port.")
    if not HOST.fullmatch(host) or is_address(host) or not is_below(host, hosts):
        raise HostileUrlError("The control URL's host is not one of VAPI_CONTROL_HOSTS.")
    return read


def origins(hosts: Sequence[str]) -> tuple[str, ...]:
    """The entries that are whole origins."""
    return tuple(entry.rstrip("/").lower() for entry in hosts if "://" in entry)


def is_below(host: str, hosts: Sequence[str]) -> bool:
    """Whether a name ends in a suffix, at a dot: `evilvapi.ai` is not below `.vapi.ai`."""
    names = (entry.strip(".").lower() for entry in hosts if "://" not in entry)
    return any(name and host.endswith("." + name) for name in names)


def is_address(host: str) -> bool:
    """Whether a host is a literal address, which no suffix vouches for."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class ControlClient:
    """Posts commands to control URLs, each on a connection of its own, without cookies or keys.

    Made inside the running loop, and to be closed. `hosts` as in `check_control_url`; `resolver`
    is for those who bring DNS of their own.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        resolver: AbstractResolver | None = None,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self.hosts = tuple(hosts)
        urls = [URL(origin) for origin in origins(hosts)]
        trusted = frozenset((url.host or "", url.port or 0) for url in urls)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                force_close=True,
                limit=100,
                resolver=PublicResolver(trusted, resolver),
                use_dns_cache=False,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=attempt_seconds),
        )

    async def end_call(self, url: str) -> None:
        """Ask Vapi to end the call. Returning means that Vapi took the command, no more.

        Raises `HostileUrlError` before connecting, `VapiNotFoundError` when the control host does
        not know the call (any more), another `VapiError` otherwise.
        """
        await self.command(url, END_CALL)

    async def say_goodbye(self, url: str, text: str) -> None:
        """Ask Vapi to speak, to listen to nobody meanwhile, and to end the call then.

        Raises like `end_call`.
        """
        await self.command(url, {**SAY, "content": text})

    async def command(self, url: str, order: Mapping[str, object]) -> None:
        """Post one command."""
        checked = check_control_url(url, self.hosts)
        try:
            async with self.session.post(checked, json=order, allow_redirects=False) as response:
                status, wait = response.status, response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            # Its text has the URL in it: only the kind of failure is passed on.
            raise VapiUnavailableError(
                f"The control host does not answer ({type(exc).__name__})."
            ) from None
        refuse_status(status, wait)

    async def close(self) -> None:
        """Close what is still connected."""
        await self.session.close()


def refuse_status(status: int, retry_after: str | None) -> None:
    """Raise what a control host's status means; a 2xx means nothing. Its body is never read."""
    if 200 <= status < 300:
        return
    if status in (400, 404, 410):
        raise VapiNotFoundError(f"The control host knows no such call ({status}).")
    if status == 429:
        raise VapiThrottledError(
            "The control host asks for fewer requests (429).", parse_retry_after(retry_after)
        )
    if 300 <= status < 500 and status != 408:
        raise VapiRejectedError(f"The control host refuses the command ({status}).")
    raise VapiUnavailableError(f"The control host is in trouble ({status}).")
