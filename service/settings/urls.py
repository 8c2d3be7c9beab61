"""URLs in settings. Pure."""

import ipaddress
from urllib.parse import SplitResult, urlsplit


def split(url: str) -> SplitResult | None:
    """A URL's parts; None if it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_origin(url: str) -> bool:
    """Whether a URL is a scheme, a host and perhaps a port, and nothing else."""
    parts = split(url)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        return False
    return parts.path in ("", "/") and not parts.query and not parts.username


def is_local(host: str) -> bool:
    """Whether a host name is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
