"""The proxy that the platform prescribes for requests to Vapi: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY,
NO_PROXY.

Clients' own servers are never reached through it: their addresses are checked here, and a proxy would
look them up again.
"""

import os
from contextlib import suppress
from functools import lru_cache
from urllib.request import getproxies_environment, proxy_bypass

from yarl import URL

from service.settings.urls import is_local

UNREADABLE = "is not the address of a proxy, such as http://proxy.example.net:3128."
OTHER_KIND = (
    "names a proxy that is neither http nor https (SOCKS is not supported). Set the address of an HTTP "
    "proxy, or unset it."
)


@lru_cache(maxsize=256)
def proxy_for(scheme: str, host: str) -> URL | None:
    """The proxy for requests to a host; None: connect directly, as to this machine itself."""
    proxies = getproxies_environment()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or is_local(host) or proxy_bypass(host):
        return None
    return parse_proxy(proxy)


def parse_proxy(text: str) -> URL:
    """A proxy's address; a host alone is one over http. Raises `ValueError`, whose text may hold a
    password."""
    return URL(text if "://" in text else f"http://{text}")


def proxy_of(url: URL) -> URL | None:
    """The proxy for one URL."""
    return proxy_for(url.scheme, url.host or "")


def proxy_servers() -> set[tuple[str | None, int | None]]:
    """Hosts and ports of all proxies: their names may resolve to private addresses."""
    proxies = getproxies_environment()  # NO_PROXY is among them, and is no address
    found = set[tuple[str | None, int | None]]()
    for scheme in ("http", "https", "all"):
        # One that cannot be read is reported by `outgoing_proxy_faults`.
        with suppress(ValueError):
            url = parse_proxy(proxies.get(scheme, ""))
            found.add((url.host, url.port))
    return found


def outgoing_proxy_faults() -> list[str]:
    """A sentence for each variable whose proxy cannot be used. Its value may hold a password and is not
    repeated."""
    proxies = getproxies_environment()
    if proxies.get("no", "").strip() == "*":
        return []
    both = "https" in proxies and "http" in proxies
    used = ("https", "http") if both else ("https", "http", "all")
    faults = ((scheme, proxy_fault(proxies[scheme])) for scheme in used if scheme in proxies)
    return [f"{variable_of(scheme)} {fault}" for scheme, fault in faults if fault]


def proxy_fault(text: str) -> str | None:
    """What is wrong with a proxy's address, as the end of a sentence that begins with its variable."""
    try:
        url = parse_proxy(text)
    except ValueError:
        return UNREADABLE
    if url.scheme not in ("http", "https"):
        return OTHER_KIND
    return None if url.host and url.port else UNREADABLE


def variable_of(scheme: str) -> str:
    """The variable that a scheme's proxy comes from: the one in small letters wins."""
    name = f"{scheme}_proxy"
    return name if os.environ.get(name) else name.upper()
