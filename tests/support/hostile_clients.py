"""Clients' servers that are slow or hostile, and Vapi's messages for them.

    python -m tests.support.hostile_clients KIND PORT SERVER_PORT SECONDS NUMBER...

Runs in a process of its own, like the attacks. `KIND` is an answer of `client_servers`, or
`hanging_names` for a name server that never answers; `SERVER_PORT` is the port of either.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress
from itertools import cycle
from uuid import uuid4

import aiohttp
import uvloop

from tests.support.client_servers import client_server
from tests.support.name_server import name_server
from tests.support.settings import SECRET

HANGING = "hanging_names"
KINDS = ("one_byte_a_second", "fifty_megabytes", "close_at_once", "never", HANGING)

BURST = 600
"""Messages that are sent at once at the start, before the steady pace."""
EVERY_SECONDS = 0.025
CALLS = 10
TRANSCRIPT = "x" * 8000
"""What makes an update as long as in a call of some minutes."""
MIX = cycle(
    ("conversation-update", "tool-calls", "speech-update", "assistant-request", "tool-calls")
)


def message(kind: str, number: str, call: str) -> dict[str, object]:
    """A server message; each assistant-request begins a call of its own."""
    call = str(uuid4()) if kind == "assistant-request" else call
    return {
        "message": {
            "type": kind,
            "call": {"id": call, "type": "inboundPhoneCall", "phoneNumberId": number},
            "transcript": TRANSCRIPT,
        }
    }


async def send(url: str, numbers: list[str], seconds: float) -> None:
    """Send messages in a burst, then at a steady pace; no answer holds the next one up."""
    calls = cycle([(numbers[index % len(numbers)], str(uuid4())) for index in range(CALLS * 2)])
    deadline, tasks, sent = time.monotonic() + seconds, set(), 0
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"X-Vapi-Secret": SECRET}
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, headers=headers
    ) as session:

        async def post(body: dict[str, object]) -> None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(url, json=body) as response:
                    await response.read()

        while time.monotonic() < deadline:
            number, call = next(calls)
            task = asyncio.create_task(post(message(next(MIX), number, call)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
            await asyncio.sleep(EVERY_SECONDS if sent > BURST else 0)


async def run(kind: str, port: int, server_port: int, seconds: float, numbers: list[str]) -> None:
    url = f"http://127.0.0.1:{port}/api/vapi/webhook"
    if kind == HANGING:
        async with name_server({}, silent=("",), port=server_port):
            await send(url, numbers, seconds)
    else:
        async with client_server(kind, server_port):
            await send(url, numbers, seconds)


def main() -> None:
    kind, port, server_port, seconds, *numbers = sys.argv[1:]
    os.nice(10)
    uvloop.run(run(kind, int(port), int(server_port), float(seconds), numbers))


if __name__ == "__main__":
    main()
