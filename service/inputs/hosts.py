"""Hosts as settings name them: to listen on, and where requests may go. Pure."""

import ipaddress
import re

from yarl import URL

from policies.host.marks import BadTextError, shown, without_marks

NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.ASCII
)
"""Labels may begin with an underscore: Compose writes them into the names of services."""
SUFFIX = re.compile(r"(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+", re.ASCII)
PORT = re.compile(r":([0-9]{1,5})", re.ASCII)
LAST_PORT = 65_535
MAPPED = 96
"""The length of the prefix of IPv4 within IPv6."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_host(text: str) -> str:
    """A pasted address or name of a machine, without brackets. Raises `BadTextError`."""
    host = find_host(plain_host(text))
    if host is None:
        raise BadTextError(
            f"{shown(text)} is no host: write an address or a name alone, such as 0.0.0.0 for all "
            "addresses, or ::1; the port has a setting of its own"
        )
    return host


def parse_host_and_port(text: str) -> str:
    """A pasted host, perhaps with a port: `localhost`, `10.0.0.5:8000`, `[::1]:9000`. An IPv6 address
    without a port has no brackets. Raises `BadTextError`."""
    plain = plain_host(text)
    if (host := find_host(plain)) is not None:
        return host
    name, colon, port = plain.rpartition(":")
    host = find_host(name) if colon and PORT.fullmatch(f":{port}") else None
    if host is None or not 0 < int(port) <= LAST_PORT or (":" in host and not name.startswith("[")):
        raise BadTextError(
            f"{shown(text)} is no host: write a name or an address, perhaps with a port, such as "
            "10.0.0.5:8000; a network, a scheme or a path is none"
        )
    return f"[{host}]:{int(port)}" if ":" in host else f"{host}:{int(port)}"


def parse_host_suffix(text: str) -> str:
    """The pasted end of the names of hosts, with its dot: `.vapi.ai`. Raises `BadTextError`."""
    suffix = without_marks(text).lower().rstrip(".")
    if len(suffix) < 4 or not SUFFIX.fullmatch(suffix):
        raise BadTextError(
            f"{shown(text)} is no end of a host's name: write it with its dot and without a port, such "
            "as .vapi.ai, or write a whole origin such as http://127.0.0.1:9000"
        )
    return suffix


def plain_host(text: str) -> str:
    """A text in small letters without marks; a name of other letters in those of DNS."""
    plain = without_marks(text).lower()
    if plain.isascii() or any(sign in plain for sign in ":/@?#[] "):
        return plain
    try:
        return URL.build(scheme="http", host=plain).raw_host or plain
    except ValueError:
        return plain


def find_host(text: str) -> str | None:
    """The host that a text is; None if it is none. An address is in its short form."""
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(inside))
    except ValueError:
        pass
    name = text.removesuffix(".")
    # The last label of a name has letters: 300.1.1.1 is a mistyped address.
    is_name = NAME.fullmatch(name) and not name.rpartition(".")[2].isdigit()
    return name if is_name else None


def parse_network(text: str) -> Network:
    """A pasted address or network; one of IPv4 within IPv6, as a listener on `::` shows it, is one of
    IPv4. Raises `BadTextError`."""
    try:
        found = ipaddress.ip_network(without_marks(text), strict=False)
    except ValueError:
        raise BadTextError(
            f"{shown(text)} is no IP network: write an address such as 10.0.0.7, or a network such as "
            "10.0.0.0/8, without a port"
        ) from None
    inside = getattr(found.network_address, "ipv4_mapped", None)
    if inside is None or found.prefixlen < MAPPED:
        return found
    return ipaddress.IPv4Network((inside, found.prefixlen - MAPPED))
