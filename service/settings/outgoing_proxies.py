"""The proxy that the platform prescribes for requests to Vapi: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.

Clients' own servers are never reached through it: their addresses are checked here, and a proxy would
look them up again.
"""

from functools import lru_cache
from urllib.request import getproxies_environment, proxy_bypass

from yarl import URL

from service.settings.urls import is_local


@lru_cache(maxsize=256)
def proxy_for(scheme: str, host: str) -> URL | None:
    """The proxy for requests to a host; None: connect directly, as to this machine itself."""
    proxies = getproxies_environment()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or is_local(host) or proxy_bypass(host):
        return None
    return URL(proxy if "://" in proxy else f"http://{proxy}")


def proxy_of(url: URL) -> URL | None:
    """The proxy for one URL."""
    return proxy_for(url.scheme, url.host or "")


def proxy_servers() -> set[tuple[str | None, int | None]]:
    """Hosts and ports of all proxies: their names may resolve to private addresses."""
    proxies = getproxies_environment()  # NO_PROXY is among them, and is no address
    given = (value for name, value in proxies.items() if name in ("http", "https", "all"))
    found = {URL(value if "://" in value else f"http://{value}") for value in given}
    return {(url.host, url.port) for url in found}
