"""The budget of requests to Vapi, shared by all replicas in PostgreSQL.

One row holds the clocks of `domain/priority`. A replica reads them, takes a request, and writes them
back unless another replica was faster; then it reads again. No lock is held meanwhile. A replica that
cannot reach PostgreSQL keeps to its part of the rate: that of the replicas that it last knew.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from service.domain.priority import SHARES, Clocks, Priority, pause, take
from service.store.bounded import at_most
from service.store.pool import UNAVAILABLE, Pool

PATIENCE_SECONDS = 1.0
PATIENCE: Mapping[Priority, float] = {Priority.HANGUP: 0.1}
"""Kinds that do not wait for the shared clocks for so long."""
AWAY_SECONDS = 1.0
"""For so long after PostgreSQL did not answer, a request does not wait for it again."""
SLEEP_SECONDS = 1.0
"""A waiting request looks at least this often whether a share has become free."""
LONGEST_BACK_OFF = 60.0
KNOWN_SECONDS = 150.0
"""A replica that took no request for this long no longer counts: idle ones probe each minute."""

READ = """
SELECT state, version, extract(epoch FROM next_request_at)::float8 AS all_at,
    extract(epoch FROM clock_timestamp())::float8 AS now
FROM callgate.vapi_budget
"""

WRITE = """
UPDATE callgate.vapi_budget
SET state = $1, next_request_at = to_timestamp($2::float8), version = version + 1
WHERE version = $3 RETURNING true
"""

State = dict[str, Any]


class Budget:
    """Paces this replica's requests so that all replicas together stay within the rate."""

    def __init__(self, pool: Pool, requests_per_second: float) -> None:
        self.pool = pool
        self.rate = requests_per_second
        self.name = uuid4().hex
        self.replicas = 1
        self.local = Clocks()
        self.away_until = float("-inf")
        self.turns = {kind: asyncio.Lock() for kind in Priority}
        self.writing = asyncio.Lock()
        self.asked: set[asyncio.Task[float | None]] = set()

    async def pace(self, kind: Priority) -> None:
        """Return when a request of this kind may go out; those of a kind go in order."""
        began = time.monotonic()
        async with self.turns[kind]:
            while (wait := await self.take(kind, time.monotonic() - began)) > 0:
                await asyncio.sleep(min(wait, SLEEP_SECONDS))

    async def back_off(self, seconds: float) -> None:
        """Pause all but `UNPAUSED` kinds for so many seconds, because Vapi throttles."""
        seconds = min(seconds, LONGEST_BACK_OFF)
        self.local = pause(self.local, seconds, time.monotonic())
        try:
            async with at_most(PATIENCE_SECONDS), self.writing:
                while not await self.pause_shared(seconds):
                    pass  # another replica was faster: read again
        except UNAVAILABLE:
            pass  # this replica backs off on its own

    async def take(self, kind: Priority, waited: float = 0.0) -> float:
        """Take one request that `waited` seconds; returns the seconds after which to try again, or 0.

        A hang-up waits for PostgreSQL for a moment only. What was asked there goes on, and counts.
        """
        if time.monotonic() >= self.away_until:
            asked = asyncio.create_task(self.ask_shared(kind, waited))
            self.asked.add(asked)
            asked.add_done_callback(self.asked.discard)
            await asyncio.wait({asked}, timeout=PATIENCE.get(kind))
            if asked.done() and (wait := asked.result()) is not None:
                return wait
        self.local, wait = take(self.local, kind, time.monotonic(), self.rate / self.replicas)
        return wait

    async def ask_shared(self, kind: Priority, waited: float) -> float | None:
        """The same in PostgreSQL; None while it does not answer."""
        try:
            async with at_most(PATIENCE_SECONDS), self.writing:
                while (wait := await self.take_shared(kind, waited)) is None:
                    pass  # another replica was faster: read again
                return wait
        except UNAVAILABLE:
            self.away_until = time.monotonic() + AWAY_SECONDS
            return None

    async def take_shared(self, kind: Priority, waited: float) -> float | None:
        """The same in PostgreSQL; None if another replica changed the clocks meanwhile."""
        row = await self.pool.fetchrow(READ)
        assert row is not None, "the migration inserts the row"
        state, now = row["state"], row["now"]
        clocks, wait = take(read_clocks(state, row["all_at"]), kind, now, self.rate)
        replicas = {
            one: at for one, at in state.get("replicas", {}).items() if at > now - KNOWN_SECONDS
        }
        self.replicas = len({*replicas, self.name})
        if wait > 0:
            return wait
        written = {
            **write_clocks(clocks),
            "replicas": {**replicas, self.name: now},
            "waits": {**state.get("waits", {}), kind.value: [now, round(waited, 3)]},
        }
        if not await self.pool.fetchval(WRITE, written, clocks.all_at, row["version"]):
            return None
        self.note_locally(kind)
        return 0.0

    async def pause_shared(self, seconds: float) -> bool:
        """Pause in PostgreSQL; False if another replica changed the clocks meanwhile."""
        row = await self.pool.fetchrow(READ)
        assert row is not None, "the migration inserts the row"
        clocks = pause(read_clocks(row["state"], row["all_at"]), seconds, row["now"])
        written = {**row["state"], **write_clocks(clocks)}
        at = max(clocks.all_at, row["now"])
        return bool(await self.pool.fetchval(WRITE, written, at, row["version"]))

    def note_locally(self, kind: Priority) -> None:
        """Count a shared request in the clocks of this replica, which may have to do without PostgreSQL
        next: at most what is due now, because alone it may use more than its part."""
        now = time.monotonic()
        self.local, _ = take(self.local, kind, now, self.rate / self.replicas)


def read_clocks(state: Mapping[str, Any], all_at: float) -> Clocks:
    """The clocks of the row."""
    own = state.get("own", {})
    return Clocks(
        all_at,
        {kind: own[kind.value] for kind in SHARES if kind.value in own},
        state.get("paused_until", float("-inf")),
    )


def write_clocks(clocks: Clocks) -> State:
    """The clocks as they are stored, without that of all kinds."""
    paused = clocks.paused_until
    return {
        "own": {kind.value: at for kind, at in clocks.own_at.items()},
        **({} if paused == float("-inf") else {"paused_until": paused}),
    }
