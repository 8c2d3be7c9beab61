"""Mode `hmac`: a signed message has one effect, and a retry after a failure still has it."""

import asyncio
import hashlib
import hmac
import io
import time
from typing import Any

import orjson
import pytest
from aiohttp import web

from service.sandbox.server import SandboxVapi
from service.store import signatures
from service.store.pool import Pool, create_pool
from service.vapi.authenticity import AuthenticityError
from service.web.replays import Replays, StillAnsweringError
from tests.support.service import Replica, Start
from tests.support.settings import SECRET

DIGEST = b"0123456789abcdef"


def signed(message: Any, *, at: float | None = None) -> tuple[bytes, dict[str, str]]:
    """A body and the headers that Vapi's HMAC credential would send with it."""
    body, stamp = orjson.dumps(message), str(int(time.time() if at is None else at))
    payload = f"{stamp}.".encode() + body
    signature = hmac.new(SECRET.encode(), payload, hashlib.sha256).hexdigest()
    return body, {"x-signature": signature, "x-timestamp": stamp}


async def send(callgate: Replica, body: bytes, headers: dict[str, str]) -> int:
    url = f"{callgate.url}/api/vapi/webhook"
    async with callgate.session.post(url, data=io.BytesIO(body), headers=headers) as response:
        return response.status


async def blocked_call(callgate: Replica, vapi: SandboxVapi) -> Any:
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(await callgate.add_organization(), number_id)
    return vapi.live_call(number_id)


async def test_a_repetition_is_refused_by_every_replica(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    first = await start_replica(vapi_webhook_auth="hmac")
    second = await start_replica(vapi_webhook_auth="hmac")
    message = await blocked_call(first, vapi)
    body, headers = signed(message)
    assert await send(first, body, headers) == 403
    assert await send(first, body, headers) == 401
    assert await send(second, body, headers) == 401
    # A header with a second signature proves the same payload.
    assert (
        await send(
            second, body, {**headers, "x-signature": f"{'00' * 32} {headers['x-signature']}"}
        )
        == 401
    )
    assert await send(second, *signed(message, at=time.time() - 2)) == 403


async def test_timestamps_of_the_future_get_half_a_minute(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(vapi_webhook_auth="hmac")
    message = await blocked_call(callgate, vapi)
    assert await send(callgate, *signed(message, at=time.time() + 20)) == 403
    assert await send(callgate, *signed(message, at=time.time() + 40)) == 401


async def test_with_postgres_away_memory_refuses(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start_replica(vapi_webhook_auth="hmac")
    body, headers = signed(await blocked_call(callgate, vapi))
    callgate.service.web.webhook.replays.pool = await closed_pool(callgate)
    assert await send(callgate, body, headers) == 403
    assert await send(callgate, body, headers) == 401


async def closed_pool(callgate: Replica) -> Pool:
    pool = await create_pool(callgate.service.core.dsn, 1)
    await pool.close()
    return pool


async def respond(status: int = 200) -> web.StreamResponse:
    return web.Response(status=status)


async def test_a_retry_after_a_failure_is_answered(pool: Pool) -> None:
    replays, other = Replays(pool, 330), Replays(pool, 330)

    async def fail() -> web.StreamResponse:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await replays.answer_once(DIGEST, fail)
    assert (await replays.answer_once(DIGEST, lambda: respond(503))).status == 503
    assert (await other.answer_once(DIGEST, respond)).status == 200
    for one in (replays, other):
        with pytest.raises(AuthenticityError, match="before"):
            await one.answer_once(DIGEST, respond)
    assert (await replays.answer_once(None, respond)).status == 200


async def test_a_message_that_is_still_being_answered_may_be_sent_again(pool: Pool) -> None:
    replays, other = Replays(pool, 330), Replays(pool, 330)
    gate = asyncio.Event()

    async def slow() -> web.StreamResponse:
        await gate.wait()
        return await respond()

    task = asyncio.create_task(replays.answer_once(DIGEST, slow))
    while not await pool.fetchval("SELECT count(*) FROM callgate.webhook_signatures"):
        await asyncio.sleep(0.01)
    for one in (replays, other):
        with pytest.raises(StillAnsweringError):
            await one.answer_once(DIGEST, respond)
    await pool.execute(
        "UPDATE callgate.webhook_signatures SET seen_at = now() - interval '2 minutes'"
    )
    assert (await other.answer_once(DIGEST, respond)).status == 200
    gate.set()
    assert (await task).status == 200


async def test_what_is_too_old_to_be_accepted_is_forgotten(pool: Pool) -> None:
    replays = Replays(pool, 0.05)
    await replays.answer_once(DIGEST, respond)
    await asyncio.sleep(0.1)
    await replays.clean()
    assert len(replays.done) == 0
    assert await signatures.claim(pool, DIGEST) == "claimed"
