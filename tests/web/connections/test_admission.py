"""Which connections are refused, which make room, and which never do."""

import time
from dataclasses import dataclass, field

import pytest

from service.web.connections.admission import KNOWN_SECONDS, Admission, address_of
from service.web.connections.counts import DoorCounts
from service.web.connections.limits import ConnectionLimits, proxy_network

NOW = 1000.0
VAPI = "198.51.100.7"


@dataclass(eq=False)
class Caller:
    """A connection, as far as the rules look at it."""

    address: str = "203.0.113.1"
    idle_since: float | None = None
    proved: bool = False
    closed: list[str] = field(default_factory=list)

    def shed(self, reason: str) -> None:
        self.closed.append(reason)


def admission(**limits: object) -> Admission:
    values = {"total": 8, "per_address": 3, **limits}
    return Admission(ConnectionLimits(**values), DoorCounts())  # type: ignore[arg-type]


def fill(doors: Admission, count: int, *, idle: float | None = None) -> list[Caller]:
    """Connections, each from an address of its own."""
    found = [Caller(f"192.0.2.{number}", idle) for number in range(count)]
    for one in found:
        doors.add(one)
    return found


def test_an_address_at_its_limit_is_refused_while_its_connections_are_busy() -> None:
    doors = admission()
    for _ in range(3):
        doors.add(Caller())
    assert doors.judge("203.0.113.1", NOW) == "address"
    assert doors.judge("203.0.113.2", NOW) is None


def test_the_longest_idle_connection_of_the_address_makes_room() -> None:
    doors = admission()
    callers = [Caller(idle_since=NOW - age) for age in (5, 9, 2)]
    for one in callers:
        doors.add(one)
    assert doors.judge("203.0.113.1", NOW) is None
    assert [one.closed for one in callers] == [[], ["room"], []]
    assert len(doors.unproved["203.0.113.1"]) == 2


def test_a_connection_that_has_just_come_makes_no_room() -> None:
    doors = admission()
    for _ in range(3):
        doors.add(Caller(idle_since=NOW - 0.1))
    assert doors.judge("203.0.113.1", NOW) == "address"


def test_a_quarter_stays_free_for_addresses_that_proved_themselves() -> None:
    doors = admission()
    callers = fill(doors, 7)
    doors.prove(callers[6], NOW)
    assert doors.strangers == doors.limits.strangers == 6
    assert doors.judge("203.0.113.9", NOW) == "total"
    assert doors.judge(callers[6].address, NOW) is None
    assert doors.judge(callers[6].address, NOW + KNOWN_SECONDS + 1) == "total"


def test_a_proved_connection_is_never_closed_to_make_room() -> None:
    doors = admission(total=4)
    callers = fill(doors, 4, idle=NOW - 60)
    for one in callers[:3]:
        doors.prove(one, NOW)
    assert doors.judge(callers[0].address, NOW) is None
    assert [one.closed for one in callers] == [[], [], [], ["room"]]
    doors.add(late := Caller())
    doors.prove(late, NOW)
    assert doors.judge(VAPI, NOW) == "total"


def test_many_messages_from_one_known_address_are_not_limited_by_address() -> None:
    doors = admission(total=100)
    doors.add(first := Caller(VAPI))
    doors.prove(first, NOW)
    for _ in range(50):
        assert doors.judge(VAPI, NOW) is None
        doors.add(Caller(VAPI))


def test_trusted_proxies_stand_for_many_clients() -> None:
    doors = admission(proxies=(proxy_network("10.0.0.0/8"),))
    for _ in range(5):
        assert doors.judge("10.1.2.3", NOW) is None
        doors.add(Caller("10.1.2.3"))


@pytest.mark.parametrize(
    ("proxy", "peer"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("10.0.0.7", "::ffff:10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::1", "::1"),
        ("fd00::/8", "fd00:1::7"),
    ],
)
def test_a_trusted_proxy_is_known_however_it_is_written(proxy: str, peer: str) -> None:
    doors = admission(proxies=(proxy_network(proxy),))
    assert doors.is_proxy(address_of((peer, 443)))
    assert not doors.is_proxy(address_of(("192.0.2.1", 443)))
    assert not doors.is_proxy(address_of(("2001:db8:9::1", 443)))


def test_counts_are_right_after_everything_closed() -> None:
    doors = admission()
    callers = fill(doors, 5)
    doors.prove(callers[0], NOW)
    doors.prove(callers[0], NOW)
    for one in callers * 2:
        doors.remove(one)
    assert (doors.strangers, doors.guests, doors.unproved) == (0, set(), {})


def test_a_flood_does_not_cost_a_search_each() -> None:
    doors = admission(total=2000, per_address=2000)
    for one in fill(doors, 1500):
        one.idle_since = NOW - 1
    began = time.perf_counter()
    refused = 0
    for number in range(5000):
        now = NOW + number / 100_000
        if doors.judge(f"203.0.113.{number % 200}", now) is None:
            doors.add(Caller(f"203.0.113.{number % 200}", now))
        else:
            refused += 1
    assert refused > 1000
    assert time.perf_counter() - began < 2


def test_an_ipv6_network_counts_as_one_address() -> None:
    assert address_of(("2001:db8::1", 1, 0, 0)) == address_of(("2001:db8::ffff", 2, 0, 0))
    assert address_of(("2001:db8:0:1::1", 1, 0, 0)) != address_of(("2001:db8::1", 1, 0, 0))
    assert address_of(("::ffff:192.0.2.1", 1, 0, 0)) == "192.0.2.1"
    assert address_of(("fe80::1%eth0", 1, 0, 0)) == "fe80::"
