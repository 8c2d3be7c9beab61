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


def is_address_with_port(text: str) -> bool:
    """Whether a text is an IP address, perhaps with a port: `1.1.1.1:53`, `[::1]:53`, `::1`."""
    host, port = text, "53"
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return False
        port = rest[1:] or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65_535
