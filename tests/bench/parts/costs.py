"""What a call costs: processor time, PostgreSQL's transactions, rows and log, connections, notices.

`python -m tests.bench scale` reckons with these figures.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson

from tests.bench.parts.replicas import Replicas, two_replicas
from tests.bench.parts.report import Part, Table, format_figure
from tests.bench.parts.scene import Scene
from tests.support.load import cpu_seconds
from tests.support.partial_faults import ENDED, changed
from tests.support.service import eventually

AT_ONCE = 20
LATER_MESSAGES = 10
LISTENERS = 40
FLUSH_SECONDS = 1.5
"""PostgreSQL's statistics lag by up to a second."""
IDLE_SECONDS = 4.0
COUNTERS = """
SELECT xact_commit, tup_inserted + tup_updated + tup_deleted AS rows,
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS wal
FROM pg_stat_database WHERE datname = current_database()
"""
VERIFIED = "SELECT NOT EXISTS (SELECT FROM callgate.calls WHERE hangup_state = 'pending')"
VERIFY_SECONDS = 60
CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
TEXT = f"""One life is an assistant-request, a call in progress, {LATER_MESSAGES} further messages and
the end of the call; a blocked call is hung up and its end verified. An unknown call is a message of a
call that another replica decided: it is read once. What an idle service does is subtracted."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used: seconds of processor time, transactions, rows written, bytes of log."""

    seconds: float
    service: float
    postgres: float
    transactions: float
    rows: float
    wal: float

    def without(self, idle: "Spent") -> "Spent":
        """Less what an idle service uses in the same time."""
        share = self.seconds / idle.seconds
        pairs = zip(self.all, idle.all, strict=True)
        return Spent(self.seconds, *(max(one - share * two, 0.0) for one, two in pairs))

    def each(self, count: int) -> "Spent":
        """The part of one of so many."""
        return Spent(self.seconds, *(one / count for one in self.all))

    @property
    def all(self) -> Sequence[float]:
        return self.service, self.postgres, self.transactions, self.rows, self.wal


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures what work uses, in both replicas and in PostgreSQL."""

    scene: Scene
    replicas: Replicas
    connection: Any

    async def read(self) -> tuple[dict[int, float], tuple[float, ...]]:
        """Processor time of each process of PostgreSQL; that of the service, and the counters."""
        await asyncio.sleep(FLUSH_SECONDS)
        row = await self.connection.fetchrow(COUNTERS)
        processes = (self.replicas.one.process, self.replicas.two.process)
        service = sum(cpu_seconds(one.pid) for one in processes if one is not None)
        return self.scene.postgres_seconds(), (service, *map(float, row))

    async def spend(self, work: Callable[[], Awaitable[object]]) -> Spent:
        (postgres, before), began = await self.read(), time.monotonic()
        await work()
        postgres_after, after = await self.read()
        used = sum(seconds - postgres.get(pid, 0.0) for pid, seconds in postgres_after.items())
        service, *counts = (two - one for one, two in zip(before, after, strict=True))
        return Spent(time.monotonic() - began, service, used, *counts)


@dataclass(slots=True)
class Lives:
    """Calls that are posted from their first message to their end. `wrong` counts other answers."""

    replicas: Replicas
    begun: list[dict[str, Any]] = field(default_factory=list)
    wrong: int = 0

    async def post(self, message: object, expected: int = 200, *, elsewhere: bool = False) -> None:
        target = self.replicas.two if elsewhere else self.replicas.one
        status, _ = await self.replicas.post(target, orjson.dumps(message))
        self.wrong += status != expected

    async def live(self) -> None:
        """A granted call from its first message to its end."""
        message = self.replicas.vapi.live_call(self.replicas.paying.number_id)
        await self.post(changed(message, "assistant-request"))
        await self.post(message)
        for _ in range(LATER_MESSAGES):
            await self.post(changed(message, "speech-update", status="started", role="user"))
        self.replicas.vapi.hang_up(message["message"]["call"]["id"])
        await self.post(changed(message, "end-of-call-report", **ENDED))

    async def block(self) -> None:
        """A call that is denied, hung up and verified."""
        await self.post(self.replicas.vapi.live_call(self.replicas.blocked.number_id), 403)

    async def block_all(self, count: int, connection: Any) -> None:
        """So many, until Vapi has confirmed the end of each."""
        await at_once(count, self.block)
        await eventually(lambda: connection.fetchval(VERIFIED), VERIFY_SECONDS)

    async def begin(self) -> None:
        """A call that goes on."""
        message = self.replicas.vapi.live_call(self.replicas.paying.number_id)
        await self.post(message)
        self.begun.append(changed(message, "speech-update", status="started", role="user"))

    async def go_on_elsewhere(self) -> None:
        """The next message of a call under way, at the other replica."""
        await self.post(self.begun.pop(), elsewhere=True)


async def at_once(count: int, one: Callable[[], Awaitable[None]]) -> None:
    """So many in all, some at a time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await one()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def measure(scene: Scene) -> Part:
    count = scene.sizes.lives
    async with scene.database() as dsn, two_replicas(scene.make_folder(), dsn) as replicas:
        connection = await asyncpg.connect(dsn)
        meter, lives = Meter(scene, replicas, connection), Lives(replicas)
        await at_once(AT_ONCE, lives.live)
        idle = await meter.spend(lambda: asyncio.sleep(IDLE_SECONDS))
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "a granted call": lambda: at_once(count, lives.live),
            "a blocked call": lambda: lives.block_all(count, connection),
            "a call that begins": lambda: at_once(count, lives.begin),
            "a message of an unknown call": lambda: at_once(count, lives.go_on_elsewhere),
        }
        spent = {}
        for name, work in works.items():
            spent[name] = (await meter.spend(work)).without(idle).each(count)
        connections = int(await connection.fetchval(CONNECTIONS)) / 2
        delivery = await measure_delivery(meter, dsn, idle)
        await connection.close()
    failures = [f"calls of the costs: {lives.wrong} answers"] if lives.wrong else []
    return build_part(spent, connections, delivery, failures)


