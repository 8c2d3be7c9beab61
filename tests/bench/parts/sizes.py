"""Messages from 2 kB to 5 MB: the service beside the bare handler, and what a large one holds up."""

import asyncio
import http.client
import time
from dataclasses import replace
from urllib.parse import urlsplit

import orjson

from tests.bench.parts.report import Part, Table, format_figure, format_spread
from tests.bench.parts.scene import Scene, settle
from tests.bench.parts.throughput import WARMING_SECONDS, Row
from tests.support.load import Load, Spread, run_load
from tests.support.measured import Measured, measured_servers
from tests.support.paced import WARMING_SECONDS as PACED_WARMING_SECONDS
from tests.support.paced import run_paced

CONNECTIONS = {2_000: 32, 20_000: 32, 200_000: 16, 5_000_000: 4}
"""How many send messages of so many bytes."""
LARGE = max(CONNECTIONS)
SECONDS = 1
TURN = {
    "role": "user",
    "message": "so we would like a table for four on Friday evening",
    "time": 1764245732123.0,
    "secondsFromStart": 12.25,
}
TEXT = """Later messages of a known call with the conversation so far, 32 connections (200 kB: 16, 5 MB:
4). *Of the ceiling* is the ratio to the bare aiohttp handler, which reads the same bodies and decodes
nothing, in the same round. *CPU* is the processor time of the server and its helpers for a message."""
SMALL_RATE, PACED_SECONDS, POSTED_AT = 500, 1.0, 0.3
HELD_TEXT = f"""{SMALL_RATE} small messages a second; a message of 5 MB arrives once among those of each
second. *Longest* is the slowest small message of a second: it waited for what the server did with the
large one at once, and for its core. *Large* is how long the large message itself took."""


def name_of(size: int) -> str:
    return f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size // 1000} kB"


