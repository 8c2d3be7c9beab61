"""Which connections are served. An unproved sender is any other; a connection is proved once a webhook
with the right secret came over it, and its address is known for an hour after that.

At a limit, unproved connections that wait idly make room; if all are busy, the newest one is
refused. Proved connections are never closed to make room.
"""

import heapq
import ipaddress
import math
import time
from collections import OrderedDict, deque
from typing import Literal, Protocol

from service.web.connections.counts import DoorCounts
from service.web.connections.limits import COUNTED_PREFIX, ConnectionLimits

KNOWN_SECONDS = 3600.0
MOST_KNOWN = 4096
YOUNG_SECONDS = 0.25
"""A new connection has this long for its first bytes before it makes room for others."""

KNOWN_YOUNG_SECONDS = 0.005
"""The same where the newcomer's address is known: it must not wait for a flood to grow older."""
SEARCH_SECONDS = 0.01
MOST_FOUND = 64
ALL = ""

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
        self.unproved: dict[str, set[Guest]] = {}
        self.strangers = 0
        self.known: OrderedDict[str, float] = OrderedDict()
        self.waiting: dict[tuple[str, float], deque[Guest]] = {}
        self.searched: dict[tuple[str, float], float] = {}

    def judge(self, address: str, now: float) -> Refusal | None:
        """Whether one more connection from an address is refused; makes room where that is due."""
        known = self.is_proxy(address) or self.is_known(address, now)
        if not known and len(self.unproved.get(address, ())) >= self.limits.per_address:
            return None if self.make_room(address, now) else "address"
        full = len(self.guests) >= self.limits.total
        full = full or (not known and self.strangers >= self.limits.strangers)
        youngest = KNOWN_YOUNG_SECONDS if known else YOUNG_SECONDS
        return "total" if full and not self.make_room(ALL, now, youngest) else None

    def make_room(self, of: str, now: float, youngest: float = YOUNG_SECONDS) -> bool:
        """Close the unproved connection of an address, or of all, that has been idle for longest.

        Returns whether there was one. A search finds several at once, and one in vain is not
        repeated for a moment: a flood of connections must not cost a search each.
        """
        key = of, youngest
        if len(self.waiting) > MOST_KNOWN:
            self.waiting.clear()
            self.searched.clear()
        queue = self.waiting.setdefault(key, deque())
        guest = self.next_idle(queue)
        if guest is None and now - self.searched.get(key, -math.inf) >= SEARCH_SECONDS:
            queue.extend(self.find_idle(of, now - youngest))
            if len(queue) < MOST_FOUND:
                self.searched[key] = now
            guest = self.next_idle(queue)
        if guest is None:
            return False
        guest.shed("room")
        self.remove(guest)
        return True

    def next_idle(self, queue: deque[Guest]) -> Guest | None:
        """The next one in a queue that is still open, unproved and idle."""
        while queue:
            guest = queue.popleft()
            if guest in self.guests and not guest.proved and guest.idle_since is not None:
                return guest
        return None

    def find_idle(self, of: str, since: float) -> list[Guest]:
        """Unproved connections that have been idle since before an instant, longest first."""
        guests = self.guests if of == ALL else self.unproved.get(of, set())
        found = [
            (idle, number, guest)
            for number, guest in enumerate(guests)
            if not guest.proved and (idle := guest.idle_since) is not None and idle < since
        ]
        return [guest for _, _, guest in heapq.nsmallest(MOST_FOUND, found)]

    def add(self, guest: Guest) -> None:
        self.guests.add(guest)
        self.strangers += 1
        self.unproved.setdefault(guest.address, set()).add(guest)

    def remove(self, guest: Guest) -> None:
        """Forget a closed connection; a second time changes nothing."""
        if guest not in self.guests:
            return
        self.guests.remove(guest)
        if not guest.proved:
            self.forget_unproved(guest)

    def forget_unproved(self, guest: Guest) -> None:
        self.strangers -= 1
        same = self.unproved[guest.address]
        same.discard(guest)
        if not same:
            del self.unproved[guest.address]

    def prove(self, guest: Guest, now: float) -> None:
        """A webhook with the right secret came over this connection."""
        if not guest.proved and guest in self.guests:
            self.forget_unproved(guest)
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
        return self.make_room(ALL, time.monotonic(), youngest=0)


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
    rest = 128 - COUNTED_PREFIX
    return str(ipaddress.IPv6Address(int(found) >> rest << rest))
