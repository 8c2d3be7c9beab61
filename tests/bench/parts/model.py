"""What so many live calls need, reckoned from measured costs; a queue in front of one core. Pure."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

BEAT_SECONDS = 0.75
"""Each replica notifies all of them so often (`service.access.feed`)."""
SIZES = (1_000, 3_000, 10_000, 30_000, 50_000, 100_000, 200_000, 300_000, 500_000, 1_000_000)
MONTH_SECONDS = 30 * 86400
WATCHED_SECONDS, WATCH_SECONDS, WATCHED_PAGE = 660, 60, 1000
"""The call watch reads the calls of so many seconds, each `WATCH_SECONDS`, in pages of so many."""
LOOKED_UP = 500
"""How many calls a list shows that answers look-ups of blocked ones: a megabyte of short ones."""
LOOKS = 2
"""How often a blocked call is looked up: before its command or beside it, and after it."""
ARRIVALS = 60_000


@dataclass(frozen=True, slots=True)
class Costs:
    """Measured. Seconds are of processor time.

    `message` and `call` are the service's: for a later message, and for a call's other messages and
    its record. `begin`, `miss`: PostgreSQL's for a whole call, and for a message of a call that the
    replica does not know. `notification`: PostgreSQL's, and `delivery` for each listener.
    """

    message: float
    call: float
    miss: float
    postgres_call: float
    postgres_miss: float
    rows: float
    wal: float
    connections: float
    notification: float
    delivery: float

    @classmethod
    def of(cls, figures: Mapping[str, float], later_messages: int) -> "Costs":
        """From the figures of `python -m tests.bench`."""
        message = figures["cpu.later"]
        return cls(
            message=message,
            call=max(figures["cost.granted_call.service"] - later_messages * message, 0.0),
            miss=figures["cost.message_of_an_unknown_call.service"],
            postgres_call=figures["cost.granted_call.postgres"],
            postgres_miss=figures["cost.message_of_an_unknown_call.postgres"],
            rows=figures["cost.granted_call.rows"],
            wal=figures["cost.granted_call.wal"],
            connections=figures["cost.connections"],
            notification=figures["cost.notification"],
            delivery=figures["cost.delivery"],
        )


@dataclass(frozen=True, slots=True)
class Assumptions:
    """About the traffic: what Vapi does, what calls are like. `blocked`: the share of calls that are;
    `busy`: the share of a core in use."""

    messages_a_second: float = 1.0
    call_seconds: float = 180.0
    changes_a_call: float = 0.02
    blocked: float = 0.05
    busy: float = 0.5
    known_calls: int = 50_000
    shard: int = 30_000


@dataclass(frozen=True, slots=True)
class Needs:
    """What so many live calls need. PostgreSQL's cores are entirely busy, those of replicas partly."""

    live: int
    messages: float
    calls: float
    misses: float
    replicas: int
    postgres_cores: float
    notify_cores: float
    connections: float
    wal: float
    rows_a_month: float
    requests: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What one PostgreSQL, or one replica, bears. `remedy` is what to change when it is reached."""

    name: str
    field: str
    most: float
    unit: str
    remedy: str


LIMITS = (
    Limit(
        "requests to Vapi, with the default budget",
        "requests",
        1.4,
        "requests a second",
        "Raise `CALLGATE_VAPI_REQUESTS_PER_SECOND` as far as Vapi lets your account; then shard.",
    ),
    Limit(
        "calls that a replica remembers",
        "live",
        50_000,
        "live calls",
        "Shard by Vapi account: each shard's replicas then see their own calls only.",
    ),
    Limit(
        "connections to PostgreSQL",
        "connections",
        500,
        "connections",
        "Put a pooler in front of it (transaction mode, with a direct address for the listeners).",
    ),
    Limit(
        "notifications",
        "notify_cores",
        0.5,
        "cores",
        "Fewer, larger replicas; then shard: notifications grow with their square.",
    ),
    Limit(
        "PostgreSQL's processors",
        "postgres_cores",
        16,
        "cores",
        "Move the panel's lists and exports to a read replica; then shard by Vapi account.",
    ),
    Limit(
        "PostgreSQL's log",
        "wal",
        100e6,
        "bytes a second",
        "Shard by Vapi account: one log is written by one disk.",
    ),
    Limit(
        "rows of one month of calls",
        "rows_a_month",
        1e9,
        "rows",
        "Shorter retention; calls are partitioned by month, and retention drops whole months.",
    ),
)


def needs_of(live: int, costs: Costs, given: Assumptions) -> Needs:
    """Replicas are added until each is at most as busy as assumed; every replica sees every call."""
    messages, calls = live * given.messages_a_second, live / given.call_seconds
    missing = max(1 - given.known_calls / live, 0.0)
    replicas = 1
    for _ in range(20):
        # A call that is not remembered is read again by each replica that it comes to.
        misses = messages * missing + min(calls * (replicas - 1), messages * (1 - missing))
        used = messages * costs.message + calls * costs.call + misses * costs.miss
        found = max(int(used / given.busy) + 1, 1)
        if found == replicas:
            break
        replicas = found
    notices = replicas / BEAT_SECONDS + calls * given.changes_a_call
    notify = notices * (costs.notification + replicas * costs.delivery)
    postgres = calls * costs.postgres_call + misses * costs.postgres_miss + notify
    return Needs(
        live,
        messages,
        calls,
        misses,
        replicas,
        postgres,
        notify,
        replicas * costs.connections,
        calls * costs.wal,
        calls * MONTH_SECONDS,
        requests_of(calls, given),
    )


def requests_of(calls: float, given: Assumptions) -> float:
    """Requests to Vapi's API a second: the lists of the call watch, and look-ups of blocked calls, many
    of which share a list. Commands to control URLs do not count."""
    watched = calls * WATCHED_SECONDS / WATCHED_PAGE / WATCH_SECONDS
    alone, lists = LOOKS * given.blocked * calls, LOOKS * calls / LOOKED_UP
    return watched + min(alone, lists)


def sharded(live: int, costs: Costs, given: Assumptions) -> tuple[int, Needs]:
    """How many shards of at most `given.shard` live calls each, and what all of them need together."""
    shards = -(-live // given.shard)
    one = needs_of(-(-live // shards), costs, given)
    together = {name: shards * value for name, value in asdict(one).items()}
    return shards, Needs(**{**together, "live": live})


def reached(costs: Costs, given: Assumptions) -> Iterator[tuple[Limit, int]]:
    """Each limit with the live calls at which it is reached, the first one first."""
    found = []
    for limit in LIMITS:
        low, high = 1, 100_000_000
        while low < high:
            middle = (low + high) // 2
            if getattr(needs_of(middle, costs, given), limit.field) >= limit.most:
                high = middle
            else:
                low = middle + 1
        found.append((limit, low))
    yield from sorted(found, key=lambda one: one[1])


def simulate_core(costs: Costs, given: Assumptions, busy: float, pause: float, seed: int) -> float:
    """The 99th percentile of an answer in seconds, of messages that queue for one core.

    Messages arrive at random times (Poisson); some begin or end a call, and cost more; once a second
    the collector stops everything for `pause` seconds.
    """
    chance = random.Random(seed)
    share = min(2 / (given.call_seconds * given.messages_a_second), 1.0)
    mean = costs.message + share * costs.call / 2
    gap, at, free_at, collected_at, taken = mean / busy, 0.0, 0.0, 0.0, []
    for _ in range(ARRIVALS):
        at += chance.expovariate(1 / gap)
        begins = max(at, free_at)
        if begins - collected_at > 1:
            begins, collected_at = begins + pause, begins
        free_at = begins + costs.message
        if chance.random() < share:
            free_at += costs.call / 2
        taken.append(free_at - at)
    taken.sort()
    return taken[int(0.99 * len(taken))]


def curve(costs: Costs, given: Assumptions) -> Sequence[Needs]:
    """From a thousand to a million live calls."""
    return [needs_of(live, costs, given) for live in SIZES]
