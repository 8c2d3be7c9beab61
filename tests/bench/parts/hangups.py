"""From a denied call's first message to `end-call` at Vapi, with the sandbox as Vapi."""

import asyncio
import time

import orjson

from tests.bench.parts.report import Goal, Part, Table, format_figure
from tests.bench.parts.scene import Scene
from tests.support.load import Load
from tests.support.measured import Measured, measured_servers
from tests.support.paced import Pace, build_request, drive
from tests.support.service import eventually
from tests.support.settings import SECRET

ALONE, MANY = 1.0, 25.0
"""Denied calls a second."""
WARMING = 25
WAIT_SECONDS = 15.0
SHARES = (0.5, 0.99, 0.999)
TEXT = """Denied calls begin, each with a control URL of its own. Measured from sending the first
message to the arrival of the command at the sandbox; the answer to the message does not wait for it.
The messages carry their organization's own secret, so the command goes out once the call is recorded,
and Vapi is asked about the call after it. Those with the master secret wait for Vapi's word whose call
it is: where several begin within a second, one request asks for those that gather in up to 0.2 s,
because requests to Vapi are few. Client and sandbox are one process on PostgreSQL's core."""


async def measure(scene: Scene) -> Part:
    sizes, part, cells = scene.sizes, Part(), []
    async with scene.database() as dsn, measured_servers(scene.make_folder(), dsn) as servers:
        await begin_calls(servers, WARMING, MANY)
        await asyncio.sleep(1)
        for name, rate, count, secret in (
            (f"{ALONE:.0f}", ALONE, sizes.hangups_alone, None),
            (f"{MANY:.0f}", MANY, sizes.hangups, None),
            (f"{MANY:.0f}.master", MANY, sizes.hangups, SECRET),
        ):
            taken, failures = await begin_calls(servers, count, rate, secret)
            part.failures += failures
            figures = [1000 * taken[int((len(taken) - 1) * share)] for share in SHARES]
            sender = "the master" if secret else "its organization's"
            row = f"{rate:.0f} a second", sender, str(len(taken))
            cells.append((*row, *map(format_figure, figures)))
            for share, figure in zip(SHARES, figures, strict=True):
                part.figures[f"hangup.{name}.{share}"] = figure
    for share, limit in ((0.5, 5), (0.99, 25)):
        figure = part.figures[f"hangup.{ALONE:.0f}.{share}"]
        part.goals.append(Goal(f"webhook to `end-call`, p{100 * share:.0f}", figure, limit, "ms"))
    head = ("denied calls", "secret", "calls", "p50 ms", "p99 ms", "p99.9 ms")
    part.tables.append(Table("From the webhook to `end-call`", TEXT, head, cells))
    return part


async def begin_calls(
    servers: Measured, count: int, rate: float, secret: str | None = None
) -> tuple[list[float], list[str]]:
    """Begin so many calls, so many a second; how long each hang-up took, sorted, and what went wrong.

    Their messages carry their organization's secret, or another one.
    """
    vapi, number_id = servers.vapi, servers.blocked.number_id
    load = Load(servers.urls["service"], b"", secret or servers.blocked.secret, 403)
    sent: dict[str, float] = {}
    vapi.hangups.clear()

    def build(_number: int) -> bytes:
        message = vapi.live_call(number_id)  # begins now: Vapi's lists show the newest calls only
        request = build_request(load, orjson.dumps(message))
        sent[str(message["message"]["call"]["id"])] = time.monotonic()
        return request

    pace = Pace(load)
    pace.build = build
    await drive(pace, rate, count / rate, 0)
    ended: dict[str, float] = {}

    async def all_ended() -> bool:
        for one in vapi.hangups:
            ended.setdefault(one.call_id, one.at)
        return len(ended) >= count

    failures = []
    try:
        await eventually(all_ended, WAIT_SECONDS)
    except TimeoutError:
        failures.append(f"hang-ups that did not come: {count - len(ended)}")
    for connection in list(pace.opened):
        connection.close()
    if pace.result.failures:
        failures.append(f"denied calls: {dict(pace.result.statuses)}")
    return sorted(ended[one] - sent[one] for one in ended) or [WAIT_SECONDS], failures
