"""Which connections are served. An unproved sender is any other; a connection is proved once a webhook
with the right secret came over it, and its address is known for an hour after that.

At a limit, unproved connections that wait idly make room; if all are busy, the newest one is
refused. Proved connections are never closed to make room.
"""

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Literal, Protocol

from service.web.connections.counts import DoorCounts
from service.web.connections.limits import ConnectionLimits

KNOWN_SECONDS = 3600.0
MOST_KNOWN = 4096
YOUNG_SECONDS = 0.25
"""A new connection has this long for its first bytes before it makes room for others."""

Refusal = Literal["total", "address"]


class Guest(Protocol):
    """A connection, as far as the rules look at it."""

    address: str
    proved: bool

    @property
    def idle_since(self) -> float | None:
        """When it began to wait for a header, in seconds of `time.monotonic`; None while it is
        served."""
        ...

    def shed(self, reason: str) -> None: ...


class Admission:
    """Every open connection of this process. Seconds are those of `time.monotonic`."""

    def __init__(self, limits: ConnectionLimits, counts: DoorCounts) -> None:
        self.limits = limits
        self.counts = counts
        self.guests: set[Guest] = set()
        self.strangers = 0
        self.of_address: Counter[str] = Counter()
        self.known: OrderedDict[str, float] = OrderedDict()

    def judge(self, address: str, now: float) -> Refusal | None:
        """Whether one more connection from an address is refused; makes room where that is due."""
        exempt = self.is_proxy(address)
        known = exempt or self.is_known(address, now)
        if not known and self.of_address[address] >= self.limits.per_address:
            same = [guest for guest in self.guests if guest.address == address]
            return None if self.make_room(same, now) else "address"
        full = len(self.guests) >= self.limits.total
        full = full or (not known and self.strangers >= self.limits.strangers)
        return "total" if full and not self.make_room(self.guests, now) else None

    def make_room(self, guests: Iterable[Guest], now: float) -> bool:
        """Close the unproved connection that has been idle for longest; whether there was one."""
        oldest: Guest | None = None
        since = now - YOUNG_SECONDS
        for guest in guests:
            idle = None if guest.proved else guest.idle_since
            if idle is not None and idle < since:
                oldest, since = guest, idle
        if oldest is None:
            return False
        oldest.shed("room")
        self.remove(oldest)
        return True

    def add(self, guest: Guest) -> None:
        self.guests.add(guest)
        self.strangers += 1
        self.of_address[guest.address] += 1

    def remove(self, guest: Guest) -> None:
        """Forget a closed connection; a second time changes nothing."""
        if guest not in self.guests:
            return
        self.guests.remove(guest)
        if not guest.proved:
            self.forget_stranger(guest)

    def forget_stranger(self, guest: Guest) -> None:
        self.strangers -= 1
        self.of_address[guest.address] -= 1
        if self.of_address[guest.address] <= 0:
            del self.of_address[guest.address]

    def prove(self, guest: Guest, now: float) -> None:
        """A webhook with the right secret came over this connection."""
        if not guest.proved and guest in self.guests:
            self.forget_stranger(guest)
            guest.proved = True
        self.known[guest.address] = now
        self.known.move_to_end(guest.address)
        if len(self.known) > MOST_KNOWN:
            self.known.popitem(last=False)

    def is_known(self, address: str, now: float) -> bool:
        """Whether a webhook from this address was proved within the last hour."""
        return now - self.known.get(address, float("-inf")) < KNOWN_SECONDS

    def is_proxy(self, address: str) -> bool:
        if not self.limits.proxies:
            return False
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(
            found.version == network.version and found in network for network in self.limits.proxies
        )

    def shed_for_files(self) -> bool:
        """Close an unproved idle connection, whatever its age: the process is out of files."""
        return self.make_room(self.guests, time.monotonic() + YOUNG_SECONDS)


def address_of(peer: object) -> str:
    """Whom a connection counts for: an IPv4 address, or a client's whole IPv6 network."""
    host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    if ":" not in host:
        return host
    try:
        found = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(found) >> 64 << 64))