def enlarged(load: Load, size: int, connections: int) -> Load:
    """The message with a conversation that fills `size` bytes."""
    message = orjson.loads(load.body)["message"]
    message.pop("transcript", None)
    left = size - len(orjson.dumps({"message": {**message, "messages": []}}))
    count = max(left // (len(orjson.dumps(TURN)) + 1), 0)
    body = orjson.dumps({"message": {**message, "messages": [TURN] * count}})
    return replace(load, body=body, connections=connections)


def rows_of(servers: Measured) -> dict[int, tuple[Row, Row]]:
    """By size the rows of the ceiling and of the service."""
    found = {}
    for size, connections in CONNECTIONS.items():
        rows = []
        for server in ("bare", "service"):
            load, pid = servers.load(
                servers.paying, server, call_id="known-call", type="conversation-update"
            )
            rows.append(Row(server, enlarged(load, size, connections), pid))
        found[size] = rows[0], rows[1]
    return found


async def measure(scene: Scene) -> Part:
    """Each size in turn, and within it the two servers; then both with a large message a second."""
    folder, sizes = scene.make_folder(), scene.sizes
    async with scene.database() as dsn, measured_servers(folder, dsn) as servers:
        rows, pids = rows_of(servers), sorted(servers.pids.values())
        every = [row for pair in rows.values() for row in pair]
        for row in every:
            await run_load(row.load, WARMING_SECONDS, row.pid, folder)
        for _ in range(sizes.rounds):
            for row in every:
                await settle(pids)
                row.results.append(await run_load(row.load, SECONDS, row.pid, folder))
        part = build_part(rows)
        part.add(await measure_waiting(rows, sizes.large_messages))
    return part


def build_part(rows: dict[int, tuple[Row, Row]]) -> Part:
    """The table and the figures."""
    part, cells = Part(), []
    for size, (ceiling, own) in rows.items():
        for row, name in ((ceiling, "bare aiohttp handler"), (own, "Callgate: later message")):
            rate = row.spread("rate")
            texts = (
                format_spread(rate),
                format_figure(rate.median * size / 1e6),
                format_spread(row.of(ceiling)),
                format_figure(row.spread("p50", 1000).median),
                format_figure(row.spread("p99", 1000).median),
                format_figure(row.spread("cpu", 1e6).median),
                str(row.failures),
            )
            cells.append((name_of(size), name, *texts))
            if row.failures:
                part.failures.append(f"{name} of {name_of(size)}: {row.failures} answers")
        part.figures |= {
            f"size.{size}.rate": own.spread("rate").median,
            f"size.{size}.ceiling": ceiling.spread("rate").median,
            f"size.{size}.ratio": own.of(ceiling).median,
            f"size.{size}.cpu": own.spread("cpu").least,
        }
    head = ("size", "server", "messages/s", "MB/s", "of the ceiling", "p50 ms", "p99 ms", "CPU µs")
    part.tables.append(Table("Messages by size", TEXT, (*head, "failures"), cells))
    return part


async def measure_waiting(rows: dict[int, tuple[Row, Row]], count: int) -> Part:
    """Small messages while a large one arrives each second, `count` times, for both servers in turn."""
    part, cells = Part(), []
    small, large = rows[min(CONNECTIONS)], rows[LARGE]
    for with_large in (False, True):
        for place, name in enumerate(("bare aiohttp handler", "Callgate: later message")):
            given = large[place].load if with_large else None
            late, longest, taken, failures = await one_waiting(small[place].load, given, count)
            what = "5 MB a second" if with_large else "none"
            texts = (format_figure(1000 * late), format_spread(longest))
            cells.append((what, name, *texts, format_figure(1000 * taken) if taken else ""))
            if failures:
                part.failures.append(f"{name} beside {what}: {failures} answers")
            if with_large:
                part.figures[f"size.held.{('ceiling', 'own')[place]}"] = longest.median / 1000
    head = ("large messages", "server", "small p99 ms", "longest ms", "large ms")
    part.tables.append(Table("Small messages beside a large one", HELD_TEXT, head, cells))
    return part


async def one_waiting(
    small: Load, large: Load | None, count: int
) -> tuple[float, Spread, float, int]:
    """The p99 of small messages in seconds, their longest in milliseconds, the median of the large ones
    in seconds, and how many answers were wrong."""
    taken: list[float] = []
    longest: list[float] = []
    sent: list[float] = []
    failures = 0
    sender = None if large is None else Sender(large)
    if sender is not None:
        await asyncio.to_thread(sender.post)
    for _ in range(count):
        posting = asyncio.create_task(post_later(sender))
        found = await run_paced(small, SMALL_RATE, PACED_SECONDS)
        taken += found.taken
        longest.append(1000 * found.taken[-1])
        failures += found.failures
        if (seconds := await posting) is not None:
            sent.append(seconds)
            failures += seconds < 0
    taken.sort()
    late = taken[int(len(taken) * 0.99)]
    return late, Spread.of(longest), sorted(sent)[len(sent) // 2] if sent else 0.0, failures


async def post_later(sender: "Sender | None") -> float | None:
    """Post the large message among those that count."""
    if sender is None:
        return None
    await asyncio.sleep(PACED_WARMING_SECONDS + POSTED_AT)
    return await asyncio.to_thread(sender.post)


class Sender:
    """Posts one message at a time from a thread: a loop that writes it would delay the small ones."""

    def __init__(self, load: Load) -> None:
        self.load = load
        parts = urlsplit(load.url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def post(self) -> float:
        """The seconds until the answer; negative if it is another one than expected."""
        began = time.perf_counter()
        headers = {"Content-Type": "application/json", "X-Vapi-Secret": self.load.secret}
        self.connection.request("POST", urlsplit(self.load.url).path, self.load.body, headers)
        answer = self.connection.getresponse()
        answer.read()
        seconds = time.perf_counter() - began
        return seconds if answer.status == self.load.status else -seconds
