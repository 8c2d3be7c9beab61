"""The kinds of requests to Vapi, and how they share the budget. Pure; time is an argument, in seconds.

Each kind has a share that no other can take, and may borrow what no kind uses. A clock says when its
next request is due (generic cell rate algorithm): one for each kind, and one for all together, which
every request moves on. So no kind starves, and in any t seconds at most rate · t + `most_at_once()`
requests go out. Commands to control URLs are no requests to Vapi's API and do not count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum


class Priority(Enum):
    """Look-ups of calls to hang up, updates after a change of access, requests of admins, repairs, and
    looks: sweeps, the call watch, probes."""

    HANGUP = "hangup"
    ACCESS = "access"
    ADMIN = "admin"
    REPAIR = "repair"
    LOOK = "look"


BURST = 5
"""How many requests may go out at once while no share is in use."""


@dataclass(frozen=True, slots=True)
class RequestShare:
    """A kind's part of the rate, and how many requests it may make at once: of its own share (`burst`),
    and with what the others do not use (`borrows`)."""

    part: float
    burst: int
    borrows: int


# One organization that paid has its numbers back at once, and an admin's click need not wait. Of what
# no kind uses, hang-ups, access and admins take first: each stops borrowing later than the next.
SHARES: Mapping[Priority, RequestShare] = {
    Priority.HANGUP: RequestShare(0.30, 4, BURST),
    Priority.ACCESS: RequestShare(0.20, 12, BURST),
    Priority.ADMIN: RequestShare(0.25, 6, BURST),
    Priority.REPAIR: RequestShare(0.15, 1, BURST - 1),
    Priority.LOOK: RequestShare(0.10, 1, BURST - 2),
}


UNPAUSED = frozenset({Priority.HANGUP, Priority.ADMIN})
"""Kinds that go on while Vapi throttles: a call talks meanwhile, and an admin waits for an answer."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """When the next request is due: of all kinds, and of each. Until `paused_until` only `UNPAUSED`
    kinds go on, because Vapi throttles."""

    all_at: float = float("-inf")
    own_at: Mapping[Priority, float] = field(default_factory=dict)
    paused_until: float = float("-inf")


def most_at_once() -> int:
    """How many requests over the rate may go out at most, after any idle time."""
    return BURST + sum(share.burst for share in SHARES.values())


def take(clocks: Clocks, kind: Priority, now: float, rate: float) -> tuple[Clocks, float]:
    """Take one request of a kind at `rate` requests a second.

    Returns the clocks after it and 0.0; or the same clocks, and the seconds after which to try again.
    """
    if kind not in UNPAUSED and clocks.paused_until > now:
        return clocks, clocks.paused_until - now
    share = SHARES[kind]
    own_interval = 1 / (rate * share.part)
    own_at = clocks.own_at.get(kind, float("-inf"))
    own_wait = own_at - own_interval * (share.burst - 1) - now
    borrowed_wait = clocks.all_at - (share.borrows - 1) / rate - now
    if own_wait > 0 and borrowed_wait > 0:
        return clocks, min(own_wait, borrowed_wait)
    moved = replace(clocks, all_at=max(clocks.all_at, now) + 1 / rate)
    if own_wait > 0:
        return moved, 0.0
    own = {**clocks.own_at, kind: max(own_at, now) + own_interval}
    return replace(moved, own_at=own), 0.0


def pause(clocks: Clocks, seconds: float, now: float) -> Clocks:
    """Let all kinds but `UNPAUSED` ones stand still for so many seconds."""
    return replace(clocks, paused_until=max(clocks.paused_until, now + seconds))