async def measure_delivery(meter: Meter, dsn: str, idle: Spent) -> tuple[float, float]:
    """PostgreSQL's processor time for one notification: of its own, and for each further listener."""
    figures, count = [], meter.scene.sizes.notifications
    for listeners in (0, LISTENERS):
        listening = [await asyncpg.connect(dsn) for _ in range(listeners)]
        for one in listening:
            await one.add_listener("bench", lambda *_: None)

        async def notify() -> None:
            for _ in range(count):
                await meter.connection.execute("NOTIFY bench, 'x'")

        figures.append((await meter.spend(notify)).without(idle).postgres / count)
        for one in listening:
            await one.close()
    alone, all_of_them = figures
    return alone, max(all_of_them - alone, 0.0) / LISTENERS


def build_part(
    spent: Mapping[str, Spent],
    connections: float,
    delivery: tuple[float, float],
    failures: list[str],
) -> Part:
    part, cells = Part(failures=failures), []
    for name, one in spent.items():
        slug = name.replace("a ", "", 1).replace(" ", "_")
        part.figures |= {
            f"cost.{slug}.service": one.service,
            f"cost.{slug}.postgres": one.postgres,
            f"cost.{slug}.transactions": one.transactions,
            f"cost.{slug}.rows": one.rows,
            f"cost.{slug}.wal": one.wal,
        }
        milliseconds = format_figure(1000 * one.service), format_figure(1000 * one.postgres)
        counts = (one.transactions, one.rows, one.wal / 1024)
        cells.append((name, *milliseconds, *map(format_figure, counts)))
    part.figures |= {
        "cost.connections": connections,
        "cost.notification": delivery[0],
        "cost.delivery": delivery[1],
    }
    head = ("", "service ms", "PostgreSQL ms", "transactions", "rows written", "log KiB")
    text = (
        f"{TEXT} A replica holds {connections:.0f} connections. A notification costs PostgreSQL "
        f"{1e6 * delivery[0]:.0f} µs, and {1e6 * delivery[1]:.0f} µs for each replica that listens."
    )
    part.tables.append(Table("What a call costs", text, head, cells))
    return part
