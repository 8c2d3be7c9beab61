"""Two replicas under traffic for a long time, with one fault after the other; what is left behind."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import aiohttp
import asyncpg

from service.access.known_calls import MOST_CALLS
from tests.bench.parts.replicas import Replicas, inside_of
from tests.support.inside import Inside, look
from tests.support.measured import WEBHOOK
from tests.support.partial_faults import HARMS, Traffic
from tests.support.process import ServiceProcess
from tests.support.replies import Reply
from tests.support.settings import SECRET

MESSAGES_PER_CALL = 2.75
"""Three calls of four are granted and have three messages; a blocked one has two."""
HARM_SHARE, MOST_HARM_SECONDS = 0.3, 10.0
FORGET_SECONDS = 15.0
FLAT_BYTES, CALL_BYTES = 24 * 2**20, 2048
"""How much memory may grow after warming: noise, and for each call until the cache of calls is full."""
LOCKS = """
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE a.datname = current_database() AND pid <> pg_backend_pid()
    AND (l.locktype = 'advisory' OR a.xact_start < now() - interval '5 seconds')
"""


@dataclass(frozen=True, slots=True)
class Target:
    """One of the replicas, as traffic sees it."""

    process: ServiceProcess
    session: aiohttp.ClientSession

    async def post(self, message: object) -> Reply:
        url, headers = f"{self.process.url}{WEBHOOK}", {"X-Vapi-Secret": SECRET}
        async with self.session.post(url, json=message, headers=headers) as response:
            return await Reply.read(response)


@dataclass(slots=True)
class LongTraffic(Traffic[Target]):
    """Traffic that forgets a call once its record, its answers and Vapi agree about it."""

    done_at: dict[str, float] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    async def run(self, seconds: float, pause: float) -> None:
        """Begin calls, each when it is due."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for place in range(int(seconds / pause)):
            await asyncio.sleep(max(began + place * pause - loop.time(), 0))
            task = asyncio.create_task(self.call(self.begun))
            self.begun += 1
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def faults_of(self, call_id: str, statuses: list[int], row: Any) -> list[str]:
        """A hang-up is done once its end is confirmed: until then the service works on it."""
        found = Traffic.faults_of(self, call_id, statuses, row)
        if row is not None and row["blocked"] and row["hangup_state"] != "confirmed":
            found.append("hang-ups without a confirmed end")
        return found

    async def forget(self) -> None:
        """Forget the calls that are well; those that are not are judged at the end."""
        old = time.monotonic() - FORGET_SECONDS
        wrong, now = await self.find_wrong(), time.monotonic()
        for call_id, statuses in list(self.answers.items()):
            last = self.done_at.setdefault(call_id, now)
            if last > old or call_id in wrong:
                continue
            self.statuses.update(statuses)
            del self.answers[call_id], self.done_at[call_id]
            self.vapi.calls.pop(call_id, None)
        self.vapi.hangups.clear()


@dataclass(slots=True)
class Soak:
    """`looks` are those of each replica after each fault, beside how many calls had begun by then."""

    replicas: Replicas
    dsn: str
    traffic: LongTraffic
    looks: list[tuple[int, Sequence[Inside]]] = field(default_factory=list)
    before: Sequence[Inside] = ()
    locks_before: int = 0

    async def look(self) -> Sequence[Inside]:
        processes = (self.replicas.one, self.replicas.two)
        return [await look(process, inside_of(process)) for process in processes]

    async def begin(self) -> None:
        """Remember what an idle service has."""
        self.before, self.locks_before = await self.look(), await self.locks()

    async def locks(self) -> int:
        connection = await asyncpg.connect(self.dsn)
        try:
            return int(await connection.fetchval(LOCKS))
        finally:
            await connection.close()

    async def turn(self, number: int, seconds: float, rate: float) -> str:
        """One fault within so many seconds of traffic; what was done and seen."""
        harms = list(product(HARMS, ([0], [1], [0, 1])))
        name, places = harms[number % len(harms)]
        lasts = min(HARM_SHARE * seconds, MOST_HARM_SECONDS)
        running = asyncio.create_task(self.traffic.run(seconds, MESSAGES_PER_CALL / rate))
        await asyncio.sleep((seconds - lasts) / 3)
        ways = [self.replicas.ways[place] for place in places]
        with ExitStack() as stack:
            for way in ways:
                stack.enter_context(HARMS[name](way))
            await asyncio.sleep(lasts)
        await running
        self.cut_lost()
        await self.traffic.forget()
        seen = await self.look()
        self.looks.append((self.traffic.begun, seen))
        sizes = " and ".join(f"{one.resident / 2**20:.0f} MiB" for one in seen)
        where = "both replicas" if len(places) == 2 else f"replica {places[0] + 1}"
        return f"{name}, {where}: {self.traffic.begun} calls so far, {sizes}"

    def cut_lost(self) -> None:
        """End half-open connections, as PostgreSQL's own keepalive does in time."""
        for way in self.replicas.ways:
            way.cut(lambda connection: connection.lost)

    def grown(self) -> list[str]:
        """Where memory has grown since the service was warm: after a third of the faults."""
        found = []
        warm, last = self.looks[len(self.looks) // 3], self.looks[-1]
        calls = min(last[0], MOST_CALLS) - min(warm[0], MOST_CALLS)
        most = FLAT_BYTES + CALL_BYTES * calls
        for place, (one, other) in enumerate(zip(warm[1], last[1], strict=True), 1):
            if (grown := other.resident - one.resident) > most:
                text = f"{grown / 2**20:.0f} MiB, expected at most {most / 2**20:.0f}"
                found.append(f"memory of replica {place} has grown by {text}")
        return found

    async def left_over(self) -> list[str]:
        """Tasks, locks and descriptors that an idle service did not have; connections do not count."""
        found = []
        ways = self.replicas.ways
        for place, (one, other) in enumerate(zip(self.before, await self.look(), strict=True), 1):
            if more := more_of(other.tasks, one.tasks):
                found.append(f"tasks of replica {place}: {dict(more)}")
            descriptors = other.descriptors - len(ways[place - 1].connections)
            if descriptors > one.descriptors:
                text = f"{descriptors} beside its connections, {one.descriptors} before"
                found.append(f"descriptors of replica {place}: {text}")
        if (locks := await self.locks()) > self.locks_before:
            found.append(f"locks: {locks}, {self.locks_before} before")
        return found


def more_of(now: Mapping[str, int], before: Mapping[str, int]) -> Counter[str]:
    """The tasks of each name that were not there before."""
    return Counter(now) - Counter(before)
