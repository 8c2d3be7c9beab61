"""From the commit of a plan's change to the first changed decision on another replica."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from service.store.organizations.feed_source import LISTENER
from tests.bench.parts.replicas import Replicas, two_replicas
from tests.bench.parts.report import Goal, Part, Table, format_figure
from tests.bench.parts.scene import Scene
from tests.support.load import CALL_ID
from tests.support.partial_faults import open_now
from tests.support.tcp_proxy import ProxiedConnection, named

CHANGE = """
UPDATE callgate.plans SET status = $1, current_period_end = NULL
FROM callgate.phone_numbers n
WHERE n.vapi_phone_number_id = $2 AND plans.organization_id = n.organization_id
"""
PAUSE_SECONDS, CUT_PAUSE_SECONDS = 0.02, 3.0
WAIT_SECONDS = 20.0
TEXT = """The plan of an organization is ended and renewed in turn by a committed statement; new calls
ask the other replica one after the other until its decision has changed. The time includes the answer.
*Notifications cut*: the replica's listening connection is half-open from then on: nothing arrives, and
nothing says so. Both replicas share one core."""


@dataclass(slots=True)
class Asked:
    """The other replica, and PostgreSQL to change the plan of its organization."""

    replicas: Replicas
    connection: Any
    message: bytes
    count: int = 0

    async def allowed(self) -> bool:
        """The decision on a new call."""
        self.count += 1
        body = self.message.replace(CALL_ID.encode(), b"change-%d" % self.count)
        status, answer = await self.replicas.post(self.replicas.two, body)
        assert status == 200, answer
        return b'"error"' not in answer

    async def change(self, allow: bool) -> float:
        """Change the plan; the seconds from the commit to the first changed decision."""
        number_id = self.replicas.paying.number_id
        await self.connection.execute(CHANGE, "active" if allow else "paused", number_id)
        committed = time.perf_counter()
        async with asyncio.timeout(WAIT_SECONDS):
            while await self.allowed() != allow:
                pass
        return time.perf_counter() - committed


async def measure(scene: Scene) -> Part:
    sizes = scene.sizes
    async with scene.database() as dsn, two_replicas(scene.make_folder(), dsn) as replicas:
        message = replicas.vapi.live_call(replicas.paying.number_id, kind="assistant-request")
        message["message"]["call"]["id"] = CALL_ID
        connection, way = await asyncpg.connect(dsn), replicas.ways[1]
        asked = Asked(replicas, connection, orjson.dumps(message))
        for allow in (False, True):
            await asked.change(allow)
        taken, failures = [], []
        for number in range(sizes.changes):
            taken.append(await asked.change(number % 2 == 1))
            await asyncio.sleep(PAUSE_SECONDS)
        cut = []
        for number in range(sizes.cuts):
            chosen = open_now(way)
            with way.fault("black_hole", both(chosen, named(LISTENER))):
                try:
                    cut.append(await asked.change((sizes.changes + number) % 2 == 1))
                except TimeoutError:
                    failures.append(f"a change did not arrive in {WAIT_SECONDS:.0f} s")
            for proxied in list(way.connections):
                if proxied.lost:
                    proxied.cut()
            await asyncio.sleep(CUT_PAUSE_SECONDS)
        await connection.close()
    return build_part(sorted(taken), sorted(cut) or [WAIT_SECONDS], failures)


def both(one: Any, other: Any) -> Any:
    """Connections that both choose."""

    def chosen(connection: ProxiedConnection) -> bool:
        return bool(one(connection) and other(connection))

    return chosen


def build_part(taken: list[float], cut: list[float], failures: list[str]) -> Part:
    p50, p99, most = (1000 * taken[int((len(taken) - 1) * share)] for share in (0.5, 0.99, 1))
    part = Part(failures=failures)
    part.goals = [
        Goal("commit to the first changed decision elsewhere, p99", p99, 50, "ms"),
        Goal("the same with notifications cut, most", cut[-1], 5, "s"),
    ]
    rows = [
        ("as usual", str(len(taken)), *map(format_figure, (p50, p99, most))),
        ("notifications cut", str(len(cut)), *cut_texts(cut)),
    ]
    head = ("", "changes", "p50 ms", "p99 ms", "most ms")
    part.tables.append(Table("A change reaches another replica", TEXT, head, rows))
    part.figures = {"change.0.5": p50, "change.0.99": p99, "change.cut": cut[-1]}
    return part


def cut_texts(cut: list[float]) -> tuple[str, str, str]:
    p50, most = (1000 * cut[int((len(cut) - 1) * share)] for share in (0.5, 1))
    return format_figure(p50), "", format_figure(most)
