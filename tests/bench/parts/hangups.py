"""From a denied call's first message to `end-call` at Vapi, with the sandbox as Vapi."""

import time

import orjson

from tests.bench.parts.report import Goal, Part, Table, format_figure
from tests.bench.parts.scene import Scene
from tests.support.load import Load
from tests.support.measured import Measured, measured_servers
from tests.support.paced import Pace, build_request, drive
from tests.support.service import eventually

RATE = 25
WARMING = 25
WAIT_SECONDS = 15.0
SHARES = (0.5, 0.99, 0.999)
TEXT = f"""{RATE} denied calls a second begin, each with a control URL of its own. Measured from sending
the first message to the arrival of the command at the sandbox. The answer to the message does not wait
for it. Client and sandbox are one process on PostgreSQL's core."""


async def measure(scene: Scene) -> Part:
    folder = scene.make_folder()
    async with scene.database() as dsn, measured_servers(folder, dsn) as servers:
        await begin_calls(servers, WARMING)
        taken, failures = await begin_calls(servers, scene.sizes.hangups)
    figures = [1000 * taken[int((len(taken) - 1) * share)] for share in SHARES]
    part = Part(failures=failures)
    part.goals = [
        Goal("webhook to `end-call`, p50", figures[0], 5, "ms"),
        Goal("webhook to `end-call`, p99", figures[1], 25, "ms"),
    ]
    cells = [("webhook to `end-call`", str(len(taken)), *map(format_figure, figures))]
    head = ("from, to", "calls", "p50 ms", "p99 ms", "p99.9 ms")
    part.tables.append(Table("Hanging up", TEXT, head, cells))
    part.figures = {f"hangup.{share}": one for share, one in zip(SHARES, figures, strict=True)}
    return part


async def begin_calls(servers: Measured, count: int) -> tuple[list[float], list[str]]:
    """Begin so many calls; how long each hang-up took, sorted, and what went wrong."""
    vapi, number_id = servers.vapi, servers.blocked.number_id
    load = Load(servers.urls["service"], b"", servers.blocked.secret, 403)
    messages = [vapi.live_call(number_id) for _ in range(count)]
    ids = [str(message["message"]["call"]["id"]) for message in messages]
    requests = [build_request(load, orjson.dumps(message)) for message in messages]
    sent: dict[str, float] = {}
    vapi.hangups.clear()

    def build(number: int) -> bytes:
        sent[ids[number]] = time.monotonic()
        return requests[number]

    pace = Pace(load)
    pace.build = build
    await drive(pace, RATE, count / RATE, 0)
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
    return sorted(ended[one] - sent[one] for one in ended), failures
