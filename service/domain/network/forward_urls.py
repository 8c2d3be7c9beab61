"""Where a call's events may be relayed to: public https hosts, or hosts that the operator lists.

Names are checked as written; the relay checks the address when it connects.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from service.domain.errors import InvalidForwardUrlError
from service.domain.network.addresses import is_public_address, is_web_port, parse_address

PLAIN = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+")
"""The ASCII allowed in a URL: no space, control, quote, backslash, caret, bracket or brace."""

NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+")
PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".intranet")


@dataclass(frozen=True, slots=True)
class ForwardUrls:
    """Which URLs an organization's server may have here; see `check_forward_url`."""

    relay_hosts: tuple[str, ...]
    own_urls: tuple[str, ...] = ()

    def check(self, url: str) -> None:
        """Raise `InvalidForwardUrlError` unless events may be sent there."""
        check_forward_url(url, self.relay_hosts, self.own_urls)


def refuse(reason: str) -> InvalidForwardUrlError:
    return InvalidForwardUrlError(f"forward_url {reason}.")


def check_forward_url(url: str, relay_hosts: Sequence[str], own_urls: Sequence[str] = ()) -> None:
    """Raise `InvalidForwardUrlError` unless events may be sent there.

    `relay_hosts` are hosts, or `host:port`, that may be private and reached over http
    (CALLGATE_RELAY_HOSTS). `own_urls` are addresses of Callgate: no message may come back to it.
    """
    if not PLAIN.fullmatch(url):
        raise refuse("has a space or another character that a URL cannot have; copy it again")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refuse("is not a URL") from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("https", "http") or not host or port == 0:
        raise refuse("must be an absolute https URL")
    if "@" in parts.netloc:
        raise refuse("must not carry a user name or password")
    if parts.fragment or url.endswith("#"):
        raise refuse("must not have a fragment")
    chosen = port or standard_port(parts)
    if (canonical_host(host), chosen) in {place_of(own) for own in own_urls}:
        raise refuse("leads to Callgate itself; give the address of the organization's server")
    if is_listed(host, chosen, relay_hosts):
        return
    if parts.scheme != "https":
        raise refuse("must be https")
    if not is_web_port(chosen):
        raise refuse(f"must not use port {chosen}; use 443, 80 or a port above 1023")
    if not is_public_host(host.rstrip(".")):
        raise refuse("must not point to a private host; list it in CALLGATE_RELAY_HOSTS if it may")


def canonical_host(host: str) -> str:
    """A host in one spelling: small letters, without the final dot, addresses in their short form."""
    plain = host.lower().rstrip(".")
    address = parse_address(plain)
    return plain if address is None else address.compressed


def place_of(url: str) -> tuple[str, int]:
    """The host and the port of one of our own URLs."""
    parts = urlsplit(url)
    return canonical_host(parts.hostname or ""), parts.port or standard_port(parts)


def is_listed(host: str, port: int, relay_hosts: Sequence[str]) -> bool:
    """Whether the operator lists a host: by itself, for any port, or with this port."""
    plain = canonical_host(host)
    forms = {plain, f"{plain}:{port}", f"[{plain}]", f"[{plain}]:{port}"}
    return any(entry.lower() in forms for entry in relay_hosts)


def standard_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def is_public_host(host: str) -> bool:
    """Whether a host, as written, can only be on the public network."""
    address = parse_address(host)
    if address is not None:
        return is_public_address(address)
    # `127.1`, `2130706433` and `0x7f.1` are addresses to a resolver: no name ends in digits.
    last = host.rpartition(".")[2]
    numeric = last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None
    private = f".{host}".endswith(PRIVATE_SUFFIXES)
    return NAME.fullmatch(host) is not None and not numeric and not private
